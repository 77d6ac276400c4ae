"""A bound that is infinite is no constraint; any other infinite constant is refused."""

import cvxpy as cp
import numpy as np
import pytest

from tests.calls import assert_all_close, outputs_and_gradients
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.errors import ParameterError, ProblemError
from tf_cvxlayers.program.serialization import from_bytes, to_bytes

INF = np.inf
SOME = np.array([INF, 1.0, 2.0])
NAN = np.array([np.nan, 1.0, 2.0])
P = np.array([[3.0, 2.0, 1.0], [-1.0, 0.5, 4.0]])
every_engine = pytest.mark.parametrize("engine", ["interior_point", Diffcp()], ids=str)


def _layer(state, engine="auto", **options):
    """The nearest point to `p` for which the constraints of `state(x, p)` hold, and
    their duals."""
    p, x = cp.Parameter(3, name="p"), cp.Variable(3, name="x", **options)
    constraints = state(x, p)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), constraints)
    duals = [constraint.dual_variables[0] for constraint in constraints]
    return CvxpyLayer(problem, p, [x, *duals], engine=engine, dtype="float64")


# Constraints with infinite bounds, the options of the variable, and the ones that say
# the same without.
SAME = {
    "above": (lambda x, p: [x <= SOME], {}, lambda x, p: [x[1:] <= SOME[1:]]),
    "below": (lambda x, p: [x >= -SOME], {}, lambda x, p: [x[1:] >= -SOME[1:]]),
    "all": (lambda x, p: [x <= INF], {}, lambda x, p: []),
    "scaled": (lambda x, p: [2 * x <= SOME], {}, lambda x, p: [2 * x[1:] <= SOME[1:]]),
    "moved": (
        lambda x, p: [x - p <= SOME - 1.5],
        {},
        lambda x, p: [x[1:] - p[1:] <= SOME[1:] - 1.5],
    ),
    "sum": (lambda x, p: [cp.sum(x) <= INF, x >= 0], {}, lambda x, p: [x >= 0]),
    "norm": (lambda x, p: [cp.norm(x) <= INF], {}, lambda x, p: []),
    "variable": (lambda x, p: [], {"bounds": [0, INF]}, lambda x, p: [x >= 0]),
    "entries": (
        lambda x, p: [],
        {"bounds": [-SOME, SOME]},
        lambda x, p: [x[1:] <= SOME[1:], x[1:] >= -SOME[1:]],
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_an_infinite_bound_is_no_constraint(name):
    state, options, without = SAME[name]
    layers = _layer(state, **options), _layer(without)
    # Without the duals, of which one of the two has more.
    found, expected = (
        outputs_and_gradients(lambda p, layer=layer: layer(p)[0], [P])
        for layer in layers
    )
    assert_all_close(found, expected, atol=1e-7)


@every_engine
def test_the_dual_of_an_infinite_bound_is_zero(engine):
    layer = _layer(lambda x, p: [x <= SOME], engine)
    x, dual = layer(P)
    np.testing.assert_allclose(x, np.minimum(P, SOME), atol=1e-9)
    np.testing.assert_allclose(dual, 2.0 * np.maximum(P - SOME, 0.0), atol=1e-8)
    np.testing.assert_array_equal(dual[:, 0], 0.0)
    assert layer.check_gradients(P).max_relative_error < 1e-6


def test_its_rows_are_dropped_before_anything_is_substituted():
    layer = _layer(lambda x, p: [x <= SOME, x >= -INF])
    assert layer.pipeline.program.structure.cones.nonnegative == 6
    assert layer.pipeline.reduction.structure.cones.nonnegative == 2


def test_it_is_kept_in_files():
    program = _layer(lambda x, p: [x <= SOME]).pipeline.program
    b = from_bytes(to_bytes(program)).maps.b
    np.testing.assert_array_equal(b.values, program.maps.b.values)
    assert np.isinf(b.values).any()


# Constraints, and what the message says.
IMPOSSIBLE = {
    "below minus infinity": (lambda x, p: [x <= -SOME], r"<= -inf, or .* >= inf"),
    "above infinity": (lambda x, p: [x >= INF], r"<= -inf, or .* >= inf"),
    "equality": (lambda x, p: [x == SOME], r"== inf"),
    "norm": (lambda x, p: [cp.norm(x - SOME) <= 1], r"inf inside a constraint"),
    "coefficient": (lambda x, p: [np.diag(SOME) @ x <= 1], r"inf as a coefficient"),
    "times parameter": (
        lambda x, p: [x <= cp.multiply(SOME, p)],
        r"inf as a constant of",
    ),
    "nan": (lambda x, p: [x <= NAN], r"nan as a constant of a constraint"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_another_infinite_constant_is_refused(name):
    state, words = IMPOSSIBLE[name]
    with pytest.raises(ProblemError, match=rf"(?s)^Expected.*Received: .*{words}"):
        _layer(state)


def test_an_infinite_objective_is_refused():
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x) + SOME @ x))
    with pytest.raises(ProblemError, match="inf in the linear part of the objective"):
        CvxpyLayer(problem, [], x)


def test_a_parameter_with_an_infinite_value_stays_an_error():
    x, p = cp.Variable(3), cp.Parameter(3, name="p")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), [x <= p])
    with pytest.raises(ParameterError, match="'p' to be finite"):
        CvxpyLayer(problem, p, x)(SOME)
    with pytest.raises(ParameterError, match="'p' to be finite"):
        CvxpyLayer(problem, [], x, fixed={p: SOME})
