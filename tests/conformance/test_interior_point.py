"""Programs of unusual shape, and large batches, by the interior-point engine."""

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_all_close, outputs_and_gradients
from tests.oracles import onto_simplex
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


@pytest.mark.parametrize("n", [4, 40, 150])
def test_the_projection_on_a_simplex_is_that_of_the_closed_form(n):
    """Bounds, and one equality: what stays diagonal."""
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    statement = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1, y >= 0])
    layer = _layer(statement, [x], y)
    points = np.random.default_rng(0).normal(size=(7, n))
    points *= 10.0 ** np.arange(-3, 4)[:, None]
    value, (gradient,) = outputs_and_gradients(layer, [points])
    expected = np.stack([onto_simplex(point) for point in points])
    np.testing.assert_allclose(value, expected, atol=1e-12)
    # The derivative is the projection onto the face.
    face = expected > 0
    cotangent = np.where(face, gradient, 0.0)
    np.testing.assert_allclose(np.where(face, 0.0, gradient), 0.0, atol=1e-20)
    np.testing.assert_allclose(cotangent.sum(axis=1), 0.0, atol=1e-10)


def test_few_equalities_with_bounds_agree_with_clarabel():
    n, p, size = 16, 3, 6
    x, c, w = cp.Variable(n), cp.Parameter(n, name="c"), cp.Parameter(n, pos=True)
    A, b = cp.Parameter((p, n), name="A"), cp.Parameter(p, name="b")
    objective = 0.5 * cp.sum(cp.multiply(w, cp.square(x))) - c @ x
    statement = cp.Problem(cp.Minimize(objective), [A @ x == b, x >= 0, x <= 1])
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(size, p, n))
    matrices[1, 2] = matrices[1, :2].sum(axis=0)
    inside = rng.uniform(size=(size, n)) * (rng.uniform(size=(size, n)) > 0.5)
    right = np.einsum("kij,kj->ki", matrices, inside)
    right[2] = 100.0 * np.abs(matrices[2]).sum(axis=1)
    weights = 10.0 ** rng.uniform(-1, 1, size=(size, n))
    values = [3.0 * rng.normal(size=(size, n)), weights, matrices, right]
    values[0][3] *= 1e4
    weights[4] = 0.0
    layers = [
        _layer(statement, [c, w, A, b], x, engine)
        for engine in (InteriorPoint(), Diffcp())
    ]
    (found, of_found), (expected, of_expected) = (
        outputs_and_gradients(layer, values) for layer in layers
    )
    statuses = [layer.solve(*values).status.numpy() for layer in layers]
    infeasible = np.arange(size) == 2
    for status in statuses:
        np.testing.assert_array_equal(status == Status.PRIMAL_INFEASIBLE, infeasible)
    assert_all_close(found, expected, rtol=1e-9, atol=1e-10)
    # Where equalities depend on one another, their gradient has no limit.
    regular = np.arange(size) != 1
    for one, other in zip(of_found, of_expected, strict=True):
        one, other = one.numpy()[regular], other.numpy()[regular]
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_stays_diagonal_agrees_with_clarabel_however_scaled(seed):
    """Curvatures, equalities and costs of sizes far apart; the first element is linear,
    and of the second one half."""
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(4, 41)), 8
    p, boxed = int(rng.integers(1, n // 4 + 1)), seed % 2 == 0
    x, c, w = cp.Variable(n), cp.Parameter(n), cp.Parameter(n, nonneg=True)
    A, b = cp.Parameter((p, n)), cp.Parameter(p)
    objective = 0.5 * cp.sum(cp.multiply(w, cp.square(x))) - c @ x
    constraints = [A @ x == b, x >= 0] + ([x <= 1] if boxed else [])
    problem = cp.Problem(cp.Minimize(objective), constraints)
    if boxed:
        matrices = rng.normal(size=(size, p, n))
        matrices *= 10.0 ** rng.uniform(-3, 3, size=(size, p, 1))
    else:
        matrices = rng.uniform(0.01, 1.0, size=(size, p, n))
    inside = rng.uniform(size=(size, n)) * (rng.uniform(size=(size, n)) > 0.5)
    weights = 10.0 ** rng.uniform(-4, 4, size=(size, n))
    weights[0] = 0.0
    weights[1] *= rng.uniform(size=n) < 0.5
    costs = rng.normal(size=(size, n)) * 10.0 ** rng.uniform(-3, 3, size=(size, 1))
    values = [costs, weights, matrices, np.einsum("kij,kj->ki", matrices, inside)]
    found, expected = (
        _layer(problem, [c, w, A, b], x, engine).solve(*values)
        for engine in (InteriorPoint(), Diffcp())
    )
    np.testing.assert_array_equal(found.status, expected.status)
    objectives = [
        np.sum(0.5 * weights * v**2 - costs * v, axis=1)
        for v in (found.variables.numpy(), expected.variables.numpy())
    ]
    np.testing.assert_allclose(*objectives, rtol=1e-8, atol=1e-8)


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


@pytest.mark.slow
def test_the_limit_of_iterations_is_kept_and_named():
    case = BY_NAME["sum_of_norms"]
    layer = case.new_layer(engine=InteriorPoint(max_iterations=1))
    result = layer.solve(*case.values(BATCH))
    assert result.iterations.numpy().max() <= 1
    failed = result.status.numpy() > Status.INACCURATE
    assert set(result.status.numpy()[failed]) == {Status.ITERATION_LIMIT}
    with pytest.raises(SolverError, match="ITERATION_LIMIT"):
        layer(*case.values(BATCH))


def test_every_kind_of_cone_is_solved_in_ops():
    for name in ("ellipsoid", "softmax", "spectraplex", "power_projection"):
        layer = BY_NAME[f"{name}_in_ops"].layer()
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
