"""The engines that layers have in a file, and a view into their solves.

A file is traced with other engines than the model was trained with, and in one of its
signatures with `on_failure="nan"`. Both are put into the model for the time of the
trace, which works for every kind of model; a clone would need one that Keras can clone.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.engines.selection import portable_engine
from tf_cvxlayers.layers.base import ConeLayer
from tf_cvxlayers.pipeline.pipeline import Pipeline, Solved
from tf_cvxlayers.runtime.keras_internals import direct_sublayers


class Choice(NamedTuple):
    """What solves a layer in a portable file.

    Attributes:
        path: of the layer in the model.
        layer: the layer.
        engine: None where there is no engine that could.
        objection: what is against it; None where nothing is.
    """

    path: str
    layer: ConeLayer
    engine: Engine | None
    objection: str | None


def cone_layers(model: keras.layers.Layer) -> dict[str, ConeLayer]:
    """The optimization layers in a model by their paths, each of them once.

    Keras's own paths are not there before a layer's first call.
    """
    found: dict[str, ConeLayer] = {}

    def visit(layer: keras.layers.Layer, path: str) -> None:
        if isinstance(layer, ConeLayer) and layer not in found.values():
            # Layers beside each other may have one name.
            found[path if path not in found else f"{path} ({len(found)})"] = layer
        for inner in direct_sublayers(layer):
            visit(inner, f"{path}/{inner.name}")

    visit(model, model.name)
    return found


def portable_choice(path: str, layer: ConeLayer) -> Choice:
    """Its own engine if it can do without Python, else another one that can."""
    if layer.engine.portable:
        return Choice(path, layer, layer.engine, None)
    other, objection = portable_engine(layer.pipeline.reduction.structure)
    return Choice(path, layer, other, objection)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Watched(Pipeline):
    """A pipeline that remembers the statuses of what it solved."""

    seen: list[tf.Tensor] = dataclasses.field(default_factory=list)

    def __call__(self, values: list[tf.Tensor]) -> Solved:
        solved = super().__call__(values)
        self.seen.append(solved.status)
        return solved


@contextlib.contextmanager
def substituted(engines: Sequence[tuple[ConeLayer, Engine]]) -> Iterator[None]:
    """Inside, each layer is solved by the engine beside it."""
    with contextlib.ExitStack() as stack:
        for layer, engine in engines:
            pipeline = dataclasses.replace(layer.pipeline, engine=engine)
            stack.enter_context(_set(layer, pipeline=pipeline))
        yield


@contextlib.contextmanager
def watched(layers: Sequence[ConeLayer]) -> Iterator[list[tf.Tensor]]:
    """Inside, an element without a solution is NaN and no error; and the list has the
    statuses of the layers' calls so far."""
    seen: list[tf.Tensor] = []
    with contextlib.ExitStack() as stack:
        for layer in layers:
            fields = {
                field.name: getattr(layer.pipeline, field.name)
                for field in dataclasses.fields(layer.pipeline)
                if field.init
            }
            pipeline = _Watched(**fields, seen=seen)
            stack.enter_context(_set(layer, pipeline=pipeline, on_failure="nan"))
        yield seen


@contextlib.contextmanager
def _set(layer: ConeLayer, **attributes: object) -> Iterator[None]:
    before = {name: getattr(layer, name) for name in attributes}
    for name, value in attributes.items():
        setattr(layer, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)
