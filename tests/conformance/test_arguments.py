"""Arguments that are none are refused, by name, with what they can be."""

import cvxpy as cp
import keras
import numpy as np
import pytest

import tf_cvxlayers
from tf_cvxlayers import CvxpyLayer, layers
from tf_cvxlayers.convex_networks import ConvexReLUNetwork, activation_patterns
from tf_cvxlayers.engines import Diffcp, InteriorPoint
from tf_cvxlayers.errors import ArgumentError, CvxLayersError, ProblemError

NO_COUNT = [0, -1, 2.5, "3", None, True, [3], 2**40, float("nan")]
NO_SIZE = [0.0, -1e-3, "1", None, True, [1.0], float("nan"), float("inf"), 1j]

COUNTS = {
    "units": layers.DenseReLU,
    "pieces": layers.PiecewiseLinear,
    "constraints": layers.PolytopeProjection,
    "max_iterations": lambda count: InteriorPoint(max_iterations=count),
    "samples": lambda count: activation_patterns(np.ones((3, 2)), samples=count),
}


@pytest.mark.parametrize("value", NO_COUNT, ids=repr)
@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_things_are_integers(name, value):
    if name == "samples" and value is None:
        return  # all patterns
    with pytest.raises(ArgumentError, match=f"{name} to be an integer.*{name}="):
        COUNTS[name](value)


@pytest.mark.parametrize("name", COUNTS)
def test_integers_of_numpy_are_integers(name):
    COUNTS[name](np.int64(3))


def test_an_engine_with_integers_of_numpy_is_one_with_integers():
    engine = Diffcp(max_iterations=np.int64(30), tolerance=np.float32(0.5))
    assert engine == Diffcp(max_iterations=30, tolerance=0.5)
    config = keras.saving.serialize_keras_object(engine)
    assert keras.saving.deserialize_keras_object(config) == engine


@pytest.mark.parametrize("value", NO_COUNT, ids=repr)
def test_numbers_of_other_layers_are_integers(value):
    for make in (
        lambda: layers.MaxAffine(value),
        lambda: layers.QuadraticProgram(value),
    ):
        with pytest.raises(ArgumentError, match="to be an integer from 1"):
            make()
    if value is not None:
        with pytest.raises(ArgumentError, match="rows to be an integer from 1"):
            layers.TotalVariation(rows=value)
    if value not in (0, True):
        for name in ("equalities", "inequalities"):
            with pytest.raises(ArgumentError, match=f"{name} to be an integer from 0"):
                layers.QuadraticProgram(3, **{name: value})


@pytest.mark.parametrize("value", NO_SIZE, ids=repr)
def test_sizes_are_positive(value):
    for name, make in {
        "eps": lambda: layers.QuadraticProgram(3, eps=value),
        "k": lambda: layers.LimitedMultiLabel(value),
        "regularization": lambda: ConvexReLUNetwork(value),
    }.items():
        with pytest.raises(ArgumentError, match=f"{name} to be a finite number above"):
            make()


@pytest.mark.parametrize("k", [3, 3.0, 4])
def test_k_is_less_than_the_size_of_the_input(k):
    with pytest.raises(ArgumentError, match="between 0 and the size of the input, 3"):
        layers.LimitedMultiLabel(k)(np.ones((1, 3)))


@pytest.mark.parametrize(
    "bound", [-1.0, float("nan"), "1", [[1.0]], None, [0.5, "a"], [1.0, None]]
)
@pytest.mark.parametrize("layer", ["ConstrainedSoftmax", "ConstrainedSparsemax"])
def test_upper_bounds_are_numbers(layer, bound):
    with pytest.raises(ArgumentError, match="upper_bound to be a number or a vector"):
        getattr(layers, layer)(bound)


@pytest.mark.parametrize("value", [1, 0, None, "yes", np.ones(2)], ids=repr)
def test_switches_are_true_or_false(value):
    for name in ("nonneg", "dense"):
        with pytest.raises(ArgumentError, match=f"{name} to be True or False"):
            layers.QuadraticProgram(3, **{name: value})


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ({"W": np.ones((2, 2))}, "dense=True"),
        ({"c": "ones"}, "dense=True"),
        ({"A": np.ones((1, 2)), "inequalities": 1}, "equalities"),
        ({"G": "ones", "equalities": 1}, "inequalities"),
        ({"s0": [1.0], "equalities": 1}, "inequalities"),
        ({"z0": "zeros"}, "equalities or inequalities"),
    ],
)
def test_weights_that_would_be_ignored_are_refused(given, needs):
    with pytest.raises(ArgumentError, match=f"with {needs} alone"):
        layers.QuadraticProgram(2, **given)


SOLVER = {"solver": "SCS", "solver_args": {"eps": 1e-4}, "solver_options": {}}


@pytest.mark.parametrize("name", SOLVER)
def test_a_solver_belongs_into_the_engine(name):
    x, y = cp.Parameter(2, name="x"), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0])
    layer = CvxpyLayer(problem, x, y)
    given = {name: SOLVER[name]}
    for refused in (
        lambda: CvxpyLayer(problem, x, y, **given),
        lambda: layers.Sparsemax(**given),
        lambda: layer(np.ones(2), **given),
        lambda: layers.Sparsemax()(np.ones(2), **given),
    ):
        with pytest.raises(ArgumentError, match=r"engine=tf_cvxlayers.engines.Diffcp"):
            refused()


def test_expressions_are_computed_from_what_is_returned():
    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)))
    for part in (y[0], y[:2], y[[0, 2]]):
        with pytest.raises(ProblemError, match="Return y and slice the output"):
            CvxpyLayer(problem, x, part)
    with pytest.raises(ProblemError, match="Return y and compute the expression"):
        CvxpyLayer(problem, x, [y, 2 * y])


def test_every_error_is_one_of_the_package():
    calls = [
        lambda: CvxpyLayer(None, [], []),
        lambda: Diffcp(solver="mosek"),
        lambda: Diffcp(tolerance=2.0),
        lambda: tf_cvxlayers.export(None, "x"),
        lambda: layers.Sparsemax(on_failure="ignore"),
        lambda: layers.Sparsemax(engine="gurobi")(np.ones(2)),
        lambda: layers.Sparsemax(dtype="int32"),
        lambda: layers.Sparsemax().describe(),
        lambda: ConvexReLUNetwork(1.0).fit("a", [1.0]),
        lambda: ConvexReLUNetwork(1.0).fit(np.ones((2, 1)), ["a", "b"]),
        lambda: layers.PiecewiseLinear(2)(np.ones((1, 2))),
        lambda: layers.TotalVariation()(np.ones((2, 1))),
    ]
    for call in calls:
        with pytest.raises(CvxLayersError, match=r"Expected .* Received: "):
            call()
