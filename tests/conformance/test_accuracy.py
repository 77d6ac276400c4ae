"""Right far from the origin, badly scaled and beside huge bounds.

Translations and units change no derivative, so that the answer at the origin is the
truth elsewhere; `tests/hard` has families with truth of their own.
"""

import re

import cvxpy as cp
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tests.calls import outputs_and_gradients
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.engines import Diffcp, InteriorPoint

each_engine = pytest.mark.parametrize(
    "engine", [InteriorPoint(), Diffcp()], ids=["interior_point", "diffcp"]
)
# Its solves again take seconds to trace.
one_of_them_slowly = pytest.mark.parametrize(
    "engine",
    [pytest.param(InteriorPoint(), marks=pytest.mark.slow), Diffcp()],
    ids=["interior_point", "diffcp"],
)


def _layer(problem, parameters, variables, engine, dtype="float64"):
    options = {"engine": engine, "on_failure": "nan", "dtype": dtype}
    return CvxpyLayer(problem, parameters, variables, **options)


def _assert_solved(layer, values):
    result = layer.solve(*values)
    np.testing.assert_array_equal(result.status, Status.SOLVED)
    return result


@one_of_them_slowly
def test_a_translation_changes_no_derivative(engine):
    n, m, batch = 4, 5, 60
    P = cp.Parameter((n, n), PSD=True, name="P")
    q, G = cp.Parameter(n, name="q"), cp.Parameter((m, n), name="G")
    h, x = cp.Parameter(m, name="h"), cp.Variable(n)
    objective = 0.5 * cp.quad_form(x, P) + q @ x
    layer = _layer(
        cp.Problem(cp.Minimize(objective), [G @ x <= h]), [P, q, G, h], x, engine
    )
    rng = np.random.default_rng(1)
    Q, _ = np.linalg.qr(rng.normal(size=(batch, n, n)))
    P_value = Q * np.linspace(1.0, 0.1, n) @ Q.swapaxes(1, 2)
    P_value = 0.5 * (P_value + P_value.swapaxes(1, 2))
    q_value, G_value = 3 * rng.normal(size=(batch, n)), rng.normal(size=(batch, m, n))
    h_value, way = rng.uniform(0.1, 1, size=(batch, m)), rng.normal(size=(batch, n))
    expected = None
    for distance in (0.0, 1e2, 1e4, 1e6):
        z = distance * way
        moved_q = q_value - np.einsum("kij,kj->ki", P_value, z)
        moved_h = h_value + np.einsum("kij,kj->ki", G_value, z)
        values = [P_value, moved_q, G_value, moved_h]
        _assert_solved(layer, values)
        y, (_, of_q, _, of_h) = outputs_and_gradients(layer, values)
        found = y.numpy() - z, of_q.numpy(), of_h.numpy()
        if expected is None:
            expected = found
        for part, truth in zip(found, expected, strict=True):
            np.testing.assert_allclose(part, truth, rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@each_engine
@pytest.mark.parametrize("linear", [False, True])
def test_tracking_far_from_the_origin(engine, linear):
    T = 12
    r, x = cp.Parameter(T, name="r"), cp.Variable(T)
    objective = cp.sum_squares(x) + r @ x if linear else cp.sum_squares(x - r)
    limits = [cp.abs(cp.diff(x)) <= 0.5]
    layer = _layer(cp.Problem(cp.Minimize(objective), limits), r, x, engine)
    walk = np.cumsum(np.random.default_rng(0).normal(size=(50, T)), axis=1)
    expected = None
    for shift in (0.0, 1e4, 1e6, 1e7):
        values = [-2.0 * (walk + shift) if linear else walk + shift]
        _assert_solved(layer, values)
        y, (gradient,) = outputs_and_gradients(layer, values)
        found = y.numpy() - shift, gradient.numpy()
        expected = expected or found
        for part, truth in zip(found, expected, strict=True):
            np.testing.assert_allclose(part, truth, rtol=1e-6, atol=1e-7)


def _robust_portfolio(R, mu):
    """The problem of the returns `R [30, 10]` and their mean, and the portfolio."""
    m, n = R.shape
    z, c, lam = cp.Variable(n, nonneg=True), cp.Variable(), cp.Variable(nonneg=True)
    eta, t = cp.Variable(), cp.Variable(m)
    risk = cp.square(R @ z - c)
    problem = cp.Problem(
        cp.Minimize(eta + 0.1 * lam + cp.sum(t) / m - mu @ z),
        [cp.sum(z) == 1, t >= -lam, t >= risk - eta, risk - eta <= lam],
    )
    return problem, z


@pytest.mark.slow
@each_engine
@pytest.mark.parametrize("seed", [0, 11])
def test_returns_in_natural_units(seed, engine):
    """Two percent a day, squared: the same portfolio as in units 50 times smaller."""
    n, m = 10, 30
    R, mu = cp.Parameter((m, n), name="R"), cp.Parameter(n, name="mu")
    problem, z = _robust_portfolio(R, mu)
    layer = _layer(problem, [R, mu], z, engine)
    rng = np.random.default_rng(seed)
    R_value, mu_value = 0.02 * rng.normal(size=(m, n)), 1e-4 * rng.normal(size=n)
    found = []
    for scale in (1.0, 50.0):
        values = [R_value * scale, mu_value * scale**2]
        _assert_solved(layer, values)
        y, (of_R, of_mu) = outputs_and_gradients(layer, values, batch_rank=0)
        found.append((y, of_R * scale, of_mu * scale**2))
    for one, other in zip(*found, strict=True):
        size = np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6 * size)


