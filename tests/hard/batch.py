"""Elements as a batch of the package, solved and differentiated."""

import inspect
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tests.hard.element import Element
from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.pipeline.solve import solve_cone_program
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure


class Answers(NamedTuple):
    """What came out, with a batch axis: `x`, `status`, the residuals `[B, 3]`, and the
    gradient of `w'x`, `P` and `A` as full matrices; `y` and `s` for a closer look."""

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    status: np.ndarray
    residuals: np.ndarray
    gradient: ConeData


def structure_of(elements: list[Element]) -> ConeStructure:
    """The union of the patterns."""
    parts = []
    for name in ("P", "A"):
        used = np.any([getattr(e.data, name) != 0 for e in elements], axis=0)
        columns, rows = np.nonzero(used.T)
        parts.append(Pattern(rows, columns, used.shape))
    return ConeStructure(*parts, elements[0].cones)


def solved(
    engine: Engine, elements: list[Element], size: int, rounding: float | None
) -> Answers:
    """The answers, in batches of at most this size, all of one structure.

    `rounding` is that of the inputs, None for that of float64; a version of the package
    that knows of none is not told.
    """
    structure = structure_of(elements)
    settings = {}
    if rounding and "rounding" in inspect.signature(solve_cone_program).parameters:
        settings["rounding"] = rounding
    parts = [
        _solved(engine, structure, elements[start : start + size], settings)
        for start in range(0, len(elements), size)
    ]
    gradient = ConeData(*map(np.concatenate, zip(*(p[-1] for p in parts), strict=True)))
    return Answers(*map(np.concatenate, list(zip(*parts, strict=True))[:-1]), gradient)


def _solved(engine, structure, elements, settings) -> Answers:
    P, A = structure.P, structure.A
    stacked = ConeData(
        *(np.stack(part) for part in zip(*(e.data for e in elements), strict=True))
    )
    data = ConeData(
        *map(
            tf.constant,
            (
                stacked.P[:, P.rows, P.columns],
                stacked.q,
                stacked.A[:, A.rows, A.columns],
                stacked.b,
            ),
        )
    )
    w = np.stack([_cotangent(element) for element in elements])
    program, residuals = solve_cone_program(engine, structure, data, **settings)
    solution = program.solution
    cotangent = tf.constant(w), tf.zeros_like(solution.y), tf.zeros_like(solution.s)
    g = [part.numpy() for part in program.gradient(engine, structure, cotangent)]
    gradient = [np.zeros_like(stacked.P), g[1], np.zeros_like(stacked.A), g[3]]
    gradient[0][:, P.rows, P.columns] = g[0]
    gradient[2][:, A.rows, A.columns] = g[2]
    return Answers(
        *(part.numpy() for part in solution[:4]),
        np.stack([part.numpy() for part in residuals], axis=1),
        ConeData(*gradient),
    )


def _cotangent(element):
    if element.w is None:
        return np.zeros_like(element.data.q)
    return element.place.cotangent(element.w)
