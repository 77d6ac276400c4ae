"""The workloads stated in CVXPY, for every library that takes a CVXPY problem.

One statement serves all of them, so nobody is timed on a friendlier form. Sizes are
read off the instance, so workloads of the same form need no problem of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from instances.programs import SUDOKU_WEIGHT
from instances.workloads import WORKLOADS


class Statement(NamedTuple):
    """A CVXPY problem, its parameters by name and the variable asked for."""

    problem: cp.Problem
    parameters: dict[str, cp.Parameter]
    variable: cp.Variable


def _relu(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State max(Wx + b, 0) as a projection.

    A product of two parameters is not DPP; the copy of W, tied to it by an equality,
    is the standard way around that, and what makes this small problem a big one.
    """
    units, inputs = shapes["W"]
    weight = cp.Parameter((units, inputs), name="W")
    bias = cp.Parameter(units, name="b")
    x = cp.Parameter(inputs, name="x")
    z = cp.Variable(units, name="z")
    copy = cp.Variable((units, inputs), name="Wtilde")
    objective = cp.Minimize(cp.sum_squares(z - copy @ x - bias))
    problem = cp.Problem(objective, [z >= 0, copy == weight])
    return Statement(problem, {"W": weight, "b": bias, "x": x}, z)


def _quadratic(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State OptNet's quadratic program, all of its four or six parameters fed."""
    names = ("Q_sqrt", "q", "A", "b", "G", "h")
    fed = {
        name: cp.Parameter(shapes[name][1:], name=name)
        for name in names
        if name in shapes
    }
    z = cp.Variable(shapes["q"][1], name="z")
    objective = cp.Minimize(0.5 * cp.sum_squares(fed["Q_sqrt"] @ z) + fed["q"] @ z)
    constraints = [fed["G"] @ z <= fed["h"]]
    if "A" in fed:
        constraints.insert(0, fed["A"] @ z == fed["b"])
    return Statement(cp.Problem(objective, constraints), fed, z)


def _sudoku(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State OptNet's layer for Sudokus: nearly a linear program, over z >= 0."""
    A = cp.Parameter(shapes["A"], name="A")
    b = cp.Parameter(shapes["b"], name="b")
    q = cp.Parameter(shapes["q"][1], name="q")
    z = cp.Variable(shapes["q"][1], name="z")
    objective = cp.Minimize(0.5 * SUDOKU_WEIGHT * cp.sum_squares(z) + q @ z)
    problem = cp.Problem(objective, [A @ z == b, z >= 0])
    return Statement(problem, {"A": A, "b": b, "q": q}, z)


def _sparsemax(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State the projection on the simplex."""
    x = cp.Parameter(shapes["x"][1], name="x")
    z = cp.Variable(shapes["x"][1], name="z")
    objective = cp.Minimize(cp.sum_squares(z - x))
    return Statement(cp.Problem(objective, [cp.sum(z) == 1, z >= 0]), {"x": x}, z)


def _ellipsoid(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State the projection on ||Az + c|| <= 1."""
    A = cp.Parameter(shapes["A"], name="A")
    c = cp.Parameter(shapes["c"], name="c")
    x = cp.Parameter(shapes["x"][1], name="x")
    z = cp.Variable(shapes["x"][1], name="z")
    objective = cp.Minimize(0.5 * cp.sum_squares(x - z))
    problem = cp.Problem(objective, [cp.norm(A @ z + c) <= 1])
    return Statement(problem, {"A": A, "c": c, "x": x}, z)


_STATEMENTS = {
    "relu": _relu,
    "quadratic": _quadratic,
    "sudoku": _sudoku,
    "sparsemax": _sparsemax,
    "ellipsoid": _ellipsoid,
}


def state(workload: str, instance: Mapping[str, np.ndarray]) -> Statement:
    """Return a workload as a CVXPY problem of the size of the instance."""
    shapes = {name: value.shape for name, value in instance.items()}
    return _STATEMENTS[WORKLOADS[workload].form](shapes)
