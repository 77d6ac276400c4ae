"""Gradients are those of closed forms and of central differences, for every cone."""

import pathlib

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests import oracles
from tests.calls import outputs_and_gradients
from tests.problems import BY_NAME, every_case, optnet
from tf_cvxlayers import CvxpyLayer

DATA = pathlib.Path(__file__).parents[1] / "data"


@every_case
def test_gradients_equal_central_differences(case):
    report = case.layer().check_gradients(*case.values(3))
    assert report.errors.shape == (5,)
    assert report.max_relative_error <= case.tolerance, report


@pytest.mark.slow
@every_case
def test_gradients_equal_central_differences_at_more_points(case):
    report = case.layer().check_gradients(*case.values(4, seed=1), step=3e-6)
    assert report.max_relative_error <= case.tolerance, report


def test_relu_passes_gradients_where_it_is_positive():
    x, W, b = BY_NAME["relu"].values(6)
    _, gradients = outputs_and_gradients(BY_NAME["relu"].layer(), [x, W, b])
    pre_activation = np.einsum("kij,kj->ki", W, x) + b
    db = np.cos(1.0 + np.arange(4)) * (pre_activation > 0)
    expected = np.einsum("ki,kij->kj", db, W), db[:, :, None] * x[:, None, :], db
    for found, reference in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, reference, rtol=0, atol=1e-10)


def test_softmax_has_its_closed_form_jacobian():
    x = tf.constant(BY_NAME["softmax"].values(2)[0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        (y,) = BY_NAME["softmax"].layer()(x)
    found = tape.batch_jacobian(y, x)
    for k in range(2):
        expected = oracles.softmax_jacobian(x[k].numpy())
        np.testing.assert_allclose(found[k], expected, rtol=0, atol=1e-9)


def test_power_cone_has_its_closed_form_gradient():
    p = tf.constant(BY_NAME["cube"].values(5)[0])
    with tf.GradientTape() as tape:
        tape.watch(p)
        (x,) = BY_NAME["cube"].layer()(p)
        total = tf.reduce_sum(x)
    expected = 1.0 / np.sqrt(1.0 + 12.0 * p.numpy())
    np.testing.assert_allclose(tape.gradient(total, p), expected, rtol=1e-8)


def test_optnet_reproduces_tabulated_gradients_of_all_six_parameters():
    names = ["Q_sqrt", "q", "A", "b", "G", "h"]
    with np.load(DATA / "optnet_qp.npz") as table:
        points = [tf.constant(table[name], tf.float64) for name in names]
        solution = [table[name] for name in ("exact_x", "exact_nu", "exact_lam")]
        expected = [table[f"grad_sum_{name}"] for name in names]
    statement = optnet(10, 5, 5)
    layer = CvxpyLayer(
        statement.problem, statement.parameters, statement.variables, dtype="float64"
    )
    with tf.GradientTape() as tape:
        tape.watch(points)
        outputs = layer(points)
        total = tf.reduce_sum(outputs[0])
    for found, reference in zip(outputs, solution, strict=True):
        np.testing.assert_allclose(found, reference, rtol=0, atol=1e-8)
    gradients = tape.gradient(total, points)
    for found, reference in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, reference, rtol=0, atol=1e-7)


def test_gradients_equal_differences_of_an_independent_solver():
    case = BY_NAME["allocation"]
    values = case.values()
    _, gradients = outputs_and_gradients(case.layer(), values, batch_rank=0)
    rng = np.random.default_rng(0)
    weights = np.cos(1.0 + np.arange(3))
    for place, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        way = rng.normal(size=value.shape)

        def total(point, place=place):
            moved = [*values[:place], point, *values[place + 1 :]]
            return weights @ oracles.cvxpy_solution(case, moved)[0]

        expected = oracles.central_difference(total, value, way, step=1e-4)
        assert np.sum(gradient * way) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["qp_quad_form", "spectraplex"])
def test_the_gradient_of_a_symmetric_parameter_is_symmetric(name):
    _, gradients = outputs_and_gradients(BY_NAME[name].layer(), BY_NAME[name].values(2))
    np.testing.assert_array_equal(
        gradients[0], tf.linalg.matrix_transpose(gradients[0])
    )


def test_a_structured_parameter_has_no_gradient_outside_its_entries():
    case = BY_NAME["attributes"]
    _, (dD, dS, *_) = outputs_and_gradients(case.layer(), case.values(2))
    assert not np.any(dD.numpy()[:, ~np.eye(3, dtype=bool)])
    outside = np.ones((3, 3), bool)
    outside[[0, 0, 2], [1, 2, 0]] = False
    assert not np.any(dS.numpy()[:, outside])


def _not_unique():
    """Any point of an edge of the simplex solves this linear program."""
    c, x = cp.Parameter(3, name="c"), cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(c @ x), [cp.sum(x) == 1, x >= 0])
    return CvxpyLayer(problem, c, x, dtype="float64"), [[1.0, 1.0, 2.0]]


def _repeated_constraint():
    p, x = cp.Parameter(2, name="p"), cp.Variable(2, name="x")
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(x - p)), [cp.sum(x) == 1, cp.sum(x) == 1]
    )
    return CvxpyLayer(problem, p, x, dtype="float64"), [[0.3, 2.0]]


def _kink():
    p, x = cp.Parameter(2, name="p"), cp.Variable(2, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x >= 0])
    return CvxpyLayer(problem, p, x, dtype="float64"), [[0.0, 1.0]]


def _apex():
    """The nearest point of a second-order cone is its apex."""
    p, x = cp.Parameter(3, name="p"), cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cp.norm(x[1:]) <= x[0]])
    return CvxpyLayer(problem, p, x, dtype="float64"), [[0.0, 0.0, 0.0]]


def _zero_matrix():
    S, X = cp.Parameter((3, 3), name="S", symmetric=True), cp.Variable((3, 3), PSD=True)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - S)))
    return CvxpyLayer(problem, S, X, dtype="float64"), np.zeros((1, 3, 3))


def _free_variable():
    """Half of the variables appear in no constraint and not in the objective's sum."""
    p, x = cp.Parameter(2, name="p"), cp.Variable(4, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x[:2] - p)))
    return CvxpyLayer(problem, p, x, dtype="float64"), [[1.0, 2.0]]


@pytest.mark.parametrize(
    "degenerate",
    [_not_unique, _repeated_constraint, _kink, _apex, _zero_matrix, _free_variable],
)
def test_degenerate_problems_have_finite_gradients(degenerate):
    layer, value = degenerate()
    output, (gradient,) = outputs_and_gradients(layer, [np.asarray(value)])
    assert np.isfinite(output).all()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() < 10.0


def test_gradients_of_a_repeated_constraint_are_those_without_it():
    layer, value = _repeated_constraint()
    _, (gradient,) = outputs_and_gradients(layer, [np.asarray(value)])
    weights = np.cos([1.0, 2.0])
    np.testing.assert_allclose(gradient[0], weights - weights.mean(), atol=1e-9)


@pytest.mark.parametrize(("near", "agrees"), [(1e-6, True), (0.0, False)])
def test_a_kink_within_the_step_is_not_an_error(near, agrees):
    x, y = cp.Parameter(2, name="x"), cp.Variable(2, name="y", nonneg=True)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(y - x))), x, y)
    report = layer.check_gradients(np.array([[near, 1.0]]))
    assert (report.max_relative_error <= 1e-6) == agrees, report
