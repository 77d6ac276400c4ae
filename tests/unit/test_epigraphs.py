"""Variables of epigraphs that cost nothing are eliminated, and the duals come back."""

import cvxpy as cp
import numpy as np
import pytest

from tests.calls import outputs_and_gradients
from tf_cvxlayers import CvxpyLayer

N, BATCH = 4, 6
# Each with the sizes that are left: variables and rows.
CONSTRAINTS = {
    "abs": (lambda y, c: cp.abs(y) <= c, N, 2 * N),
    "norm_inf": (lambda y, c: cp.norm_inf(y) <= c, N, 2 * N),
    "chain": (lambda y, c: cp.norm_inf(cp.diff(y)) <= c, N, 2 * (N - 1)),
    "max": (lambda y, c: cp.max(y) <= c, N, N),
    "min": (lambda y, c: cp.min(y) >= -c, N, N),
    "maximum": (lambda y, c: cp.maximum(y, -2 * y, y - 1) <= c, N, 3 * N),
    "nested": (lambda y, c: cp.max(cp.abs(y)) <= c, N, 2 * N),
    "moving": (lambda y, c: cp.abs(y[:-1]) <= c - y[1:], N, 2 * (N - 1)),
    "norm": (lambda y, c: cp.norm(y) <= c, N, N + 1),
    "norm of a map": (lambda y, c: cp.norm(y[:2] - y[2:]) <= c - y[0], N, 3),
    "norms": (
        lambda y, c: cp.maximum(cp.norm(y[:2]), cp.norm(y[2:])) <= c,
        N,
        6,
    ),
    "largest eigenvalue": (
        lambda y, c: cp.lambda_max(cp.bmat([[y[0], y[1]], [y[1], y[2]]])) <= c,
        N,
        3,
    ),
    # With two rows on either side nothing is won.
    "sum of two": (lambda y, c: cp.norm1(y[:2]) <= c, N + 1, 4),
    # The row that holds each of the four has all of them.
    "norm1": (lambda y, c: cp.norm1(cp.hstack([y, y[0]])) <= c, N + 5, 11),
}


def projection(constraint):
    x, y = cp.Parameter(N, name="x"), cp.Variable(N, name="y")
    c = cp.Parameter(pos=True, name="c")
    constraint = constraint(y, c)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [constraint])
    return problem, [x, c], [y, constraint.dual_variables[0]]


# What Clarabel says of the last digits that were asked for, which it need not reach.
_OF_CLARABEL = "ignore:Solution may be inaccurate:UserWarning"
ENGINES = [(name, "auto") for name in CONSTRAINTS] + [("chain", "diffcp")]


@pytest.mark.filterwarnings(_OF_CLARABEL)
@pytest.mark.parametrize(("name", "engine"), ENGINES)
def test_values_duals_and_gradients_are_those_of_the_problem(name, engine):
    constraint, n, m = CONSTRAINTS[name]
    problem, parameters, variables = projection(constraint)
    layer = CvxpyLayer(problem, parameters, variables, engine=engine, dtype="float64")
    structure = layer.pipeline.reduction.structure
    assert (structure.n, structure.m) == (n, m)
    rng = np.random.default_rng(3)
    x, c = 2.0 * rng.normal(size=(BATCH, N)), 0.5 + rng.random(BATCH)
    primal, dual = layer(x, c)
    # On a curved cone a solver is as far from its solution as the root of its gap.
    reached = 1e-8 if structure.cones.is_polyhedral else 1e-6
    exact = dict.fromkeys(["tol_gap_abs", "tol_gap_rel", "tol_feas"], 1e-12)
    for k in range(BATCH):
        for parameter, value in zip(parameters, (x[k], c[k]), strict=True):
            parameter.value = value
        problem.solve(solver="CLARABEL", **exact)
        np.testing.assert_allclose(primal[k], variables[0].value, atol=reached)
        np.testing.assert_allclose(dual[k], variables[1].value, atol=reached)
    assert layer.check_gradients(x, c).max_relative_error < 1e-7


def test_a_returned_one_is_where_its_row_holds_it():
    """Anywhere from 1 to c is a solution; at c it has a derivative."""
    y, t, c = cp.Variable(name="y"), cp.Variable(name="t"), cp.Parameter(name="c")
    rows = [cp.abs(y) <= t, 2 * t <= c]
    problem = cp.Problem(cp.Minimize(cp.square(y - 1.0)), rows)
    layer = CvxpyLayer(problem, [c], [y, t], dtype="float64")
    (y, t), (gradient,) = outputs_and_gradients(layer, [np.array([4.0, 6.0])])
    np.testing.assert_allclose(y, 1.0, atol=1e-9)
    np.testing.assert_allclose(t, [2.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(gradient, 0.5 * np.cos(1.0), atol=1e-9)


def test_one_that_costs_something_or_has_a_parameter_stays():
    x, w = cp.Parameter(N, name="x"), cp.Parameter(pos=True, name="w")
    y, t = cp.Variable(N, name="y"), cp.Variable(name="t")
    far = cp.sum_squares(y - x)
    for objective, rows in (
        (far + w * t, [cp.abs(y) <= t, t <= 3]),
        (far, [cp.abs(y) <= t, w * t <= 3]),
        (far + w * cp.square(t), [cp.abs(y) <= t, t <= 3]),
    ):
        problem = cp.Problem(cp.Minimize(objective), rows)
        layer = CvxpyLayer(problem, [x, w], y, dtype="float64")
        assert layer.pipeline.reduction.structure.n > N
        values = np.array([[1.0, -0.5, 4.0, 0.25]]), np.array([1.0])
        assert layer.check_gradients(*values).max_relative_error < 1e-7