@each_engine
def test_elements_that_share_their_rows_are_solved_again_with_their_own(engine):
    """Seen closer, the cones of each element are turned by as much as it needs."""
    rng = np.random.default_rng(0)
    mu = cp.Parameter(10, name="mu")
    problem, z = _robust_portfolio(0.02 * rng.normal(size=(30, 10)), mu)
    layer = _layer(problem, [mu], z, engine)
    values = tf.constant(1e-4 * rng.normal(size=(3, 10)))
    # In a graph, whose functions are traced for what is shared.
    batch = tf.function(layer, autograph=False)(values)
    assert np.isfinite(batch).all()
    for k, value in enumerate(values):
        alone = _assert_solved(layer, [value]).variables
        np.testing.assert_allclose(batch[k], alone, atol=1e-9)


@each_engine
@pytest.mark.parametrize("direction", [(-1.0, 0.3), (-1.0, 3.0), (1.0, -1.0)])
def test_a_projection_is_bounded_and_feasible(engine, direction):
    p, x = cp.Parameter(2, name="p"), cp.Variable(2)
    layer = _layer(
        cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x <= 1]), p, x, engine
    )
    sizes = 10.0 ** np.arange(4, 11)
    values = np.stack([direction[0] * sizes, direction[1] + 0.0 * sizes], axis=1)
    if direction == (1.0, -1.0):
        values[:, 1] = -sizes
    found = _assert_solved(layer, [values]).variables.numpy()
    np.testing.assert_allclose(found, np.minimum(values, 1.0), rtol=1e-12, atol=1e-9)


@each_engine
def test_a_box_is_feasible_wherever_it_is(engine):
    p, x = cp.Parameter(2, name="p"), cp.Variable(2)
    layer = _layer(cp.Problem(cp.Minimize(cp.sum_squares(x)), [x >= p]), p, x, engine)
    sizes = 10.0 ** np.arange(4, 11)
    values = np.stack([np.ones_like(sizes), sizes], axis=1)
    found = _assert_solved(layer, [values]).variables.numpy()
    np.testing.assert_allclose(found, values, rtol=1e-12)


@one_of_them_slowly
def test_a_bound_that_is_far_away_is_not_there(engine):
    p, u, x = cp.Parameter(2, name="p"), cp.Parameter(2, name="u"), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x <= u, x >= -u])
    layer = _layer(problem, [p, u], x, engine)
    far = 10.0 ** np.array([6, 8, 9, 10, 12, 15, 18, 20, 30])
    values = [np.array([1.0, -2.0]), np.stack([far, np.ones_like(far)], axis=1)]
    found = _assert_solved(layer, values).variables.numpy()
    np.testing.assert_allclose(found, np.tile([1.0, -1.0], (len(far), 1)), atol=1e-9)


@one_of_them_slowly
@pytest.mark.parametrize(
    ("cost", "n"),
    [
        ("linear", 10),
        pytest.param("quadratic", 10, marks=pytest.mark.slow),
        # Large and sparse.
        pytest.param("linear", 15, marks=pytest.mark.slow),
        pytest.param("quadratic", 15, marks=pytest.mark.slow),
    ],
)
def test_equalities_that_agree_but_for_the_rounding_of_float32(engine, cost, n):
    """Transport between two softmax outputs: one equality is redundant, and off by
    1e-8."""
    layer, sides = _transport(n, cost, engine)
    plans = _assert_solved(layer, sides).variables
    np.testing.assert_allclose(tf.reduce_sum(plans, axis=2), sides[0], atol=1e-6)


