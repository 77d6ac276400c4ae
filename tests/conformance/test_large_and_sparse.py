"""Programs of hundreds and thousands of variables, against closed forms."""

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf

from tests.calls import outputs_and_gradients
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.optimality.forms import has_band

BATCH = 3


def _weights(n):
    """Of `outputs_and_gradients`."""
    return np.cos(1.0 + np.arange(n))


engines = pytest.mark.parametrize("engine", ["auto", "interior_point"])


def _solved(problem, parameters, variable, values, engine="auto"):
    """The solution and the gradients of a layer that takes the sparse way."""
    options = {"engine": engine, "dtype": "float64"}
    layer = CvxpyLayer(problem, parameters, variable, **options)
    structure = layer.pipeline.reduction.structure
    assert layer.engine.name == "diffcp" if engine == "auto" else has_band(structure)
    assert np.all(layer.solve(*values).status == Status.SOLVED)
    found, gradients = outputs_and_gradients(layer, values)
    return np.array(found), [np.array(part) for part in gradients]


def _averaged(values, breaks):
    """The mean of each run of entries that no break separates."""
    runs = np.concatenate([[0], np.cumsum(breaks)])
    return (np.bincount(runs, values) / np.bincount(runs))[runs]


def test_projection_on_the_simplex():
    n = 2000
    rng = np.random.default_rng(0)
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1, y >= 0])
    values = rng.normal(size=(BATCH, n))
    found, (gradient,) = _solved(problem, [x], y, [values])
    for k, value in enumerate(values):
        descending = np.sort(value)[::-1]
        thresholds = (np.cumsum(descending) - 1.0) / np.arange(1, n + 1)
        threshold = thresholds[np.sum(descending > thresholds) - 1]
        support = value > threshold
        expected = np.where(support, value - threshold, 0.0)
        np.testing.assert_allclose(found[k], expected, atol=1e-11)
        mean = _weights(n)[support].mean()
        expected = np.where(support, _weights(n) - mean, 0.0)
        np.testing.assert_allclose(gradient[k], expected, atol=1e-10)


@engines
def test_projection_on_a_chain(engine):
    """`|y_{i+1} - y_i| <= 1`, built from the solution and the multipliers."""
    n = 1000
    rng = np.random.default_rng(0)
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    held = rng.choice([-1.0, 0.0, 1.0], size=(BATCH, n - 1))
    steps = np.where(held != 0, held, rng.uniform(-0.9, 0.9, size=(BATCH, n - 1)))
    solution = np.cumsum(np.concatenate([np.zeros((BATCH, 1)), steps], 1), axis=1)
    force = held * rng.uniform(0.1, 1.0, size=(BATCH, n - 1))
    values = solution + 0.5 * np.diff(np.pad(-force, ((0, 0), (1, 1))), axis=1)
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(y - x)), [cp.norm_inf(cp.diff(y)) <= 1]
    )
    found, (gradient,) = _solved(problem, [x], y, [values], engine)
    np.testing.assert_allclose(found, solution, atol=1e-10)
    for k in range(BATCH):
        expected = _averaged(_weights(n), held[k] == 0)
        np.testing.assert_allclose(gradient[k], expected, atol=1e-10)


@engines
def test_total_variation(engine):
    """`|y - x|^2 / 2 + w tv(y)`, built from the solution and the dual."""
    n, weight = 800, 0.7
    rng = np.random.default_rng(0)
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    w = cp.Parameter(nonneg=True, name="w")
    jumps = rng.choice([-1.0, 0.0, 1.0], size=(BATCH, n - 1), p=[0.1, 0.8, 0.1])
    steps = jumps * rng.uniform(0.1, 1.0, size=jumps.shape)
    solution = np.cumsum(np.concatenate([np.zeros((BATCH, 1)), steps], 1), axis=1)
    inside = rng.uniform(-0.9, 0.9, size=jumps.shape)
    dual = weight * np.where(jumps != 0, jumps, inside)
    values = solution - np.diff(np.pad(dual, ((0, 0), (1, 1))), axis=1)
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(y - x) + w * cp.tv(y)))
    given = [values, np.full(BATCH, weight)]
    found, (gradient, of_weight) = _solved(problem, [x, w], y, given, engine)
    np.testing.assert_allclose(found, solution, atol=1e-10)
    for k in range(BATCH):
        expected = _averaged(_weights(n), jumps[k] != 0)
        np.testing.assert_allclose(gradient[k], expected, atol=1e-9)
        pull = np.diff(np.pad(jumps[k], 1))
        np.testing.assert_allclose(of_weight[k], expected @ pull, rtol=1e-8)


