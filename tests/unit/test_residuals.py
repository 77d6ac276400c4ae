"""Residuals are small at solutions only, and a claim without them is not believed."""

import numpy as np
import pytest
import tensorflow as tf

from tests.problems import BY_NAME
from tests.unit.test_adjoint import solved
from tf_cvxlayers.errors import Status
from tf_cvxlayers.optimality.matrices import sparse_matrices
from tf_cvxlayers.optimality.residuals import residuals
from tf_cvxlayers.pipeline.verified import judged


def _corrupted(solution, part, by=0.1):
    return solution._replace(**{part: getattr(solution, part) + by})


def _residuals(structure, data, solution):
    return residuals(sparse_matrices(structure, data), *solution[:3])


def _judged(structure, data, solution):
    residual = _residuals(structure, data, solution).largest()
    return judged(solution, residual, 1e-10)


@pytest.mark.parametrize("name", ["optnet", "ellipsoid", "spectraplex", "softmax"])
def test_residuals_are_small_at_a_solution(name):
    found = _residuals(*solved(name))
    for residual in found:
        assert residual.shape == (3,)
        assert residual.numpy().max() < 1e-9
    np.testing.assert_array_equal(found.largest(), np.max(np.stack(found), axis=0))


@pytest.mark.parametrize(
    ("part", "wrong"), [("x", "primal"), ("s", "primal"), ("y", "dual")]
)
def test_a_corrupted_solution_has_a_large_residual(part, wrong):
    structure, data, solution = solved("optnet")
    found = _residuals(structure, data, _corrupted(solution, part))
    assert getattr(found, wrong).numpy().min() > 1e-3


def test_the_gap_is_that_between_the_objectives():
    structure, data, solution = solved("softmax")
    shifted = data._replace(b=data.b + 1.0)
    moved = solution._replace(s=solution.s + 1.0)
    assert _residuals(structure, shifted, moved).gap.numpy().min() > 1e-3


def test_residuals_are_relative():
    structure, data, solution = solved("optnet")
    large = type(data)(data.P, 1e6 * data.q, data.A, 1e6 * data.b)
    scaled = solution._replace(**{key: 1e6 * getattr(solution, key) for key in "xys"})
    assert _residuals(structure, large, scaled).largest().numpy().max() < 1e-9


@pytest.mark.parametrize(
    ("claimed", "part", "expected"),
    [
        (Status.SOLVED, None, Status.SOLVED),
        (Status.SOLVED, "x", Status.NUMERICAL_ERROR),
        (Status.SOLVED, "y", Status.NUMERICAL_ERROR),
        (Status.INACCURATE, None, Status.INACCURATE),
        (Status.ITERATION_LIMIT, None, Status.INACCURATE),
        (Status.ITERATION_LIMIT, "x", Status.ITERATION_LIMIT),
        (Status.PRIMAL_INFEASIBLE, "x", Status.PRIMAL_INFEASIBLE),
        (Status.DUAL_INFEASIBLE, "x", Status.DUAL_INFEASIBLE),
    ],
)
def test_a_status_has_to_be_borne_out_by_the_residuals(claimed, part, expected):
    structure, data, solution = solved("optnet")
    solution = solution._replace(status=tf.fill([3], int(claimed)))
    if part:
        solution = _corrupted(solution, part)
    found = _judged(structure, data, solution)
    assert found.status.numpy().tolist() == [expected] * 3
    if not Status(expected).has_solution:
        assert not np.any(found.x.numpy())


def test_a_nearly_solved_point_is_inaccurate():
    structure, data, solution = solved("optnet")
    near = _corrupted(solution, "x", 1e-6)
    found = _judged(structure, data, near)
    assert found.status.numpy().tolist() == [Status.INACCURATE] * 3


def test_a_nan_is_never_a_solution():
    structure, data, solution = solved("optnet")
    broken = _corrupted(solution, "x", np.nan)
    found = _judged(structure, data, broken)
    assert found.status.numpy().tolist() == [Status.NUMERICAL_ERROR] * 3
    assert not np.isnan(found.x).any()


def test_what_diffcp_returns_for_an_infeasible_problem_is_not_believed():
    # diffcp 1.1.9 with Clarabel returns the certificate as if it were a solution.
    values = BY_NAME["allocation"].values(1)
    values[2] += 10.0
    result = BY_NAME["allocation"].layer().solve(*values)
    assert result.status.numpy().tolist() == [Status.PRIMAL_INFEASIBLE]
