"""One test for each bug that was found from outside; each fails without its fix."""

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import outputs_and_gradients
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.engines import Compiled, Diffcp, InteriorPoint
from tf_cvxlayers.errors import ParameterError, ProblemError


def _projection_onto_psd(S):
    w, Q = np.linalg.eigh(S)
    return (Q * np.maximum(w, 0.0)) @ Q.T


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_psd_cones_of_every_order_come_back_in_their_own_packing(order):
    # diffcp 1.1.9 permutes the rows of Clarabel's y and s twice from order 4 on.
    C = cp.Parameter((order, order), symmetric=True, name="C")
    X = cp.Variable((order, order), symmetric=True, name="X")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - C)), [X >> 0])
    layer = CvxpyLayer(problem, C, X, dtype="float64")
    S = np.random.default_rng(order).normal(size=(order, order))
    S = S + S.T
    np.testing.assert_allclose(layer(S), _projection_onto_psd(S), atol=1e-9)
    assert layer.check_gradients(S).max_relative_error < 1e-5


def test_a_degenerate_psd_element_leaves_the_others_alone():
    # tf.linalg.eigh raises for the whole batch when one matrix is NaN.
    C = cp.Parameter((3, 3), symmetric=True, name="C")
    X = cp.Variable((3, 3), PSD=True, name="X")
    problem = cp.Problem(cp.Minimize(cp.trace(C @ X)), [cp.trace(X) == 1])
    layer = CvxpyLayer(problem, C, X, on_failure="nan", dtype="float64")
    answers = layer(np.stack([np.diag([1.0, 2.0, 3.0]), np.zeros((3, 3))]))
    np.testing.assert_allclose(answers[0], np.diag([1.0, 0.0, 0.0]), atol=1e-9)
    np.testing.assert_allclose(np.trace(answers[1]), 1.0, atol=1e-8)


def _linear_program_with_a_face():
    p, x = cp.Parameter(3, name="p"), cp.Variable(3, name="x")
    constraints = [x >= p, x <= p + 1, cp.sum(x) >= cp.sum(p) + 1]
    problem = cp.Problem(cp.Minimize(cp.sum(x)), constraints)
    return CvxpyLayer(problem, p, x, dtype="float64")


def test_where_solutions_are_many_the_gradient_is_that_of_least_norm():
    # TensorFlow's graph optimizer turns ~(a <= b) into a > b, which lets NaN pass.
    layer = _linear_program_with_a_face()
    p = tf.constant([[1.0, -2.0, 0.5]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(p)
        weighted = tf.reduce_sum(layer(p) * [1.0, 2.0, 3.0])
    gradient = tape.gradient(weighted, p)
    # A shift of all of p shifts all of x, so that the gradient sums to 1 + 2 + 3.
    np.testing.assert_allclose(np.sum(gradient), 6.0, rtol=1e-9)


@pytest.mark.parametrize("in_graph", [False, True])
def test_a_degenerate_program_has_a_vectorized_jacobian(in_graph):
    # pfor has no form of tensor_scatter_nd_update.
    layer = _linear_program_with_a_face()

    def jacobian(p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            x = layer(p)
        return tape.batch_jacobian(x, p)

    p = tf.constant([[1.0, -2.0, 0.5], [0.3, 0.2, 0.1]], tf.float64)
    jacobians = (tf.function(jacobian) if in_graph else jacobian)(p)
    assert np.all(np.isfinite(jacobians))


@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1e-6, 1.0, 1e6, 1e8, 1e12])
def test_the_units_of_a_program_do_not_matter(scale):
    # Residuals relative to one plus the size are absolute where all is small.
    p, x = cp.Parameter(3, name="p"), cp.Variable(3, name="x")
    u = cp.Parameter(name="u")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cp.sum(x) == 0, x >= -u])
    layer = CvxpyLayer(problem, [p, u], x, dtype="float64")
    x = layer(scale * np.array([1.0, 0.2, -3.0]), np.array(0.1 * scale))
    np.testing.assert_allclose(x / scale, [0.2, -0.1, -0.1], atol=1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_units_of_a_linear_objective_do_not_matter(scale):
    c, x = cp.Parameter(3, name="c"), cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(c @ x), [cp.sum(x) == 1, x >= 0])
    layer = CvxpyLayer(problem, c, x, dtype="float64")
    result = layer.solve(scale * np.array([1.0, 0.2, 3.0]))
    assert result.status == Status.SOLVED
    np.testing.assert_allclose(result.variables, [0.0, 1.0, 0.0], atol=1e-9)


