"""The solution of given data to fifty digits, and the gradient of a functional of it.

Newton's method on the optimality conditions of the known faces, with residuals in
fixed point and a matrix in float64: every step gains some ten digits. The adjoint of
the same matrix, refined in the same way, gives the gradient.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from tests.hard import complementarity
from tests.hard import fixed_point as fp
from tests.hard.instance import Instance
from tests.hard.placement import Placement
from tf_cvxlayers.program.cone_program import ConeData

_DIGITS = 1e-50
_STEPS = 60
_EPS = 2.0**-53
# What a rounding of the data may move before an element is too hard to judge.
_MOVES, _GRADIENT_MOVES = 1e-7, 1e-6


class Truth(NamedTuple):
    """The answer, in easy coordinates.

    Attributes:
        x, y: float64, `y` of the independent rows.
        gradient: with respect to the data without scales, still translated; of the
            independent rows.
        moves: how far a relative change of 1e-16 of the data moves `x`.
        gradient_moves: how far it moves the gradient, relatively.
    """

    x: np.ndarray
    y: np.ndarray
    gradient: ConeData
    moves: float
    gradient_moves: float

    @property
    def too_hard(self) -> bool:
        """Whether no method could be asked for it in float64."""
        return self.moves > _MOVES or self.gradient_moves > _GRADIENT_MOVES


class _Conditions:
    """The optimality conditions of exact data without translation, in `x` and the `y`
    of the rows that are touched."""

    def __init__(self, data: ConeData, dims, y, s):
        self.whole, self.faces = data, complementarity.faces_of(dims, y, s)
        self.rows, self.touched = complementarity.touched(self.faces)
        self.data = data._replace(A=data.A[self.rows], b=data.b[self.rows])
        self.P, self.A = fp.floats(self.data.P), fp.floats(self.data.A)

    def equations(self, x, y):
        s = self.data.b - fp.dot(self.data.A, x)
        return complementarity.equations(self.touched, y, s)

    def matrix(self, x, y, P=None, A=None):
        """Their derivative in `(x, y)`, in float64."""
        P, A = self.P if P is None else P, self.A if A is None else A
        at = self.equations(x, y)
        return np.block([[P, A.T], [-at.in_s.floats() @ A, at.in_y.floats()]])

    def value(self, x, y):
        P, q, A, _ = self.data
        dual = fp.dot(P, x) + fp.dot(A.T, y) + q
        return np.concatenate([dual, self.equations(x, y).value])

    def transposed(self, at, u, v):
        """The transposed derivative, times a vector."""
        P, _, A, _ = self.data
        top = fp.dot(P, u) - fp.dot(A.T, at.in_s.transposed(v))
        return np.concatenate([top, fp.dot(A, u) + at.in_y.transposed(v)])

    def on_all_rows(self, values):
        """Values of the touched rows among all, zero for the others."""
        whole = np.zeros(len(self.whole.b), values.dtype)
        whole[self.rows] = values
        return whole

    def margin(self, x, y):
        """That of strict complementarity."""
        s = fp.floats(self.whole.b - fp.dot(self.whole.A, x))
        return complementarity.margin(self.faces, self.on_all_rows(fp.floats(y)), s)


def truth(instance: Instance, place: Placement, data: ConeData, w: np.ndarray) -> Truth:
    """The solution of `data`, which are those of the instance in `place`, rounded; and
    the gradient of `w'x`, `x` in easy coordinates.

    Raises:
        ArithmeticError: where it is not unique, smooth and strictly complementary.
    """
    n, translated = len(instance.x), exact_data(instance, place, data)
    t = fp.fixed(place.translation)
    conditions, z = _solution(instance, translated, t)
    inverse = _inverse(conditions.matrix(z[:n], z[n:]))
    adjoint = _refined(conditions, z, inverse, w)
    moves, gradient_moves = _movement(conditions, z, inverse, translated, place, w)
    if not conditions.margin(z[:n], z[n:]) > max(1e-7, 100 * moves.max()):
        raise ArithmeticError("not strictly complementary")
    x = fp.floats(z[:n])
    return Truth(
        x=x,
        y=conditions.on_all_rows(fp.floats(z[n:])),
        gradient=_gradient(conditions, z, adjoint, t),
        moves=float(moves[:n].max()) / max(1.0, np.abs(x).max()),
        gradient_moves=gradient_moves,
    )


def exact_data(instance: Instance, place: Placement, data: ConeData) -> ConeData:
    """Given data of the independent rows, without the scales, still translated."""
    keep, exact = instance.independent, place.exact(data)
    return exact._replace(A=exact.A[keep], b=exact.b[keep])


def solution(instance: Instance, exact: ConeData, t: np.ndarray) -> np.ndarray:
    """The `x` of exact data that are translated by `t`, all of it in fixed point."""
    return _solution(instance, exact, t)[1][: len(t)]


def _solution(instance, exact, t):
    local = exact._replace(
        q=exact.q + fp.dot(exact.P, t), b=exact.b - fp.dot(exact.A, t)
    )
    keep, n = instance.independent, len(t)
    dims, y, s = independent_cones(instance), instance.y[keep], instance.s[keep]
    conditions = _Conditions(local, dims, y, s)
    start = np.concatenate([instance.x, y[conditions.rows]])
    return conditions, _newton(conditions, start, n)


def independent_cones(instance: Instance):
    """The cones without the dependent equalities."""
    fewer = len(instance.y) - instance.independent.size
    dims = instance.cones
    return dataclasses.replace(dims, zero=dims.zero - fewer)


def _inverse(matrix):
    inverse = np.linalg.inv(matrix)
    if not np.linalg.norm(matrix, 1) * np.linalg.norm(inverse, 1) < 1e14:
        raise ArithmeticError("not unique, or not smooth")
    return inverse


def _newton(conditions, start, n):
    z, before, inverse = fp.fixed(start), np.inf, None
    for _ in range(_STEPS):
        value = conditions.value(z[:n], z[n:])
        size = fp.largest(value)
        if size < _DIGITS:
            return z
        # As long as an old matrix gains this much, a new one is not worth its price.
        if inverse is None or size > 1e-6 * before:
            inverse = _inverse(conditions.matrix(z[:n], z[n:]))
        z, before = z - _times(inverse, value), size
    raise ArithmeticError("Newton's method does not converge")


def _times(matrix, vector):
    """A float64 matrix times small numbers in fixed point, which as float64 might
    underflow, to the accuracy of float64."""
    size = fp.largest(vector)
    unit = 0 if size == 0 else max(0, -int(np.log2(size)))
    return fp.fixed(matrix @ fp.floats(vector << unit)) >> unit


def _refined(conditions, z, inverse, w):
    n = len(w)
    at = conditions.equations(z[:n], z[n:])
    target = np.concatenate([fp.fixed(w), fp.zeros(len(z) - n)])
    adjoint = fp.zeros(len(z))
    for _ in range(_STEPS):
        miss = target - conditions.transposed(at, adjoint[:n], adjoint[n:])
        if fp.largest(miss) < _DIGITS:
            return adjoint
        adjoint = adjoint + _times(inverse.T, miss)
    raise ArithmeticError("refinement does not converge")


def _gradient(conditions, z, adjoint, t):
    n = len(t)
    x, u = z[:n] + t, adjoint[:n]
    in_s = conditions.equations(z[:n], z[n:]).in_s
    y, gb = (conditions.on_all_rows(v) for v in (z[n:], -in_s.transposed(adjoint[n:])))
    outer = fp.times(u[:, None], x)
    return ConeData(
        P=fp.floats(-(outer + outer.T) // 2),
        q=fp.floats(-u),
        A=fp.floats(-fp.times(y[:, None], u) - fp.times(gb[:, None], x)),
        b=fp.floats(gb),
    )


def _movement(conditions, z, inverse, translated, place, w):
    """How far the solution `(x, y)` and, relatively, the gradient move when every
    number is rounded once more, in the coordinates in which it is given."""
    n = len(w)
    rows = conditions.rows
    P, q, A, b = (np.abs(fp.floats(part)) for part in translated)
    A, b = A[rows], b[rows]
    x, y = np.abs(fp.floats(z[:n]) + place.translation), np.abs(fp.floats(z[n:]))
    in_s = np.abs(conditions.equations(z[:n], z[n:]).in_s.floats())
    change = np.concatenate([q + P @ x + A.T @ y, in_s @ (b + A @ x)])
    moves = _EPS * np.abs(inverse) @ change
    rng = np.random.default_rng(0)
    nudged = z + fp.fixed(moves * rng.choice([-1.0, 1.0], moves.size))
    shaken = [
        M * (1 + _EPS * rng.choice([-1.0, 1.0], M.shape))
        for M in (conditions.P, conditions.A)
    ]
    target = np.concatenate([w, np.zeros(len(z) - n)])
    before = inverse.T @ target
    after = np.linalg.solve(
        conditions.matrix(nudged[:n], nudged[n:], *shaken).T, target
    )
    ratio = np.linalg.norm(after - before) / max(np.linalg.norm(before), 1e-300)
    return moves, float(ratio)
