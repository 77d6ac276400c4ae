"""Programs that an engine solves, verifies and differentiates at once, outside of
TensorFlow; what it leaves is solved, and differentiated, as ever.

In a graph that is one op, which needs Python, for a solve, and one for its adjoint.
"""

import functools
import json
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.base import AtOnce
from tf_cvxlayers.engines.catalogue import ENGINES
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.optimality.residuals import Residuals
from tf_cvxlayers.pipeline.units import units_of
from tf_cvxlayers.pipeline.verified import adjoint_in_units, solved_and_verified
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.serialization import payload_of, structure_from
from tf_cvxlayers.runtime import callback
from tf_cvxlayers.runtime.graphs import Graphs, Shape

# How often what is left is solved by ops one by one, before a function is traced for
# it: they take as long as some fifty calls of that.
_FIRST_CALLS = 2
_SOLVE, _ADJOINT = (f"tf_cvxlayers/at_once/{name}/v1" for name in ("solve", "adjoint"))


def solved_at_once(
    engine: AtOnce, structure: ConeStructure, data: ConeData, rounding: float
) -> tuple[ConeSolution, Residuals]:
    """The solutions of a batch, and their residuals, in units of the engine's own; see
    `verified.solved_and_verified`."""
    batch, n, m = batch_size(data), structure.n, structure.m
    outputs = _called(
        _SOLVE,
        _solve,
        engine,
        structure,
        [tf.constant(rounding, tf.float64), *data],
        [*[tf.float64] * 3, *[tf.int32] * 2, *[tf.float64] * 3],
        [(batch, n), (batch, m), (batch, m), *[(batch,)] * 5],
    )
    return ConeSolution(*outputs[:5]), Residuals(*outputs[5:])


def adjoint_at_once(
    engine: AtOnce,
    structure: ConeStructure,
    data: ConeData,
    solution: ConeSolution,
    cotangent: Sequence[tf.Tensor],
) -> ConeData:
    """The gradient with respect to the data; see `Engine.adjoint`."""
    return ConeData(
        *_called(
            _ADJOINT,
            _adjoint,
            engine,
            structure,
            [*data, *solution, *cotangent],
            [tf.float64] * 4,
            [tuple(part.shape) for part in data],
        )
    )


def _called(token, function, engine, structure, tensors, dtypes, shapes):
    """The function of arrays: as it is, or as an op of a graph."""
    if tf.executing_eagerly():
        arrays = [tensor.numpy() for tensor in tensors]
        return [tf.constant(part) for part in function(engine, structure, *arrays)]
    settings = json.dumps([engine.name, engine.get_config()]).encode()
    own = [callback.bytes_tensor(part) for part in (*payload_of(structure), settings)]
    return callback.call(token, [*own, *tensors], dtypes, shapes)


def _solve(
    engine: AtOnce, structure: ConeStructure, rounding: np.ndarray, *arrays: np.ndarray
) -> list[np.ndarray]:
    data, rounded = ConeData(*arrays), float(rounding)
    found = engine.solved(structure, data, rounded)
    status = np.full(len(found.x), Status.SOLVED, np.int32)
    parts = [*found[:3], status, found.iterations, *found.missed]
    if found.settled.all():
        return parts

    def rest(*data):
        solution, residual, _ = solved_and_verified(
            engine.rest, structure, ConeData(*data), rounded, True
        )
        return (*solution, *residual)

    # What is no number has no solution; nobody has to look for one.
    lost = ~found.settled & _have_nan(data)
    status[lost] = Status.NUMERICAL_ERROR
    for part in found[:3]:
        part[lost] = 0.0
    which = np.flatnonzero(~found.settled & ~lost)
    _put(
        parts,
        which,
        _of_the_rest(f"solve, {rounded}", rest, engine, structure, data, which),
    )
    return parts


