"""Programs of unusual shape, and large batches, by the interior-point engine."""

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_all_close, outputs_and_gradients
from tests.problems import BY_NAME
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.engines import Diffcp, InteriorPoint
from tf_cvxlayers.errors import SolverError

BATCH = 3


def _layer(problem, parameters, x, engine=None):
    options = {"engine": engine or InteriorPoint(), "on_failure": "nan"}
    return CvxpyLayer(problem, parameters, x, dtype="float64", **options)


def _equalities(p, n=4, inequalities=True):
    """The projection of `q` onto `A x = b`, and a box."""
    x, q = cp.Variable(n), cp.Parameter(n, name="q")
    A, b = cp.Parameter((p, n), name="A"), cp.Parameter(p, name="b")
    constraints = [A @ x == b] + ([cp.abs(x) <= 10.0] if inequalities else [])
    return cp.Problem(cp.Minimize(cp.sum_squares(x - q)), constraints), [q, A, b], x


@pytest.mark.parametrize("inequalities", [False, True])
@pytest.mark.parametrize("p", [2, 4, 6])
def test_equalities_that_depend_on_one_another_are_satisfied(p, inequalities):
    rng = np.random.default_rng(0)
    layer = _layer(*_equalities(p, inequalities=inequalities))
    A = rng.normal(size=(BATCH, p, 4))
    A[:, 1:] = A[:, :1] * rng.normal(size=(BATCH, p - 1, 1))
    q, inside = rng.normal(size=(2, BATCH, 4))
    b = np.einsum("kij,kj->ki", A, inside)
    result = layer.solve(q, A, b)
    np.testing.assert_array_equal(result.status, Status.SOLVED)
    a = A[:, 0]
    excess = (np.sum(a * q, axis=1) - b[:, 0]) / np.sum(a * a, axis=1)
    expected = q - excess[:, None] * a
    np.testing.assert_allclose(result.variables, expected, atol=1e-9)


@pytest.mark.parametrize("p", [2, 6])
def test_equalities_that_contradict_one_another_are_infeasible(p):
    rng = np.random.default_rng(0)
    layer = _layer(*_equalities(p))
    q, A, x = (rng.normal(size=(BATCH, *shape)) for shape in ((4,), (p, 4), (4,)))
    A[0] = A[0, :1]
    if p > 4:
        A[1:, 4:] = A[1:, :1]
    b = np.einsum("kij,kj->ki", A, x)
    b[0, 1] += 1.0
    result = layer.solve(q, A, b)
    expected = [Status.PRIMAL_INFEASIBLE, Status.SOLVED, Status.SOLVED]
    np.testing.assert_array_equal(result.status, expected)


def test_programs_without_rows_have_the_minimum_of_their_objective():
    x, L, q = cp.Variable(3), cp.Parameter((3, 3), name="L"), cp.Parameter(3, name="q")
    objective = 0.5 * cp.sum_squares(L @ x) + q @ x
    layer = _layer(cp.Problem(cp.Minimize(objective)), [L, q], x)
    rng = np.random.default_rng(0)
    roots, linear = rng.normal(size=(BATCH, 3, 3)), rng.normal(size=(BATCH, 3))
    roots[1] = 0.0
    result = layer.solve(roots, linear)
    expected = [Status.SOLVED, Status.DUAL_INFEASIBLE, Status.SOLVED]
    np.testing.assert_array_equal(result.status, expected)
    for k in (0, 2):
        minimum = -np.linalg.solve(roots[k].T @ roots[k], linear[k])
        np.testing.assert_allclose(result.variables[k], minimum, atol=1e-10)


def test_cones_of_many_sizes_agree_with_clarabel():
    rng = np.random.default_rng(0)
    x, q = cp.Variable(6), cp.Parameter(6, name="q")
    maps = [rng.normal(size=(size, 6)) for size in (3, 1, 4, 3, 2)]
    constraints = [cp.norm(C @ x) <= 1.0 + 0.1 * k for k, C in enumerate(maps)]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - q)), [*constraints, x >= -0.5])
    values = [rng.normal(size=(BATCH, 6))]
    found, expected = (
        outputs_and_gradients(_layer(problem, [q], [x], engine), values)
        for engine in (InteriorPoint(), Diffcp())
    )
    assert_all_close(found, expected, rtol=1e-8, atol=1e-8)


def test_bounds_beside_many_other_rows_agree_with_clarabel():
    rng = np.random.default_rng(0)
    x, q = cp.Variable(20), cp.Parameter(20, name="q")
    G = cp.Parameter((5, 20), name="G")
    constraints = [G @ x <= 1.0, x >= 0.0, x <= 0.5]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - q)), constraints)
    values = [rng.normal(size=(BATCH, 20)), rng.normal(size=(BATCH, 5, 20))]
    layer = _layer(problem, [q, G], [x])
    assert "45 inequalities (40 bounds)" in layer.describe()
    expected = outputs_and_gradients(_layer(problem, [q, G], [x], Diffcp()), values)
    assert_all_close(outputs_and_gradients(layer, values), expected, rtol=1e-8)


@pytest.mark.parametrize("name", ["optnet", "ellipsoid", "relu"])
def test_a_large_batch_is_its_elements(name):
    case = BY_NAME[name]
    layer, values = case.layer(), case.values(150)
    together = outputs_and_gradients(layer, values)
    rows = [3, 70, 149]
    apart = outputs_and_gradients(layer, [value[rows] for value in values])
    outputs, few = together[0][0].numpy(), apart[0][0].numpy()
    np.testing.assert_array_equal(outputs[rows], few)


def test_the_limit_of_iterations_is_kept_and_named():
    case = BY_NAME["sum_of_norms"]
    layer = case.new_layer(engine=InteriorPoint(max_iterations=1))
    result = layer.solve(*case.values(BATCH))
    assert result.iterations.numpy().max() <= 1
    failed = result.status.numpy() > Status.INACCURATE
    assert set(result.status.numpy()[failed]) == {Status.ITERATION_LIMIT}
    with pytest.raises(SolverError, match="ITERATION_LIMIT"):
        layer(*case.values(BATCH))


def test_what_the_engine_cannot_do_is_left_to_another_one():
    for name, word in (("softmax", "exponential"), ("spectraplex", "psd")):
        layer = BY_NAME[name].layer()
        assert isinstance(layer.engine, Diffcp)
        assert word in layer.describe()
    layer = BY_NAME["ellipsoid"].layer()
    assert layer.engine == InteriorPoint()
    assert layer.engine.portable
    assert layer.supports_jit


@pytest.mark.slow
def test_a_graph_with_large_matrices_runs_more_than_once():
    # Of the sum of three matrices TensorFlow 2.21 made one with a temporary variable
    # here, which it then found to exist already.
    n, k = 100, 50
    rng = np.random.default_rng(0)
    x, q = cp.Variable(n), cp.Parameter(n, name="q")
    L, G = cp.Parameter((n, n), name="L"), cp.Parameter((k, n), name="G")
    objective = cp.Minimize(0.5 * cp.sum_squares(L @ x) + q @ x)
    layer = _layer(cp.Problem(objective, [G @ x <= 1.0]), [L, q, G], x)
    values = [
        tf.constant(np.eye(n) + 0.05 * rng.normal(size=(16, n, n))),
        tf.constant(rng.normal(size=(16, n))),
        tf.constant(rng.normal(size=(16, k, n))),
    ]
    graph = tf.function(lambda *points: outputs_and_gradients(layer, points))
    first = graph(*values)
    for _ in range(2):
        assert_all_close(graph(*values), first, rtol=0, atol=0)
