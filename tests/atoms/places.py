"""A problem for each place in which an atom can meet a parameter."""

from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np

from tests.atoms.catalogue import AFFINE, CONCAVE, GEOMETRIC, REFUSED, Row

PLACES = ("added", "times", "bound", "factor", "second")


class Stated(NamedTuple):
    """A problem with one parameter of interest.

    Attributes:
        problem: the problem; every parameter has a value.
        parameter: the one in the place.
        variable: the one that is looked at.
        gp: whether it is a geometric program.
    """

    problem: cp.Problem
    parameter: cp.Parameter
    variable: cp.Variable
    gp: bool


def stated(row: Row, place: str) -> Stated:
    """The problem for an atom `f` of `x`, with a parameter `p`.

    * *added*: `f(x + p)`,
    * *times*: `f(p x)`, with a matrix, or entries, of parameters,
    * *bound*: `f(x) <= p`, or `>=` where it is concave,
    * *factor*: `p f(x)`, with `p` positive,
    * *second*: `f(x, p)`, of an atom that has such an argument.

    The atom is minimized beside the distance of `x` from a point, so that there is one
    solution; an affine one is brought near to numbers.
    """
    if row.curvature == GEOMETRIC:
        return _geometric(row, place)
    rng = np.random.default_rng(0)
    is_matrix = bool(row.matrix)
    options = {row.matrix: True} if is_matrix else {"nonneg": row.positive}
    x = cp.Variable(row.shape, name="x", **options)
    centre = rng.normal(size=row.shape)
    if row.positive:
        centre = 1.0 + rng.random(row.shape)
    if is_matrix:
        centre = centre @ centre.T / row.shape[0] + np.eye(row.shape[0])
        centre[0, 1] = centre[1, 0] = 0.4
    start = cp.sum_squares(x - centre)
    p, e = _placed(row, place, x, rng)
    made = row.second(e, p) if place == "second" else row.of(e)
    expression, constraints = _with_constraints(made)
    f = _scalar(row, expression)
    sign = -1.0 if row.curvature == CONCAVE else 1.0
    if place == "bound":
        there, _ = _with_constraints(row.of(cp.Constant(centre)))
        level = float(np.sum(_scalar(row, there).value))
        p.value = level - sign * 0.2 * (0.2 + abs(level))
        held = f >= p if row.curvature == CONCAVE else f <= p
        problem = cp.Problem(cp.Minimize(start), [held, *constraints])
    else:
        weight = sign * p if place == "factor" else sign
        problem = cp.Problem(cp.Minimize(start + weight * f), constraints)
    return Stated(problem, p, x, False)


def _placed(row: Row, place: str, x: Any, rng: Any) -> tuple[cp.Parameter, Any]:
    """The parameter with its value, and what the atom is of."""
    if place == "added":
        options = {"symmetric": True} if row.matrix else {"nonneg": row.positive}
        p = cp.Parameter(row.shape, name="p", **options)
        shift = 0.1 + 0.1 * rng.random(row.shape)
        p.value = shift + shift.T if row.matrix else shift
        return p, x + p
    if place == "times":
        if row.matrix:
            # Entry by entry it would not stay semidefinite.
            p = cp.Parameter(name="p", pos=True, value=1.2)
            return p, p * x
        p = cp.Parameter((row.shape[0],) * 2, name="p", nonneg=True)
        p.value = np.eye(row.shape[0]) + 0.1 * rng.random(p.shape)
        return p, p @ x
    if place == "second":
        return cp.Parameter(name="p", **row.options), x
    options = {"pos": True} if place == "factor" else {}
    return cp.Parameter(name="p", value=0.7, **options), x


def _with_constraints(made: Any) -> tuple[Any, list[Any]]:
    """An expression, and what has to hold for it to be the atom."""
    return made if isinstance(made, tuple) else (made, [])


def _scalar(row: Row, expression: Any) -> Any:
    """A number of what may be an array."""
    if row.curvature == AFFINE:
        numbers = np.linspace(0.3, -0.5, expression.size).reshape(expression.shape)
        return cp.sum_squares(expression - numbers)
    return expression if expression.is_scalar() else cp.sum(expression)


def _geometric(row: Row, place: str) -> Stated:
    x = cp.Variable(3, pos=True, name="x")
    centre = np.array([1.2, 0.8, 1.5])
    near = cp.sum(cp.multiply(1.0 / centre, x) + cp.multiply(centre, x**-1))
    options = row.options if place == "second" else {"pos": True, "value": 1.1}
    p = cp.Parameter(name="p", **options)
    e = {"added": lambda: x + p, "times": lambda: p * x}.get(place, lambda: x)()
    f = _scalar(row, row.second(e, p) if place == "second" else row.of(e))
    if place == "bound":
        p.value = 0.95 * float(row.of(cp.Constant(centre)).value.sum())
        problem = cp.Problem(cp.Minimize(near), [f <= p])
    else:
        problem = cp.Problem(cp.Minimize(near + (p * f if place == "factor" else f)))
    return Stated(problem, p, x, True)


def refused(row: Row) -> Stated:
    """A problem with an atom that no convex problem has."""
    assert row.curvature == REFUSED
    x = cp.Variable(row.shape, name="x", **({row.matrix: True} if row.matrix else {}))
    p = cp.Parameter(name="p", value=1.0)
    return Stated(cp.Problem(cp.Minimize(_scalar(row, row.of(x)) + p)), p, x, False)
