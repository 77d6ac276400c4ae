"""The engines that layers have in a file, and a view into their solves.

A file is traced with other engines than the model was trained with, and in one of its
signatures with `on_failure="nan"`. Both stand in for the layers' own ways for the time
of the trace, which works for every kind of model; a clone would need one that Keras can
clone.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.engines.selection import portable_engine
from tf_cvxlayers.layers.cone_layer import ConeLayer
from tf_cvxlayers.layers.stand_ins import WatchedWay, Way, standing_in
from tf_cvxlayers.runtime.keras_internals import direct_sublayers


class PortableChoice(NamedTuple):
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


def portable_choice(path: str, layer: ConeLayer) -> PortableChoice:
    """Its own engine if it can do without Python, else another one that can."""
    if layer.engine.portable:
        return PortableChoice(path, layer, layer.engine, None)
    other, objection = portable_engine(layer.pipeline.reduction.structure)
    return PortableChoice(path, layer, other, objection)


@contextlib.contextmanager
def substituted(engines: Sequence[tuple[ConeLayer, Engine]]) -> Iterator[None]:
    """Inside, and in this thread, each layer is solved by the engine beside it."""
    ways = {
        layer: Way(dataclasses.replace(layer.pipeline, engine=engine), layer.on_failure)
        for layer, engine in engines
    }
    with standing_in(ways):
        yield


@contextlib.contextmanager
def watched(layers: Sequence[ConeLayer]) -> Iterator[list[tf.Tensor]]:
    """Inside, and in this thread, an element without a solution is NaN and no error;
    and the list has the statuses of the layers' calls so far."""
    seen: list[tf.Tensor] = []
    ways: dict[ConeLayer, Way] = {
        layer: WatchedWay(layer.way.pipeline, "nan", seen) for layer in layers
    }
    with standing_in(ways):
        yield seen
