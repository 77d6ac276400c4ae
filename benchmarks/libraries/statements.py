"""The workloads stated in CVXPY, for every library that takes a CVXPY problem.

One statement serves all of them, so nobody is timed on a friendlier form. Sizes are
read off the instance, so workloads of the same form need no problem of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from instances import sparse_forms as forms
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
    return _projection(shapes, lambda z: [cp.sum(z) == 1, z >= 0])


def _ellipsoid(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State the projection on ||Az + c|| <= 1."""
    A = cp.Parameter(shapes["A"], name="A")
    c = cp.Parameter(shapes["c"], name="c")
    x = cp.Parameter(shapes["x"][1], name="x")
    z = cp.Variable(shapes["x"][1], name="z")
    objective = cp.Minimize(0.5 * cp.sum_squares(x - z))
    problem = cp.Problem(objective, [cp.norm(A @ z + c) <= 1])
    return Statement(problem, {"A": A, "c": c, "x": x}, z)


def _projection(shapes: Mapping[str, tuple[int, ...]], constraints) -> Statement:
    n = shapes["x"][1]
    x, z = cp.Parameter(n, name="x"), cp.Variable(n, name="z")
    objective = cp.Minimize(cp.sum_squares(z - x))
    return Statement(cp.Problem(objective, constraints(z)), {"x": x}, z)


def _chain(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State the projection on points whose neighbours are near."""
    return _projection(shapes, lambda z: [cp.norm_inf(cp.diff(z)) <= 1])


def _variation(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State total variation denoising."""
    n = shapes["x"][1]
    x, z = cp.Parameter(n, name="x"), cp.Variable(n, name="z")
    cost = 0.5 * cp.sum_squares(z - x) + forms.VARIATION * cp.tv(z)
    return Statement(cp.Problem(cp.Minimize(cost)), {"x": x}, z)


def _control(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State model-predictive control; the answer is the inputs, step by step."""
    A, B = forms.dynamics()
    horizon = shapes["cotangent"][1] // forms.INPUTS
    x = cp.Parameter(forms.STATES, name="x")
    z = cp.Variable(forms.INPUTS * horizon, name="z")
    states = cp.Variable((forms.STATES, horizon + 1))
    inputs = cp.reshape(z, (forms.INPUTS, horizon), order="F")
    rows = [states[:, 0] == x, states[:, 1:] == A @ states[:, :-1] + B @ inputs]
    rows.append(cp.abs(inputs) <= forms.SATURATION)
    cost = cp.sum_squares(states) + cp.sum_squares(inputs)
    return Statement(cp.Problem(cp.Minimize(cost), rows), {"x": x}, z)


def _portfolio(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State a portfolio of least risk by factors."""
    n = shapes["x"][1]
    F, own = forms.factors(n)
    x, z = cp.Parameter(n, name="x"), cp.Variable(n, name="z")
    f = cp.Variable(F.shape[1])
    risk = cp.sum_squares(cp.multiply(own, z)) + cp.sum_squares(f)
    rows = [f == F.T @ z, cp.sum(z) == 1, z >= 0]
    return Statement(cp.Problem(cp.Minimize(risk - x @ z), rows), {"x": x}, z)


def _transport(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State transport between uniform distributions, row by row."""
    n = round(np.sqrt(shapes["x"][1]))
    x, z = cp.Parameter(n * n, name="x"), cp.Variable(n * n, name="z")
    plan = cp.reshape(z, (n, n), order="C")
    even = np.ones(n) / n
    rows = [cp.sum(plan, axis=1) == even, cp.sum(plan, axis=0) == even, z >= 0]
    cost = x @ z + forms.SPREAD * cp.sum_squares(z)
    return Statement(cp.Problem(cp.Minimize(cost), rows), {"x": x}, z)


def _battery(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State when a battery is charged, for prices."""
    steps = shapes["x"][1]
    x, z = cp.Parameter(steps, name="x"), cp.Variable(steps, name="z")
    out, state = cp.Variable(steps), cp.Variable(steps + 1)
    gain = forms.EFFICIENCY * z - out / forms.EFFICIENCY
    rows = [state[0] == forms.CAPACITY / 2, state[1:] == state[:-1] + gain]
    rows += [state >= 0, state <= forms.CAPACITY]
    rows += [z >= 0, z <= forms.POWER, out >= 0, out <= forms.POWER]
    wear = forms.WEAR * (cp.sum_squares(z) + cp.sum_squares(out))
    return Statement(cp.Problem(cp.Minimize(x @ (z - out) + wear), rows), {"x": x}, z)


def _flow(shapes: Mapping[str, tuple[int, ...]]) -> Statement:
    """State a flow of least cost."""
    arcs = shapes["x"][1]
    _, capacity, supply = forms.network(arcs // 4)
    x, z = cp.Parameter(arcs, name="x"), cp.Variable(arcs, name="z")
    rows = [forms.incidence(arcs // 4) @ z == supply[:-1], z >= 0, z <= capacity]
    cost = x @ z + 0.1 * cp.sum_squares(z)
    return Statement(cp.Problem(cp.Minimize(cost), rows), {"x": x}, z)


_STATEMENTS = {
    "relu": _relu,
    "quadratic": _quadratic,
    "sudoku": _sudoku,
    "sparsemax": _sparsemax,
    "ellipsoid": _ellipsoid,
    "simplex": _sparsemax,
    "chain": _chain,
    "variation": _variation,
    "control": _control,
    "portfolio": _portfolio,
    "transport": _transport,
    "battery": _battery,
    "flow": _flow,
}


def state(workload: str, instance: Mapping[str, np.ndarray]) -> Statement:
    """Return a workload as a CVXPY problem of the size of the instance."""
    shapes = {name: value.shape for name, value in instance.items()}
    return _STATEMENTS[WORKLOADS[workload].form](shapes)