def test_a_mixed_precision_model_does_not_round_the_weights_of_a_float64_layer():
    x, W = cp.Parameter(3, name="x"), cp.Parameter((3, 3), name="W")
    z, V = cp.Variable(3, name="z"), cp.Variable((3, 3), name="V")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(z - V @ x)), [V == W])
    weights = np.random.default_rng(0).normal(size=(3, 3))
    layer = CvxpyLayer(problem, x, z, learned={W: weights}, dtype="float64")

    class Outer(keras.Model):
        def __init__(self):
            super().__init__(dtype="mixed_float16", autocast=False)
            self.inner = layer

        def call(self, inputs):
            return self.inner(inputs)

    values = np.random.default_rng(1).normal(size=(2, 3))
    np.testing.assert_allclose(Outer()(values), values @ weights.T, rtol=1e-12)


@pytest.mark.parametrize(
    "setting",
    [
        {"solver_options": {"no_such_option": 1}},
        {"solver": "scs", "solver_options": {"no_such_option": 1}},
        {"solver_options": {"max_iter": np.int64(7)}},
        {"max_iterations": 1.5},
        {"tolerance": "1e-9"},
        {"threads": 0},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_when_the_engine_is_made(setting):
    # The solver's own exception used to look like a failure of every element.
    with pytest.raises(ValueError, match="Received"):
        Diffcp(**setting)


@pytest.fixture(name="shift")
def _shift():
    p, x = cp.Parameter((2, 2), name="p"), cp.Variable((2, 2), name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
    return CvxpyLayer(problem, p, x)


def test_complex_values_are_refused(shift):
    with pytest.raises(ParameterError, match=r"'p'.*real.*complex128"):
        shift(np.ones((2, 2), complex))


def test_text_is_refused(shift):
    with pytest.raises(ParameterError, match=r"'p'.*real.*string"):
        shift(tf.constant([["a", "b"], ["c", "d"]]))


def test_a_parameter_may_have_a_name_that_keras_refuses():
    p, x = cp.Parameter(2, name="group/p"), cp.Variable(2, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
    layer = CvxpyLayer(problem, [], x, learned={p: "ones"})
    assert [weight.name for weight in layer.weights] == ["group_p"]


def test_bounds_hold_in_the_dtype_of_the_weight():
    # float32(0.1) is more than 0.1.
    p, x = cp.Parameter(2, bounds=[-0.1, 0.1], name="p"), cp.Variable(2, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
    layer = CvxpyLayer(problem, [], x, learned={p: "ones"}, dtype="float32")
    p.value = layer.weights[0].numpy().astype(np.float64)
    np.testing.assert_allclose(p.value, 0.1, rtol=1e-6)


@pytest.mark.parametrize("role", ["learned", "fixed"])
def test_roles_are_dicts(role):
    p, x = cp.Parameter(2, name="p"), cp.Variable(2, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
    with pytest.raises(ProblemError, match=f"{role} to be a dict"):
        CvxpyLayer(problem, [], x, **{role: [p]})


def _cancelling_constraints(x, y, z):
    return {
        "equality": [x == 0.1 * y, 3 * x == 0.3 * y],
        "inequality": [x == 0.1 * y, 3 * x <= 0.3 * y],
        "equality with constants": [x == 0.1 * y + 1.1, 3 * x == 0.3 * y + 3.3],
        "inequality with constants": [x == 0.1 * y + 1.1, 3 * x <= 0.3 * y + 3.3],
        "defined": [x == 0.1 * y + 0.2 * z, 3 * x <= 0.3 * y + 0.6 * z],
    }


@pytest.mark.parametrize("engine", ["interior_point", "diffcp"])
@pytest.mark.parametrize("name", _cancelling_constraints(*[cp.Variable()] * 3))
def test_constants_that_cancel_up_to_rounding_are_zero(name, engine):
    # 3 * 0.1 - 0.3 is 5.6e-17, which was taken for a coefficient: y = 0, "solved".
    q = cp.Parameter(2, name="q")
    x, y, z = (cp.Variable(name=name) for name in "xyz")
    objective = cp.Minimize(cp.square(y - q[0]) + cp.square(z - q[1]))
    problem = cp.Problem(objective, _cancelling_constraints(x, y, z)[name])
    layer = CvxpyLayer(problem, q, [y, z], engine=engine, dtype="float64")
    np.testing.assert_allclose(layer(np.array([1.0, 2.0])), [1.0, 2.0], atol=1e-9)


@pytest.mark.parametrize("engine", ["interior_point", "diffcp"])
@pytest.mark.parametrize("kind", ["==", "<="])
def test_parameters_that_cancel_up_to_rounding_give_zero(kind, engine):
    q, p, r = cp.Parameter(2, name="q"), cp.Parameter(name="p"), cp.Parameter(name="r")
    x, y, z = cp.Variable(), cp.Variable(), cp.Variable()
    second = 3 * x == r * y if kind == "==" else 3 * x <= r * y
    problem = cp.Problem(
        cp.Minimize(cp.square(y - q[0]) + cp.square(z - q[1])),
        [49 * x == p * y, second, z <= 5],
    )
    layer = CvxpyLayer(problem, [q, p, r], y, engine=engine, dtype="float64")
    p_values = np.array([0.5, 0.9, 1.1, 2.7, 0.3])
    q_values = tf.constant([[1.0, 2.0]] * 5, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(q_values)
        solution = layer(q_values, p_values, 3 * p_values / 49)
    np.testing.assert_allclose(solution, 1.0, atol=1e-9)
    gradient = tape.gradient(solution, q_values)
    np.testing.assert_allclose(gradient, [[1.0, 0.0]] * 5, atol=1e-9)


@pytest.mark.parametrize("n", [3, 6, 7, 12])
def test_a_row_that_equalities_make_zero_does_not_make_a_problem_infeasible(n):
    # The entries of the mean sum to zero up to rounding.
    q, w, c = cp.Parameter(n, name="q"), cp.Variable(n), cp.Variable(n)
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(w - q)),
        [c == w - cp.sum(w) / n, cp.sum(c) <= 0, w <= 5],
    )
    layer = CvxpyLayer(problem, q, w, engine="interior_point", dtype="float64")
    values = np.linspace(1.0, 2.0, n)
    np.testing.assert_allclose(layer(values), values, atol=1e-9)


@pytest.mark.parametrize("bounded", [False, True])
def test_inequalities_that_follow_from_equalities_hold(bounded):
    n, batch = 9, 6
    rng = np.random.default_rng(0)
    A, b = cp.Parameter((2, n), name="A"), cp.Parameter(2, name="b")
    q, h = cp.Parameter(n, name="q"), cp.Parameter(name="h")
    x = cp.Variable(n)
    # With bounds alone the engine works within the subspace; else in a basis of it.
    rest = [x <= 1, x >= -1] if bounded else [(A[0] - 0.3 * A[1]) @ x <= h, x <= 5]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - q)), [A @ x == b, *rest])
    fed = [A, b, q] if bounded else [A, b, q, h]
    layer = CvxpyLayer(
        problem, fed, x, engine="interior_point", dtype="float64", on_failure="nan"
    )
    A_value, x0 = rng.normal(size=(batch, 2, n)), rng.normal(size=(batch, n))
    if bounded:
        # x[0] is fixed by the equalities, at its bound.
        A_value[:, 1] = A_value[:, 0] * rng.normal(size=(batch, 1))
        A_value[:, :, 1:] = 0.0
        A_value[:, 1, 1] = 1.0
        x0[:, 0], x0[:, 1] = 1.0, 0.5
    b_value = np.einsum("bij,bj->bi", A_value, x0)
    values = [A_value, b_value, rng.uniform(-1, 1, size=(batch, n))]
    if not bounded:
        h_value = b_value[:, 0] - 0.3 * b_value[:, 1]
        h_value[-1] -= 1e-3
        values.append(h_value)
    result = layer.solve(*values)
    last = Status.SOLVED if bounded else Status.PRIMAL_INFEASIBLE
    np.testing.assert_array_equal(result.status, [Status.SOLVED] * (batch - 1) + [last])
    solved = result.variables.numpy()[:5]
    satisfied = np.einsum("bij,bj->bi", A_value[:5], solved)
    np.testing.assert_allclose(satisfied, b_value[:5], atol=1e-9)


def test_python_numbers_are_values_of_parameters():
    # Keras refuses them, and says to pass them by a keyword that there is not.
    q, k = cp.Parameter(2, name="q"), cp.Parameter(name="k")
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - q)), [cp.sum(x) == k])
    layer = CvxpyLayer(problem, [q, k], x, dtype="float64")
    for answer in (layer(np.zeros(2), 1.0), layer([[0.0, 0.0], 1]), layer([0, 0], 1)):
        np.testing.assert_allclose(answer, [0.5, 0.5], atol=1e-12)


