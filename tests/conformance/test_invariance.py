"""What must not change the answer does not: order, scale, repetition, time."""

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_all_close, assert_identical, outputs_and_gradients
from tests.problems import BY_NAME, each_kind, every_case
from tf_cvxlayers import CvxpyLayer

pytestmark = pytest.mark.usefixtures("steady")


def _rows(results, rows):
    outputs, gradients = results
    return [part.numpy()[rows] for part in (*outputs, *gradients)]


@every_case
def test_the_order_of_a_batch_does_not_matter(case):
    layer, values = case.layer(), case.values(5)
    order = np.array([3, 0, 4, 1, 2])
    shuffled = outputs_and_gradients(layer, [value[order] for value in values])
    expected = _rows(outputs_and_gradients(layer, values), order)
    assert_identical(_rows(shuffled, slice(None)), expected)


@every_case
def test_a_batch_may_be_split(case):
    layer, values = case.layer(), case.values(5)
    together = outputs_and_gradients(layer, values)
    for rows in (slice(0, 2), slice(2, 5)):
        part = outputs_and_gradients(layer, [value[rows] for value in values])
        assert_identical(_rows(part, slice(None)), _rows(together, rows))


@every_case
def test_two_runs_agree_in_every_bit(case):
    layer, values = case.layer(), case.values(4)
    assert_identical(
        outputs_and_gradients(layer, values), outputs_and_gradients(layer, values)
    )


@each_kind
def test_two_layers_for_the_same_problem_agree_in_every_bit(case):
    values = case.values(4)
    assert_identical(
        outputs_and_gradients(case.new_layer(), values),
        outputs_and_gradients(case.layer(), values),
    )


@pytest.mark.parametrize("name", ["allocation", "ellipsoid", "spectraplex", "softmax"])
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_scale_of_the_objective_does_not_matter(name, factor):
    case = BY_NAME[name]
    statement = case.state()
    problem = cp.Problem(
        cp.Minimize(factor * statement.problem.objective.expr),
        statement.problem.constraints,
    )
    scaled = CvxpyLayer(
        problem, statement.parameters, statement.variables, dtype="float64"
    )
    values = case.values(3)
    assert_all_close(
        outputs_and_gradients(scaled, values),
        outputs_and_gradients(case.layer(), values),
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize("name", ["allocation", "ellipsoid", "softmax", "qp_quad_form"])
def test_a_repeated_constraint_changes_neither_values_nor_gradients(name):
    case = BY_NAME[name]
    statement = case.state()
    constraints = statement.problem.constraints
    problem = cp.Problem(statement.problem.objective, [*constraints, constraints[-1]])
    repeated = CvxpyLayer(
        problem, statement.parameters, statement.variables, dtype="float64"
    )
    values = case.values(3)
    assert_all_close(
        outputs_and_gradients(repeated, values),
        outputs_and_gradients(case.layer(), values),
        rtol=1e-6,
        atol=1e-7,
    )


def test_a_change_of_units_moves_the_solution_with_it():
    case = BY_NAME["allocation"]
    A, b, low, total = case.values(3)
    (x,) = case.layer()(A, b, low, total)
    (scaled,) = case.layer()(A / 100.0, b, 100.0 * low, 100.0 * total)
    np.testing.assert_allclose(scaled / 100.0, x, rtol=0, atol=1e-8)


def test_threads_that_share_a_layer_do_not_disturb_each_other():
    from concurrent.futures import ThreadPoolExecutor

    layer = BY_NAME["optnet"].layer()
    batches = [BY_NAME["optnet"].values(3, seed=seed) for seed in range(4)]
    expected = [outputs_and_gradients(layer, values) for values in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = list(pool.map(lambda v: outputs_and_gradients(layer, v), batches))
            assert_identical(found, expected)


def test_the_number_of_threads_does_not_matter():
    from tf_cvxlayers.engines import Diffcp

    case = BY_NAME["optnet"]
    values = case.values(9)
    one, three = (case.new_layer(engine=Diffcp(threads=n)) for n in (1, 3))
    assert_identical(
        outputs_and_gradients(one, values), outputs_and_gradients(three, values)
    )


def test_the_values_given_are_left_as_they_are():
    case = BY_NAME["optnet"]
    values = case.values(3)
    outputs_and_gradients(case.layer(), values)
    assert_identical(values, case.values(3))


def test_an_input_that_requires_no_gradient_changes_nothing():
    layer, values = BY_NAME["optnet"].layer(), BY_NAME["optnet"].values(3)
    _, expected = outputs_and_gradients(layer, values)
    q = tf.constant(values[1])
    from tests.calls import weighted_sum

    with tf.GradientTape() as tape:
        tape.watch(q)
        total = weighted_sum(layer(values[0], q, *values[2:]), 1)
    assert_identical(tape.gradient(total, q), expected[1])
