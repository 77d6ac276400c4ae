"""`check_gradients` tells a kink from a fault, and stays where a layer is defined."""

import copy
import pickle

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.problems import BY_NAME
from tf_cvxlayers import CvxpyLayer, GradientReport, Status
from tf_cvxlayers.layers import Sparsemax
from tf_cvxlayers.pipeline.pipeline import Pipeline
from tf_cvxlayers.pipeline.solve import SolvedProgram


def _nearest(size, constraints, parameter=None, **options):
    """The layer of the point next to `x` for which the constraints on it hold."""
    x = cp.Parameter(size, name="x") if parameter is None else parameter
    y = cp.Variable(size, name="y", **options)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), constraints(y))
    return CvxpyLayer(problem, x, y, dtype="float64")


def _none(_variable):
    return []


# A layer, a value next to a kink of it or on one, and the row that has the kink.
KINKS = {
    "orthant": (
        lambda: _nearest(3, _none, nonneg=True),
        [[1.0, -1.0, 1e-9], [1.0, 1.0, 1.0]],
        "row 2 of the nonnegative cone",
    ),
    "dropped rows before": (
        lambda: _nearest(3, lambda y: [y <= np.array([np.inf, 1.0, 2.0])]),
        [[5.0, 0.3, 2.0]],
        "row 2 of the nonnegative cone",
    ),
    "second-order": (
        lambda: _nearest(3, lambda y: [cp.SOC(y[0], y[1:])]),
        [[1.0, 0.6, 0.8]],
        "cone 0 of kind 'second_order'",
    ),
    "semidefinite": (
        lambda: _nearest((2, 2), _none, cp.Parameter((2, 2), symmetric=True), PSD=True),
        [[[1.0, 2.0], [2.0, 4.0]]],
        "cone 0 of kind 'psd'",
    ),
    "exponential": (
        lambda: _nearest(3, lambda y: [cp.ExpCone(y[0], y[1], y[2])]),
        [[0.5, 1.0, np.exp(0.5)]],
        "cone 0 of kind 'exponential'",
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.slow if name in ("second-order", "exponential") else (),
        )
        for name in KINKS
    ],
)
def test_a_kink_is_named(name):
    make, value, row = KINKS[name]
    report = make().check_gradients(np.array(value))
    assert report.max_relative_error > 1e-3
    words = str(report)
    assert words.startswith("kink near: ")
    assert f"{row} at margin " in words
    assert words.endswith(", in batch element [0]")


@pytest.mark.slow
def test_where_solutions_end_there_is_a_kink():
    p, x = cp.Parameter(name="p"), cp.Variable(name="x")
    problem = cp.Problem(cp.Minimize(cp.square(x)), [x >= p, x <= 1])
    layer = CvxpyLayer(problem, p, x, dtype="float64", on_failure="nan")
    report = layer.check_gradients(np.array([0.5, 1.0 - 1e-8]))
    assert str(report).startswith("kink near: "), report
    assert str(report).endswith("in batch element [1]")


def _make_wrong(monkeypatch, factor):
    """Make the one rule that is written by hand a wrong one."""
    right = SolvedProgram.gradient

    def wrong(*arguments):
        return tf.nest.map_structure(lambda part: factor * part, right(*arguments))

    monkeypatch.setattr(SolvedProgram, "gradient", wrong)


@pytest.mark.parametrize(
    "name",
    [
        "optnet",
        "optnet_in_ops",
        pytest.param("ellipsoid", marks=pytest.mark.slow),
        "spectraplex",
        "softmax",
    ],
)
def test_a_fault_is_no_kink(name, monkeypatch):
    case = BY_NAME[name]
    _make_wrong(monkeypatch, 1.01)
    report = case.layer().check_gradients(*case.values(3))
    np.testing.assert_allclose(report.errors, 0.01 / 1.01, rtol=1e-2)
    words = str(report)
    assert words.startswith("disagrees: 5 of 5 ")
    margin = float(words.split("at margin ")[1].split(",")[0])
    assert margin == pytest.approx(
        case.layer().solve(*case.values(3)).margin.numpy().min(), rel=0.1
    )


