"""The workloads stated in CVXPY, for every library that takes a CVXPY problem.

One statement serves all of them, so nobody is timed on a friendlier form. Sizes are
read off the instance, so a second workload of the same kind needs no second problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cvxpy as cp
import numpy as np


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


def _optnet(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State OptNet's quadratic program with all six of its parameters."""
    names = ("Q_sqrt", "q", "A", "b", "G", "h")
    fed = {name: cp.Parameter(shapes[name][1:], name=name) for name in names}
    z = cp.Variable(shapes["q"][1], name="z")
    objective = cp.Minimize(0.5 * cp.sum_squares(fed["Q_sqrt"] @ z) + fed["q"] @ z)
    constraints = [fed["A"] @ z == fed["b"], fed["G"] @ z <= fed["h"]]
    return Statement(cp.Problem(objective, constraints), fed, z)


_STATEMENTS = {"relu": _relu, "optnet": _optnet}


def names() -> list[str]:
    """Return the names of the workloads that are stated here."""
    return list(_STATEMENTS)


def state(workload: str, instance: Mapping[str, np.ndarray]) -> Statement:
    """Return a workload as a CVXPY problem of the size of the instance."""
    shapes = {name: value.shape for name, value in instance.items()}
    return _STATEMENTS[workload](shapes)
