"""The catalogue of cones: a row for every kind, with what is known of it without the
package.

`tests/unit/test_spectrum.py` and `tests/unit/test_interior_point.py` check the two
tables of the package against these rows.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tests import oracles
from tf_cvxlayers.program.cones import ConeDims, svec_indices

Vector = np.ndarray


@dataclasses.dataclass(frozen=True)
class Row:
    """A kind of cone. The first argument of each function is the cone's parameter, its
    order or exponent.

    Attributes:
        dims: one cone for each of the sizes that tests take, by name.
        project: the nearest point of the dual cone.
        outside, outside_dual: how far a vector is outside the cone, and the dual one.
        pair: a random complementary `(y, s)` at which the projection is smooth.
        step: of central differences of `project`.
        accuracy: of these differences.
    """

    dims: dict[str, ConeDims]
    project: Callable[[Any, Vector], Vector]
    outside: Callable[[Any, Vector], float]
    outside_dual: Callable[[Any, Vector], float]
    pair: Callable[[Any, int, np.random.Generator], tuple[Vector, Vector]]
    step: float = 1e-6
    accuracy: float = 1e-7


def matrix_of(vector: Vector) -> np.ndarray:
    """The symmetric matrix of a packed triangle."""
    order = int(np.sqrt(2 * vector.size))
    rows, columns, scales = svec_indices(order)
    S = np.zeros((order, order))
    S[rows, columns] = S[columns, rows] = vector / scales
    return S


def vector_of(S: np.ndarray) -> Vector:
    """The packed triangle of a symmetric matrix."""
    rows, columns, scales = svec_indices(len(S))
    return S[rows, columns] * scales


def _self_dual(dims, project, outside) -> Row:
    """A cone that is its own dual, with a projection in closed form."""

    def pair(parameter, size, rng):
        v = rng.normal(size=size)
        y = project(parameter, v)
        return y, y - v

    return Row(dims, project, outside, outside, pair)


def _smooth(dims, point, start, normal, outside, outside_dual) -> Row:
    """A cone that a smooth surface bounds.

    Args:
        point: of the surface, on the side of the second argument, for two coordinates.
        start: coordinates of a point near the second argument.
        normal: of the surface at a point.
    """

    def project(parameter, v):
        # The projection onto K* at v is v plus the projection onto K at -v.
        best = minimize(
            lambda z: np.sum((point(parameter, -v, z) + v) ** 2),
            start(-v),
            method="Nelder-Mead",
            options={"xatol": 1e-12, "fatol": 1e-16, "maxiter": 4000},
        )
        return v + point(parameter, -v, best.x)

    def pair(parameter, _size, rng):
        side = np.array([1.0, 1.0, rng.choice([-1.0, 1.0])])
        s = point(parameter, side, rng.uniform(-0.7, 0.7, size=2))
        return rng.uniform(0.5, 2.0) * normal(parameter, s), s

    # Nearest points are found to 1e-7 only, and divided by the step.
    return Row(dims, project, outside, outside_dual, pair, step=1e-3, accuracy=5e-4)


def _exponential_point(_parameter, _u, z):
    y = np.exp(z[1])
    return np.array([z[0], y, y * np.exp(z[0] / y)])


def _exponential_normal(_parameter, s):
    return np.array([-1.0, np.log(s[2] / s[1]) - 1.0, s[1] / s[2]])


def _outside_exponential(_parameter, s):
    if s[1] <= 0:
        return -s[1]
    return s[1] * np.exp(s[0] / s[1]) - s[2]


def _outside_dual_exponential(_parameter, y):
    if y[0] >= 0:
        return y[0]
    return -y[0] * np.exp(y[1] / y[0]) - np.e * y[2]


def _power_point(a, u, z):
    x, y = np.exp(z)
    return np.array([x, y, np.sign(u[2]) * x**a * y ** (1.0 - a)])


def _power_normal(a, s):
    f = np.abs(s[2])
    return np.array([a * f / s[0], (1.0 - a) * f / s[1], -np.sign(s[2])])


def _outside_power(a, s):
    if min(s[:2]) < 0:
        return -min(s[:2])
    return np.abs(s[2]) - s[0] ** a * s[1] ** (1.0 - a)


def _outside_dual_power(a, y):
    if min(y[:2]) < 0:
        return -min(y[:2])
    return np.abs(y[2]) - (y[0] / a) ** a * (y[1] / (1.0 - a)) ** (1.0 - a)


CATALOGUE: dict[str, Row] = {
    # The dual of the zero cone is everything.
    "zero": Row(
        dims={"zero": ConeDims(zero=3)},
        project=lambda _, v: v,
        outside=lambda _, v: np.abs(v).max(),
        outside_dual=lambda _, v: 0.0,
        pair=lambda _, size, rng: (rng.normal(size=size), np.zeros(size)),
    ),
    "nonnegative": _self_dual(
        {"nonnegative": ConeDims(nonnegative=4)},
        project=lambda _, v: np.maximum(v, 0.0),
        outside=lambda _, v: -v.min(),
    ),
    "second_order": _self_dual(
        {f"second_order_{k}": ConeDims(second_order=(k,)) for k in (1, 2, 4)},
        project=lambda _, v: oracles.onto_second_order(v),
        outside=lambda _, v: np.linalg.norm(v[1:]) - v[0],
    ),
    "psd": _self_dual(
        {f"psd_{k}": ConeDims(psd=(k,)) for k in (1, 2, 4)},
        project=lambda _, v: vector_of(oracles.onto_psd(matrix_of(v))),
        outside=lambda _, v: -np.linalg.eigvalsh(matrix_of(v)).min(),
    ),
    "exponential": _smooth(
        {"exponential": ConeDims(exponential=1)},
        point=_exponential_point,
        start=lambda u: np.array([u[0], np.log(max(u[1], 0.3))]),
        normal=_exponential_normal,
        outside=_outside_exponential,
        outside_dual=_outside_dual_exponential,
    ),
    "power": _smooth(
        {f"power_{a}": ConeDims(power=(a,)) for a in (0.3, 0.8)},
        point=_power_point,
        start=lambda u: np.log(np.maximum(u[:2], 0.3)),
        normal=_power_normal,
        outside=_outside_power,
        outside_dual=_outside_dual_power,
    ),
}
ONE_CONE = {name: dims for row in CATALOGUE.values() for name, dims in row.dims.items()}


def by_cone(dims: ConeDims, vector: Vector) -> list[tuple[Row, float, Vector]]:
    """The parts of a vector in a product of cones: each with its row and parameter."""
    parts, start = [], 0
    for kind, rows, parameter in dims.blocks:
        parts.append((CATALOGUE[kind], parameter, vector[start : start + rows]))
        start += rows
    return parts


def projected(dims: ConeDims, v: Vector) -> Vector:
    """The nearest point of the dual of a product."""
    parts = by_cone(dims, v)
    return np.concatenate(
        [row.project(parameter, part) for row, parameter, part in parts]
    )


def outside(dims: ConeDims, s: Vector) -> float:
    """How far a vector is outside a product."""
    parts = by_cone(dims, s)
    return max(row.outside(parameter, part) for row, parameter, part in parts)


def outside_dual(dims: ConeDims, y: Vector) -> float:
    """How far a vector is outside the dual of a product."""
    parts = by_cone(dims, y)
    return max(row.outside_dual(parameter, part) for row, parameter, part in parts)


def smooth_pairs(dims: ConeDims, number: int, seed: int = 0) -> tuple[Vector, Vector]:
    """Random complementary `y, s [number, size]` at which the projection is smooth."""
    rng = np.random.default_rng(seed)
    pairs = [
        [
            CATALOGUE[kind].pair(parameter, rows, rng)
            for kind, rows, parameter in dims.blocks
        ]
        for _ in range(number)
    ]
    y, s = (
        np.stack([np.concatenate([part[k] for part in pair]) for pair in pairs])
        for k in range(2)
    )
    return y, s