def test_a_fault_of_a_derivative_that_is_small_beside_its_output_is_seen(monkeypatch):
    x, y = cp.Parameter(2, name="x"), cp.Variable(2, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - 1e5 - x)))
    layer = CvxpyLayer(problem, x, y, dtype="float64")
    value = np.array([[1.0, 2.0]])
    assert layer.check_gradients(value).max_relative_error < 1e-4
    _make_wrong(monkeypatch, 1.01)
    assert layer.check_gradients(value).errors.min() > 1e-3


def test_a_fault_without_inequalities_says_so(monkeypatch):
    layer = _nearest(2, lambda y: [cp.sum(y) == 1])
    _make_wrong(monkeypatch, 2.0)
    report = layer.check_gradients(np.ones((1, 2)))
    assert str(report).endswith("no constraint has two sides")


def test_agreement_is_in_words():
    case = BY_NAME["optnet"]
    report = case.layer().check_gradients(*case.values(2), directions=3)
    assert str(report).startswith("agrees: the largest of 3 relative errors is ")


def test_a_report_is_a_tuple_of_two():
    report = _nearest(1, _none, nonneg=True).check_gradients(np.zeros((1, 1)))
    largest, errors = report
    assert (largest, len(report)) == (report.max_relative_error, 2)
    assert report.errors is errors
    assert repr(report).startswith("GradientReport(max_relative_error=")
    for same in (copy.copy(report), pickle.loads(pickle.dumps(report))):
        assert str(same) == str(report)
    made = GradientReport(0.5, np.array([0.5]))
    assert made.max_relative_error == 0.5
    assert str(made) == repr(made)


def _psd(value):
    parameter = cp.Parameter((3, 3), symmetric=True)
    return _nearest((3, 3), _none, parameter, PSD=True), np.array(value)[None]


# Layers at values where the solution does not move.
STATIONARY = {
    "negative definite": lambda: _psd(-np.diag([1.0, 2.0, 3.0])),
    "small": lambda: _psd(-1e-8 * np.diag([1.0, 2.0, 3.0])),
    "large": lambda: _psd(-1e8 * np.diag([1.0, 2.0, 3.0])),
    "orthant": lambda: (_nearest(2, _none, nonneg=True), -np.ones((1, 2))),
    "cone": lambda: (
        _nearest(3, lambda y: [cp.SOC(y[0], y[1:])]),
        np.array([[-2.0, 0.5, 1.0]]),
    ),
    "vertex": lambda: (Sparsemax(dtype="float64"), np.array([[3.0, 1.0, 0.0]])),
    "fixed": lambda: (_nearest(2, lambda y: [y == np.ones(2)]), np.zeros((1, 2))),
}


@pytest.mark.parametrize("name", STATIONARY)
def test_derivatives_that_are_zero_agree(name):
    layer, value = STATIONARY[name]()
    report = layer.check_gradients(value)
    assert report.max_relative_error <= 1e-6, report
    assert str(report).startswith("agrees")


def _weighted(weight):
    """`min |x - a|^2 + weight' x^2` of a nonnegative weight, or what it is made of."""
    x = cp.Variable(2, name="x")
    objective = cp.sum_squares(x - np.array([1.0, -2.0])) + weight @ cp.square(x)
    return CvxpyLayer(cp.Problem(cp.Minimize(objective)), weight, x, dtype="float64")


def _pulled(pull):
    """The nearest point to `a` of the unit ball, with a pull on it."""
    x = cp.Variable(2, name="x")
    objective = cp.sum_squares(x - np.array([1.0, -2.0])) + pull @ x
    problem = cp.Problem(cp.Minimize(objective), [cp.norm(x) <= 1])
    return CvxpyLayer(problem, pull, x, dtype="float64")


