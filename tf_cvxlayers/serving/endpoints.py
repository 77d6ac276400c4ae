"""The endpoints of a file: what is called, with which arguments, by which names."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from keras.src.export.export_utils import get_input_signature

from tf_cvxlayers.errors import ExportError
from tf_cvxlayers.layers.base import ConeLayer
from tf_cvxlayers.serving.substitution import watched

SERVE, STATUS = "serve", "status"


def call_signature(model: keras.Model) -> list[Any]:
    """The arguments of a call as nested `tf.TensorSpec`, with names that stay the same
    from one process to the next."""
    try:
        signature = get_input_signature(model)
    except ValueError as error:
        raise ExportError(
            "Expected a model whose input shapes are known. Received: "
            f"model={model.name!r}, of which Keras says: {error}"
        ) from error
    flat = tf.nest.flatten(signature)
    given = [spec.name or "keras_tensor" for spec in flat]
    numbered = [name.startswith("keras_tensor") for name in given]
    names = iter(
        ["inputs"] if sum(numbered) == 1 else [f"inputs_{k}" for k in range(len(flat))]
    )
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, next(names) if is_numbered else name)
        for spec, name, is_numbered in zip(flat, given, numbered, strict=True)
    ]
    return tf.nest.pack_sequence_as(signature, specs)


def write(
    model: keras.Model,
    layers: list[ConeLayer],
    signature: list[Any],
    path: pathlib.Path,
) -> dict[str, Callable[..., Any]]:
    """Write the file; the Python functions that its endpoints are traces of."""

    def serve(*arguments):
        return model(*arguments, training=False)

    def status(*arguments):
        with watched(layers) as seen:
            outputs = model(*arguments, training=False)
        named = _named(outputs)
        # A model may have an output of this name.
        name = STATUS if STATUS not in named else f"solver_{STATUS}"
        return {**named, **_statuses(seen, name)}

    endpoints: dict[str, Callable[..., Any]] = {SERVE: serve}
    if layers:
        endpoints[STATUS] = status
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function in list(endpoints.items()):
        traced = tf.function(function, input_signature=signature, autograph=False)
        try:
            traced.get_concrete_function()
        except _OutOfReach:
            del endpoints[name]
        else:
            archive.add_endpoint(name, traced)
    with _quiet():
        archive.write_out(path, verbose=False)
    return endpoints


class _OutOfReach(Exception):
    """A status is a tensor of a loop's body."""


def _named(outputs: Any) -> dict[str, tf.Tensor]:
    """Outputs under the names that TensorFlow gives them in a signature."""
    if isinstance(outputs, dict):
        return dict(outputs)
    flat = tf.nest.flatten(outputs)
    return {f"output_{k}": output for k, output in enumerate(flat)}


def _statuses(seen: list[tf.Tensor], name: str) -> dict[str, tf.Tensor]:
    if not tf.executing_eagerly():
        graph = tf.compat.v1.get_default_graph()
        if any(status.graph is not graph for status in seen):
            raise _OutOfReach
    if len(seen) == 1:
        return {name: seen[0]}
    return {f"{name}_{k}": status for k, status in enumerate(seen)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the line that TensorFlow logs about each file it writes."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)