@each_engine
@pytest.mark.parametrize("share", [1e-5, 1e-6, 2e-7])
def test_rows_that_are_nearly_parallel_have_their_derivative(engine, share):
    """`x1 <= a` and `share x2 - x1 <= b`, both active."""
    a, b = cp.Parameter(name="a"), cp.Parameter(name="b")
    x = cp.Variable(2)
    objective = cp.Minimize(cp.sum_squares(x - np.array([2.0, 3.0])))
    limits = [x[0] <= a, share * x[1] - x[0] <= b]
    layer = _layer(cp.Problem(objective, limits), [a, b], x, engine)
    values = [np.array(1.0), np.array(share - 1.0)]
    _assert_solved(layer, values)
    points = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(points)
        y = layer(*points)
        total = tf.reduce_sum(y)
    np.testing.assert_allclose(y, [1.0, (1.0 + values[1]) / share], rtol=1e-8)
    expected = 1.0 + 1.0 / share, 1.0 / share
    np.testing.assert_allclose(tape.gradient(total, points), expected, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.01, 0.005])
def test_a_plan_with_entropy_may_be_as_near_to_zero_as_it_likes(share):
    """Down to `exp(-200)`. Sinkhorn's iteration has the same plan."""
    n = 8
    x = np.linspace(0, 1, n)
    C = (x[:, None] - x) ** 2
    a, b = (cp.Parameter(n, nonneg=True, name=name) for name in "ab")
    plan = cp.Variable((n, n))
    cost = cp.sum(cp.multiply(C, plan)) - share * cp.sum(cp.entr(plan))
    rows = [cp.sum(plan, axis=1) == a, cp.sum(plan, axis=0)[:-1] == b[:-1]]
    layer = _layer(cp.Problem(cp.Minimize(cost), rows), [a, b], plan, Diffcp())
    rng = np.random.default_rng(0)
    a_value, b_value = scipy.special.softmax(rng.normal(size=(2, 4, n)), axis=2)
    found = _assert_solved(layer, [a_value, b_value]).variables.numpy()
    u, v = np.zeros((2, 4, n))
    for _ in range(20_000):
        u = np.log(a_value) - scipy.special.logsumexp(v[:, None] - C / share, axis=2)
        v = np.log(b_value) - scipy.special.logsumexp(u[:, :, None] - C / share, axis=1)
    expected = np.exp(u[:, :, None] + v[:, None] - C / share)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.slow
def test_a_plan_with_entropy_between_float32():
    """It has entries of 1e-43 beside a bound at zero, which the cone implies."""
    layer, sides = _transport(15, "entropic", Diffcp())
    plans = _assert_solved(layer, sides).variables
    np.testing.assert_allclose(tf.reduce_sum(plans, axis=2), sides[0], atol=1e-6)


def _transport(n, cost, engine):
    x = np.linspace(0, 1, n)
    C = (x[:, None] - x) ** 2
    a = cp.Parameter(n, nonneg=True, name="a")
    b = cp.Parameter(n, nonneg=True, name="b")
    plan = cp.Variable((n, n), nonneg=True)
    rows = [cp.sum(plan, axis=1) == a, cp.sum(plan, axis=0) == b]
    more = {
        "linear": 0.0,
        "quadratic": 0.1 * cp.sum_squares(plan),
        "entropic": -0.01 * cp.sum(cp.entr(plan)),
    }
    objective = cp.Minimize(cp.sum(cp.multiply(C, plan)) + more[cost])
    layer = _layer(cp.Problem(objective, rows), [a, b], plan, engine, "float32")
    rng = np.random.default_rng(0)
    sides = [
        tf.nn.softmax(tf.constant(rng.normal(size=(8, n)), tf.float32)) for _ in "ab"
    ]
    return layer, sides


@pytest.mark.slow
@each_engine
def test_a_landing_trajectory_has_its_derivative(engine):
    """Forty second-order cones, of an order at which systems are sparse."""
    N, g = 40, np.array([0, 0, -3.7])
    X, V = cp.Variable((N + 1, 3)), cp.Variable((N + 1, 3))
    U, s = cp.Variable((N, 3)), cp.Variable(N)
    x0 = cp.Parameter(3, name="x0")
    limits = [X[0] == x0, V[0] == [-2, 1, -5], V[N] == 0, X[N] == 0]
    limits += [X[1:] == X[:-1] + V[:-1] + 0.5 * (U + g), V[1:] == V[:-1] + U + g]
    limits += [cp.norm(U, axis=1) <= s, s <= 9, U[:, 2] >= 0.3 * s]
    limits += [cp.norm(X[:N, :2], axis=1) <= 1.2 * X[:N, 2]]
    objective = cp.Minimize(cp.sum(s) + 1e-3 * cp.sum_squares(U))
    layer = _layer(cp.Problem(objective, limits), [x0], U, engine)
    start = np.array([80.0, 40.0, 240.0])
    _assert_solved(layer, [start])
    w = np.random.default_rng(1).normal(size=(N, 3))
    d = np.random.default_rng(2).normal(size=3)
    with tf.GradientTape() as tape:
        x = tf.constant(start)
        tape.watch(x)
        value = tf.reduce_sum(layer(x) * w)
    assert tape.gradient(value, x).numpy() @ d == pytest.approx(
        -0.00632521245, rel=1e-6
    )