def _quadratic(P):
    x = cp.Variable(2, name="x")
    objective = cp.quad_form(x, P) + cp.sum_squares(x - np.array([1.0, -2.0]))
    return CvxpyLayer(cp.Problem(cp.Minimize(objective)), P, x, dtype="float64")


def _concave(N):
    x = cp.Variable(2, name="x")
    objective = cp.quad_form(x, N) - cp.sum_squares(x - np.array([1.0, -2.0]))
    return CvxpyLayer(cp.Problem(cp.Maximize(objective)), N, x, dtype="float64")


# Layers at values that can be moved to one side alone, and ones close to that.
BORDERS = {
    "nonneg": (_weighted, {"shape": 2, "nonneg": True}, [0.0, 1.0]),
    "all zero": (_weighted, {"shape": 2, "nonneg": True}, [0.0, 0.0]),
    "bounds": (_pulled, {"shape": 2, "bounds": [0.0, 1.0]}, [0.0, 1.0]),
    "narrow": (
        _pulled,
        {"shape": 2, "bounds": [np.array([0.5, 0.0]), np.array([0.5, 1e-7])]},
        [0.5, 1e-7],
    ),
    "two signs": (_weighted, {"shape": 2, "nonneg": True, "pos": True}, [1e-3, 2.0]),
    "pos": (_weighted, {"shape": 2, "pos": True}, [1e-9, 2.0]),
    "PSD": (_quadratic, {"shape": (2, 2), "PSD": True}, [[1.0, 2.0], [2.0, 4.0]]),
    "PSD zero": (_quadratic, {"shape": (2, 2), "PSD": True}, np.zeros((2, 2))),
    "NSD": (_concave, {"shape": (2, 2), "NSD": True}, [[-1.0, 2.0], [2.0, -4.0]]),
}


@pytest.mark.parametrize("name", BORDERS)
def test_at_the_border_of_an_attribute_steps_go_inward(name, monkeypatch):
    make, options, value = BORDERS[name]
    layer = make(cp.Parameter(name="p", **options))
    seen, points = [], []
    run = Pipeline._differentiable

    def watched(self, stages, values):
        outcome = run(self, stages, values)
        solved = getattr(outcome, "solved", outcome)
        seen.append(solved.status.numpy())
        points.append(values[0].numpy())
        return outcome

    monkeypatch.setattr(Pipeline, "_differentiable", watched)
    report = layer.check_gradients(np.array([value]))
    assert report.max_relative_error <= 1e-6, report
    assert (np.array(seen) == Status.SOLVED).all()
    moved = np.ptp(np.array(points), axis=0)
    assert moved.max() > 0
    if name != "narrow":
        assert moved.min() > 0


@pytest.mark.parametrize("directions", [0, -1, 2.5, 3.0, True, "5", None])
def test_a_number_of_directions_that_is_none_is_refused(directions):
    layer = _nearest(1, _none, nonneg=True)
    with pytest.raises(ValueError, match=rf"Received: directions={directions!r}\."):
        layer.check_gradients(np.ones((1, 1)), directions=directions)


@pytest.mark.parametrize("step", [0.0, -1e-5, np.nan, np.inf, 0.5, True, "small", None])
def test_a_step_that_is_none_is_refused(step):
    layer = _nearest(1, _none, nonneg=True)
    with pytest.raises(ValueError, match=rf"Received: step={step!r}\."):
        layer.check_gradients(np.ones((1, 1)), step=step)


def test_numbers_of_numpy_are_taken():
    report = Sparsemax(dtype="float64").check_gradients(
        np.array([[0.5, 0.2, 0.1]]), directions=np.int64(2), step=np.float32(1e-5)
    )
    assert report.errors.shape == (2,)
    assert report.max_relative_error < 1e-6