@pytest.mark.parametrize("engine", ["interior_point", "diffcp"])
def test_a_graph_does_not_grow_with_the_number_of_equal_cones(engine):
    # It did, by some hundred operations for each: a minute to trace 120 of them.
    def operations(n):
        x, y = cp.Parameter((n, 3), name="x"), cp.Variable((n, 3))
        norms = cp.sum(cp.norm(y, 2, axis=1))
        rest = cp.sum(cp.exp(y[:, 0])) if engine == "diffcp" else 0.0
        problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x) + norms + rest))
        layer = CvxpyLayer(problem, x, y, engine=engine, dtype="float64")

        @tf.function(input_signature=[tf.TensorSpec([None, n, 3], tf.float64)])
        def gradient(value):
            with tf.GradientTape() as tape:
                tape.watch(value)
                solution = layer(value)
            return tape.gradient(solution, value)

        graph = gradient.get_concrete_function().graph.as_graph_def()
        functions = graph.library.function
        return len(graph.node) + sum(len(body.node_def) for body in functions)

    assert operations(12) <= 1.05 * operations(4)


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_every_fourth_number_of_a_parameter_repeated(repeats):
    # A block of columns that repeat was taken for one of columns side by side.
    p, y = cp.Parameter((200, 4), name="p"), cp.Variable((repeats, 200))
    wanted = np.ones((repeats, 1)) @ p[:, :1].T
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - wanted)), [y <= 1])
    layer = CvxpyLayer(problem, p, y, dtype="float64")
    values = np.random.default_rng(0).normal(size=(2, 200, 4))
    expected = np.minimum(values[:, :, :1].transpose(0, 2, 1), 1.0)
    found = layer(values)
    np.testing.assert_allclose(found, expected + np.zeros(found.shape), atol=1e-12)


