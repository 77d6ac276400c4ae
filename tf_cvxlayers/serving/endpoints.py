"""The endpoints of a file: what is called, with which arguments, by which names."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_cvxlayers.errors import ExportError
from tf_cvxlayers.layers.cone_layer import ConeLayer
from tf_cvxlayers.runtime.keras_internals import input_signature
from tf_cvxlayers.serving.names import argument_names
from tf_cvxlayers.serving.substitution import watched

SERVE, STATUS = "serve", "status"


def call_signature(model: keras.Model) -> list[Any]:
    """The arguments of a call as nested `tf.TensorSpec`, with names that stay the same
    from one process to the next."""
    try:
        signature = input_signature(model)
    except ValueError as error:
        raise ExportError(
            "Expected a model whose input shapes are known. Received: "
            f"model={model.name!r}, of which Keras says: {error}"
        ) from error
    flat = tf.nest.flatten(signature)
    names = argument_names([spec.name for spec in flat])
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name)
        for spec, name in zip(flat, names, strict=True)
    ]
    return tf.nest.pack_sequence_as(signature, specs)


class Written(NamedTuple):
    """What was written into a file.

    Attributes:
        endpoints: the functions that the endpoints are traces of.
        statuses: the names of the outputs of `status` that are statuses.
        has_python: whether an operation in it calls Python.
    """

    endpoints: dict[str, Callable[..., Any]]
    statuses: frozenset[str]
    has_python: bool


def write(
    model: keras.Model,
    layers: list[ConeLayer],
    signature: list[Any],
    path: pathlib.Path,
) -> Written:
    """Write a model as a SavedModel with its endpoints."""
    names: set[str] = set()

    def serve(*arguments):
        return model(*arguments, training=False)

    def status(*arguments):
        with watched(layers) as seen:
            outputs = _named(model(*arguments, training=False))
        statuses = _statuses(seen, outputs)
        names.update(statuses)
        return {**outputs, **statuses}

    endpoints: dict[str, Callable[..., Any]] = {SERVE: serve}
    if layers:
        endpoints[STATUS] = status
    has_python = False
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function in list(endpoints.items()):
        traced = tf.function(function, input_signature=signature, autograph=False)
        try:
            graph = traced.get_concrete_function().graph.as_graph_def()
        except _OutOfReach:
            del endpoints[name]
        else:
            has_python |= any("PyFunc" in node.op for node in _nodes(graph))
            archive.add_endpoint(name, traced)
    with _quiet():
        archive.write_out(path, verbose=False)
    return Written(endpoints, frozenset(names), has_python)


class _OutOfReach(Exception):
    """A status is a tensor of a loop's body, or of a graph that was there before."""


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph, and of the functions that it calls."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _named(outputs: Any) -> dict[str, tf.Tensor]:
    """Outputs under the names that TensorFlow gives them in a signature."""
    if isinstance(outputs, dict) and all(map(tf.is_tensor, outputs.values())):
        return dict(outputs)
    flat = tf.nest.flatten(outputs)
    return {f"output_{k}": output for k, output in enumerate(flat)}


def _statuses(
    seen: list[tf.Tensor], outputs: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Statuses under names that no output of the model has."""
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    if not seen or (graph and any(status.graph is not graph for status in seen)):
        raise _OutOfReach
    name = STATUS
    while True:
        names = [name] if len(seen) == 1 else [f"{name}_{k}" for k in range(len(seen))]
        if not outputs.keys() & set(names):
            return dict(zip(names, seen, strict=True))
        name = f"solver_{name}"


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


@contextlib.contextmanager
def inlined() -> Iterator[None]:
    """Inside, a `tf.function` of the model is Python code: it takes part in the trace
    that is being made, and keeps none that was made with other engines."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