@pytest.mark.slow
def test_both_engines_come_to_the_same_battery_schedule():
    T = 48
    rng = np.random.default_rng(0)
    price = 1.0 + 0.5 * np.sin(np.arange(T) / 24 * 6.28)
    price = price + 0.1 * rng.normal(size=(4, T))
    e, i, o = (cp.Variable(T), *(cp.Variable(T, nonneg=True) for _ in "io"))
    p = cp.Parameter(T, name="price")
    squares = [cp.sum_squares(part) for part in (e, i, o)]
    objective = p @ (i - o) + 0.1 * squares[0] + 0.05 * (squares[1] + squares[2])
    limits = [cp.abs(e) <= 0.5, e == cp.cumsum(0.9 * i - o), i <= 0.5, o <= 0.2]
    problem = cp.Problem(cp.Minimize(objective), limits)
    found = []
    for engine in (InteriorPoint(), Diffcp()):
        layer = _layer(problem, p, i, engine)
        _assert_solved(layer, [price])
        assert layer.check_gradients(price).max_relative_error < 1e-5
        found.append(outputs_and_gradients(layer, [price]))
    (one, of_one), (other, of_other) = found
    np.testing.assert_allclose(one, other, atol=1e-9)
    np.testing.assert_allclose(of_one[0], of_other[0], atol=1e-8)


def _with_far_apart_entries(digits, size):
    """Quadratic programs within a box that have a solution, with entries 1e-`digits` to
    1e+`digits`: the layer on an engine, and values."""
    A, b = cp.Parameter((4, 3), name="A"), cp.Parameter(4, name="b")
    c, w = cp.Parameter(3, name="c"), cp.Parameter(3, nonneg=True, name="w")
    y = cp.Variable(3, name="y")
    objective = cp.sum(cp.multiply(w, cp.square(y))) + c @ y
    problem = cp.Problem(cp.Minimize(objective), [A @ y <= b, y >= -1e6, y <= 1e6])
    rng = np.random.default_rng(digits)

    def entries(*shape):
        scale = 10.0 ** rng.uniform(-digits, digits, size=shape)
        return scale * rng.normal(size=shape)

    matrices, inside = entries(size, 4, 3), rng.normal(size=(size, 3))
    slacks = np.abs(entries(size, 4))
    limits = np.einsum("kij,kj->ki", matrices, inside) + slacks
    values = [matrices, limits, entries(size, 3), np.abs(entries(size, 3))]
    return problem, [A, b, c, w], y, values


@one_of_them_slowly
@pytest.mark.parametrize("digits", [5, pytest.param(10, marks=pytest.mark.slow)])
def test_what_has_a_solution_is_not_said_to_have_none(digits, engine):
    problem, parameters, y, values = _with_far_apart_entries(digits, 200)
    layer = CvxpyLayer(problem, parameters, y, engine=engine, on_failure="nan")
    result = layer.solve(*values)
    status = result.status.numpy()
    assert not np.isin(status, [Status.PRIMAL_INFEASIBLE, Status.DUAL_INFEASIBLE]).any()
    # Numbers ten digits apart fit in one system, and those twenty apart need not.
    assert (status == Status.SOLVED).all() or digits > 5


def test_what_is_not_solved_says_what_to_rescale():
    problem, parameters, y, values = _with_far_apart_entries(12, 60)
    layer = CvxpyLayer(problem, parameters, y, on_failure="nan")
    result = layer.solve(*values)
    assert re.match(
        r"60 elements: \d+ SOLVED, .*\. Element \[\d+\]: numbers in", str(result)
    )
    assert re.search(
        r"\(of '[Abcw]'\).*, a ratio of 1?\de\+\d+ in the units", str(result)
    )
    solved = layer.solve(*(value[:1] for value in _with_far_apart_entries(1, 2)[-1]))
    assert str(solved) == "1 element: 1 SOLVED"


@each_engine
@pytest.mark.parametrize("beside", ["nothing", "bounds", "both"])
def test_a_variable_without_an_end_is_found_beside_a_curved_objective(engine, beside):
    """The certificate has no part in the others, but for what iterations leave."""
    p, x, t = cp.Parameter(3, name="p"), cp.Variable(3), cp.Variable()
    rows = {"nothing": [], "bounds": [x >= -1], "both": [x <= 0.5, cp.sum(x) == 1]}
    objective = cp.Minimize(cp.sum_squares(x - p) + 0.3 * t)
    problem = cp.Problem(objective, [t <= 1, *rows[beside]])
    layer = _layer(problem, p, x, engine)
    values = np.random.default_rng(0).normal(size=(4, 3))
    status = layer.solve(values).status
    np.testing.assert_array_equal(status, Status.DUAL_INFEASIBLE)
