"""Constraints that say nothing any more, when definitions have been substituted."""

import cvxpy as cp
import numpy as np
import pytest

from tests.calls import assert_all_close, outputs_and_gradients
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.errors import ProblemError, SolverError


def _layer(highest, engine="auto"):
    """`x` is one and two, and at most `highest`; `y` is the nearest to `p` above it."""
    x, y = cp.Variable(2, name="x"), cp.Variable(2, name="y")
    p = cp.Parameter(2, name="p")
    given = [x == np.array([1.0, 2.0]), x <= highest, y >= x]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - p)), given)
    duals = [constraint.dual_variables[0] for constraint in given]
    parameters = [p] if isinstance(highest, float) else [p, highest]
    return CvxpyLayer(
        problem, parameters, [x, y, *duals], engine=engine, dtype="float64"
    )


@pytest.mark.parametrize("engine", ["auto", Diffcp()])
def test_they_are_dropped_and_their_duals_are_zero(engine):
    layer = _layer(3.0, engine)
    assert layer.pipeline.reduction.structure.m == 2
    p = np.array([[0.0, 5.0], [3.0, 4.0]])
    (x, y, fixed, dropped, above), gradients = outputs_and_gradients(layer, [p])
    above_expected = 2.0 * np.maximum([1.0, 2.0] - p, 0.0)
    expected = [np.tile([1.0, 2.0], (2, 1)), np.maximum(p, [1.0, 2.0]), above_expected]
    assert_all_close([x, y, above], expected)
    np.testing.assert_array_equal(dropped, 0.0)
    np.testing.assert_allclose(fixed, -above_expected, atol=1e-9)
    assert np.isfinite(gradients[0]).all()


def test_one_that_cannot_hold_is_refused():
    with pytest.raises(ProblemError, match=r"0 <= -0\.5 .*parameters"):
        _layer(1.5)


def test_one_that_depends_on_a_parameter_is_kept():
    highest = cp.Parameter(name="highest")
    layer = _layer(highest)
    p = np.zeros((2, 2))
    assert layer(p, np.array([2.0, 3.0]))[0].shape == (2, 2)
    with pytest.raises(SolverError, match="element 1: PRIMAL_INFEASIBLE"):
        layer(p, np.array([2.0, 1.5]))