def test_equalities_said_twice_in_a_large_sparse_program():
    # QDLDL met a pivot that rounding had made zero, and the whole batch failed.
    n = 120
    q, x, z = cp.Parameter(n, name="q"), cp.Variable(n), cp.Variable(n)
    once = cp.diff(x) == cp.diff(z)
    again = x[1:] - x[:-1] - z[1:] + z[:-1] == 0
    cost = q @ x + cp.sum_squares(x)
    problem = cp.Problem(cp.Minimize(cost), [once, again, z >= -1, z <= 1])
    costs = np.random.default_rng(0).normal(size=(4, n))
    costs[3] = 0.0
    values, results = [costs], []
    for engine in ("diffcp", "interior_point"):
        layer = CvxpyLayer(problem, q, x, engine=engine, dtype="float64")
        assert np.all(layer.solve(*values).status == Status.SOLVED)
        results.append(tf.nest.flatten(outputs_and_gradients(layer, values)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("engine", [Compiled(), InteriorPoint()], ids=lambda e: e.name)
@pytest.mark.parametrize("seed", range(3))
def test_a_matrix_whose_eigenvalues_are_equal_is_like_any_other(seed, engine):
    # Its eigenvectors are any of many. In some of them a row of A is small, down to
    # rounding, and was given units of its own.
    rng = np.random.default_rng(seed)
    C = rng.normal(size=(2, 2))
    C = C @ C.T / 2 + np.eye(2)
    X, T = cp.Variable((2, 2), PSD=True), cp.Variable((2, 2), symmetric=True)
    p, twice = cp.Parameter(name="p"), np.eye(2)
    blocks = [[cp.kron(twice, X), cp.kron(twice, T)], [cp.kron(twice, T), np.eye(4)]]
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(X - C)), [cp.bmat(blocks) >> 0, cp.trace(T) >= p]
    )
    layer = CvxpyLayer(problem, p, X, engine=engine, dtype="float64")
    value = 1.04 * np.trace(C)
    assert Status(int(layer.solve(value).status)) is Status.SOLVED
    assert layer.check_gradients(value, directions=2).max_relative_error < 1e-7


@pytest.mark.parametrize("engine", [Compiled(), InteriorPoint()], ids=lambda e: e.name)
@pytest.mark.parametrize("seed", range(3))
def test_a_variable_in_inactive_rows_alone_does_not_spoil_others(seed, engine):
    # Active rows hold nothing of it but what rounding leaves there, from the change to
    # the eigenbasis; that was taken for numbers.
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    x, t, p = cp.Variable(2), cp.Variable(3), cp.Parameter(2, name="p")
    active = cp.diag(x - p)
    inactive = np.eye(3) + sum(
        t[k] * (np.eye(3)[[i]].T @ np.eye(3)[[j]] + np.eye(3)[[j]].T @ np.eye(3)[[i]])
        for k, (i, j) in enumerate([(0, 1), (1, 2), (0, 2)])
    )
    empty = np.zeros((2, 3))
    matrix = Q @ cp.bmat([[active, empty], [empty.T, inactive]]) @ Q.T
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), [matrix >> 0])
    layer = CvxpyLayer(problem, p, x, engine=engine, dtype="float64")
    value = np.array([1.0, 1.0 + seed % 2])
    np.testing.assert_allclose(layer(value), value, atol=1e-9)
    assert layer.check_gradients(value, directions=2).max_relative_error < 1e-9
