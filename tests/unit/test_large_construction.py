"""What a layer of a large program takes to make grows with its entries."""

import tracemalloc

import cvxpy as cp
import numpy as np
import pytest

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.from_cvxpy.canonicalize import canonicalize

N = 3000


def _simplex(y):
    return [cp.sum(y) == 1, y >= 0]


def _chain(y):
    return [cp.norm_inf(cp.diff(y)) <= 1]


@pytest.mark.parametrize("constraints", [_simplex, _chain])
def test_memory_is_far_below_the_size_of_a_matrix(constraints):
    x, y = cp.Parameter(N, name="x"), cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), constraints(y))
    tracemalloc.start()
    CvxpyLayer(problem, [x], y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # One number for each place of `A`, which has `2 N` rows or more, is 144 MB.
    assert peak < 30e6


def test_the_map_of_a_parameter_in_every_row_is_that_of_cvxpy():
    """Rows that are empty, rows of two entries, and entries of two parameters."""
    rng = np.random.default_rng(0)
    x, G = cp.Parameter(3, name="x"), cp.Parameter((4, 3), name="G")
    y = cp.Variable(3)
    rows = [G @ y <= 1, y[0] + x[1] >= 2 * x[0], cp.sum(y) == 3, cp.norm(y) <= 5]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x) + x @ y), rows)
    program = canonicalize(problem, [x, G], [y])
    for parameter in (x, G):
        parameter.value = rng.normal(size=parameter.shape)
    features = np.concatenate([x.value, G.value.ravel(), [1.0]])
    data, *_ = problem.get_problem_data("SCS")
    found = {
        name: np.bincount(
            part.rows, part.values * features[part.columns], minlength=part.shape[0]
        )
        for name, part in program.maps._asdict().items()
    }
    A, P = np.zeros(data["A"].shape), np.zeros(data["P"].shape)
    A[program.structure.A.rows, program.structure.A.columns] = found["A"]
    P[program.structure.P.rows, program.structure.P.columns] = found["P"]
    np.testing.assert_allclose(A, data["A"].toarray(), atol=1e-14)
    np.testing.assert_allclose(
        np.triu(P + P.T) / 2, np.triu(data["P"].toarray()), atol=1e-14
    )
    np.testing.assert_allclose(found["b"], data["b"], atol=1e-14)
    np.testing.assert_allclose(found["q"], data["c"], atol=1e-14)