def test_projection_on_a_ball():
    """One second-order cone with hundreds of rows."""
    n = 400
    rng = np.random.default_rng(0)
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.norm(y) <= 1])
    values = rng.normal(size=(BATCH, n))
    values[0] *= 0.5 / np.linalg.norm(values[0])
    found, (gradient,) = _solved(problem, [x], y, [values])
    for k, value in enumerate(values):
        size = np.linalg.norm(value)
        expected, w = value, _weights(n)
        if size > 1:
            expected, along = value / size, value / size * (value @ w) / size
            w = (w - along) / size
        np.testing.assert_allclose(found[k], expected, atol=1e-9)
        np.testing.assert_allclose(gradient[k], w, atol=1e-8)


def _slope(A, B, u, start):
    """Half of the gradient of the cost in the inputs, in more digits."""
    A, B, x = (part.astype(np.longdouble) for part in (A, B, start))
    inputs, states = u.reshape(B.shape[1], -1), [x]
    for u_t in inputs.T:
        states.append(A @ states[-1] + B @ u_t)
    slope, dual = np.zeros_like(inputs), states[-1]
    for t in reversed(range(inputs.shape[1])):
        slope[:, t] = inputs[:, t] + B.T @ dual
        dual = states[t] + A.T @ dual
    return slope.ravel()


@pytest.mark.parametrize("engine", ["diffcp", "interior_point", "compiled"])
def test_control_of_an_unstable_system_that_saturates(engine):
    """Nearly as many held bounds as inputs: a system with singular values of 1e-9."""
    states, inputs, horizon = 12, 4, 50
    rng = np.random.default_rng(0)
    A = np.eye(states) + 0.05 * rng.normal(size=(states, states))
    B = 0.2 * rng.normal(size=(states, inputs))
    start = cp.Parameter(states, name="start")
    X, U = cp.Variable((states, horizon + 1)), cp.Variable((inputs, horizon))
    rows = [X[:, 0] == start, X[:, 1:] == A @ X[:, :-1] + B @ U, cp.abs(U) <= 0.3]
    cost = cp.sum_squares(X) + cp.sum_squares(U)
    problem = cp.Problem(cp.Minimize(cost), rows)
    values = 0.3 * rng.normal(size=(BATCH, states))
    found, (gradient,) = _solved(problem, [start], U, [values], engine)
    weights = _weights(inputs * horizon).reshape(inputs, horizon)
    # In the inputs alone: x_t is linear in them and in the start.
    of_start, of_inputs = [np.eye(states)], [np.zeros((states, inputs * horizon))]
    for t in range(horizon):
        own = np.zeros((states, inputs * horizon))
        own[:, t::horizon] = B
        of_start.append(A @ of_start[-1])
        of_inputs.append(A @ of_inputs[-1] + own)
    S, M = np.concatenate(of_start), np.concatenate(of_inputs)
    H = M.T @ M + np.eye(inputs * horizon)
    for k in range(BATCH):
        u = found[k].ravel()
        free = np.abs(u) < 0.3 - 1e-9
        exact = np.where(free, u, np.sign(u) * 0.3).astype(np.longdouble)
        for _ in range(10):
            slope = _slope(A, B, exact, values[k])[free].astype(float)
            exact[free] -= np.linalg.solve(H[np.ix_(free, free)], slope)
        np.testing.assert_allclose(u, exact.astype(float), atol=1e-11)
        assert np.all((_slope(A, B, exact, values[k]) * exact)[~free] < 0)
        moved = np.linalg.solve(H[np.ix_(free, free)], weights.ravel()[free])
        expected = -(M.T @ S)[free].T @ moved
        size = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(gradient[k], expected, atol=1e-7 * size)


def test_a_matrix_of_weights_that_is_sparse_has_a_gradient():
    """Shared by the batch, its gradient is a sum over the batch, entry by entry."""
    n = 300
    rng = np.random.default_rng(0)
    entries = sp.diags_array([np.ones(n), np.ones(n - 1)], offsets=[0, 1]).tocoo()
    G = cp.Parameter((n, n), name="G", sparsity=entries.coords)
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [G @ y <= 1])
    start = entries.toarray() * rng.uniform(0.5, 1.5, size=(n, n))
    options = {"learned": {G: start}, "engine": "diffcp", "dtype": "float64"}
    layer = CvxpyLayer(problem, [x], y, **options)
    values = tf.constant(2.0 * rng.normal(size=(BATCH, n)))

    def loss():
        return tf.reduce_sum(layer(values) * _weights(n))

    with tf.GradientTape() as tape:
        total = loss()
    (gradient,) = tape.gradient(total, layer.trainable_weights)
    (weight,) = layer.trainable_weights
    for row, column in ((0, 0), (7, 8), (100, 100)):
        step = np.zeros((n, n))
        step[row, column] = 1e-6
        before = weight.numpy()
        differences = []
        for sign in (1.0, -1.0):
            weight.assign(before + sign * step)
            differences.append(sign * loss())
        weight.assign(before)
        expected = sum(differences) / 2e-6
        np.testing.assert_allclose(
            gradient[row, column], expected, rtol=1e-5, atol=1e-6
        )