def _adjoint(
    engine: AtOnce, structure: ConeStructure, *arrays: np.ndarray
) -> list[np.ndarray]:
    data = ConeData(*arrays[:4])
    x, y, s, _, _, *cotangent = arrays[4:]
    gradient, kept = engine.differentiated(structure, data, (x, y, s), cotangent)
    if not kept.all():
        _repair(engine, structure, arrays, gradient, kept)
    return [
        part.sum(axis=0, keepdims=True) if len(own) == 1 else part
        for part, own in zip(gradient, data, strict=True)
    ]


def _repair(
    engine: AtOnce,
    structure: ConeStructure,
    arrays: Sequence[np.ndarray],
    gradient: ConeData,
    kept: np.ndarray,
) -> None:
    """Put the gradients of the elements that are not kept in their places."""

    def rest(*tensors):
        data = ConeData(*tensors[:4])
        return adjoint_in_units(
            engine.rest,
            structure,
            units_of(structure, data),
            data,
            ConeSolution(*tensors[4:9]),
            tensors[9:],
        )

    lost = ~kept & _have_nan(arrays[9:])
    for part in gradient:
        part[lost] = np.nan
    which = np.flatnonzero(~kept & ~lost)
    # As of elements that have nothing in common: what they share is summed later.
    each = [np.broadcast_to(part, (len(kept), *part.shape[1:])) for part in arrays]
    _put(gradient, which, _of_the_rest("adjoint", rest, engine, structure, each, which))


def _have_nan(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Which elements of arrays `[1 or B, size]` have what is no number, bool `[B]`."""
    return functools.reduce(
        np.logical_or, (np.isnan(part).any(axis=1) for part in arrays)
    )


def _of_the_rest(
    name: str,
    function: Callable[..., Sequence[tf.Tensor]],
    engine: AtOnce,
    structure: ConeStructure,
    arrays: Sequence[np.ndarray],
    which: np.ndarray,
) -> Sequence[tf.Tensor]:
    """The function of some of the elements of arrays `[1 or B, ...]`."""
    if not which.size:
        return ()
    tensors = [tf.constant(part if len(part) == 1 else part[which]) for part in arrays]
    shapes: list[Shape] = [
        (1 if len(part) == 1 else None, *part.shape[1:]) for part in arrays
    ]
    graphs = _graphs(payload_of(structure)[0], engine)
    if graphs.is_op_by_op(name, tensors, shapes, _FIRST_CALLS):
        return function(*tensors)
    free = _free()
    if not free.acquire(blocking=False):
        return function(*tensors)
    try:
        return graphs.run(name, lambda parts: function(*parts), [tensors], shapes)
    finally:
        free.release()


@functools.cache
def _free() -> threading.Semaphore:
    """How many functions may be called at a time. One that is called within an op waits
    for other threads of TensorFlow's pool, and one of them has to be free."""
    threads = tf.config.threading.get_inter_op_parallelism_threads() or os.cpu_count()
    return threading.Semaphore((threads or 1) - 1)


@functools.lru_cache(maxsize=8)
def _graphs(_name: bytes, _engine: AtOnce) -> Graphs:
    """The functions for what an engine leaves of programs of this structure: of a few,
    since a layer that is dropped leaves them here."""
    return Graphs()


def _put(
    parts: Sequence[np.ndarray], which: np.ndarray, values: Sequence[tf.Tensor]
) -> None:
    if which.size:
        for part, value in zip(parts, values, strict=True):
            part[which] = value.numpy()


@functools.lru_cache(maxsize=256)
def _engine(settings: bytes) -> AtOnce:
    name, config = json.loads(settings)
    (kind,) = {type(engine) for engine in ENGINES if engine.name == name}
    return cast(AtOnce, kind(**config))


def _registered(token: str, function: Any) -> None:
    def of_arrays(key, payload, settings, *arrays):
        structure = structure_from(key, payload)
        return function(_engine(settings.tobytes()), structure, *arrays)

    callback.register(token, of_arrays)


_registered(_SOLVE, _solve)
_registered(_ADJOINT, _adjoint)
