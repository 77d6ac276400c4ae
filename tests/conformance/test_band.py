"""Programs whose matrices have a band, solved without a dense matrix or Python."""

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_cvxlayers
from tests.calls import assert_identical, outputs_and_gradients
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.optimality import adjoint, forms, matrices

pytestmark = pytest.mark.usefixtures("steady")

HOURS = 60


@pytest.fixture
def always(monkeypatch):
    """Every program of equalities and inequalities has a band here."""

    def has_band(structure):
        return structure.band is not None

    for module in (forms, matrices, adjoint):
        monkeypatch.setattr(module, "has_band", has_band)


def storage(engine="interior_point", **options):
    """A battery that buys and sells: states are equalities, prices and what it starts
    with are fed."""
    prices, start = cp.Parameter(HOURS, name="prices"), cp.Parameter(name="start")
    bought, sold = cp.Variable(HOURS), cp.Variable(HOURS)
    state = cp.Variable(HOURS + 1)
    moves = state[1:] == state[:-1] + 0.95 * bought - sold / 0.95
    rows = [state[0] == start, moves, state >= 0, state <= 2]
    rows += [bought >= 0, bought <= 0.5, sold >= 0, sold <= 0.5]
    wear = 0.05 * (cp.sum_squares(bought) + cp.sum_squares(sold))
    problem = cp.Problem(cp.Minimize(prices @ (bought - sold) + wear), rows)
    options = {"engine": engine, "dtype": "float64", **options}
    layer = CvxpyLayer(problem, [prices, start], [bought, sold], **options)
    if engine == "interior_point":
        assert forms.has_band(layer.pipeline.reduction.structure)
    return layer


def values(batch, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, HOURS)), rng.uniform(0.1, 1.9, size=batch)


def test_engines_agree_on_values_and_gradients():
    given = values(3)
    found, gradients = outputs_and_gradients(storage(), given)
    expected, right = outputs_and_gradients(storage("diffcp"), given)
    for one, other in zip([*found, *gradients], [*expected, *right], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_engines_agree_on_duals_and_their_gradients():
    n = 200
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    row, tie = cp.diff(y) <= 1, y[::10] + y[1::10] == 0
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [row, tie])
    returned = [y, row.dual_variables[0], tie.dual_variables[0]]
    given, results = [np.random.default_rng(0).normal(size=(3, n))], []
    for engine in ("interior_point", "diffcp"):
        layer = CvxpyLayer(problem, x, returned, engine=engine, dtype="float64")
        results.append(tf.nest.flatten(outputs_and_gradients(layer, given)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_gradients_are_those_of_differences():
    layer = storage()
    assert layer.check_gradients(*values(2)).max_relative_error < 1e-5


def test_what_has_no_solution_leaves_the_others_as_they_are():
    layer = storage(on_failure="nan")
    prices, start = values(4)
    expected = layer.solve(prices, start)
    assert np.all(expected.status == Status.SOLVED)
    start[1], prices[2, 5] = 40.0, np.nan
    found = layer.solve(prices, start)
    statuses = [Status.SOLVED, Status.PRIMAL_INFEASIBLE]
    statuses += [Status.NUMERICAL_ERROR, Status.SOLVED]
    np.testing.assert_array_equal(found.status, statuses)
    for one, other in zip(found.variables, expected.variables, strict=True):
        assert_identical(one.numpy()[[0, 3]], other.numpy()[[0, 3]])
    alone = layer.solve(prices[3:], start[3:])
    for one, other in zip(alone.variables, expected.variables, strict=True):
        assert_identical(one.numpy()[0], other.numpy()[3])


def test_an_objective_without_end_is_said_to_be_unbounded(always):
    n = 50
    q, x = cp.Parameter(n, name="q"), cp.Variable(n)
    problem = cp.Problem(cp.Minimize(q @ x), [cp.diff(x) <= 1, x[0] == 1])
    layer = CvxpyLayer(problem, q, x, engine="interior_point", dtype="float64")
    costs = np.zeros((2, n))
    costs[0, -1], costs[1, -1] = -1.0, 1.0
    found = layer.solve(costs)
    np.testing.assert_array_equal(found.status, [0, Status.DUAL_INFEASIBLE])
    np.testing.assert_allclose(found.variables[0, -1], float(n))


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_agree_with_another_engine(seed, always):
    print(f"{seed=}")
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 40))
    q, x = cp.Parameter(n, name="q"), cp.Variable(n)
    held = rng.permutation(n)[: max(1, n // 4)]
    inside = np.cumsum(rng.uniform(-1.0, 1.0, size=n))
    ties = [x[k] + x[(k + 1) % n] == inside[k] + inside[(k + 1) % n] for k in held]
    # One of them twice, in other units.
    rows = [*ties, 3.0 * ties[0].expr == 0, cp.abs(cp.diff(x)) <= 1.5, x >= -20]
    rows += [x[k] <= x[k + 2] + 2.5 for k in range(n - 2)]
    cost = q @ x + cp.sum_squares(cp.multiply(rng.random(n), x))
    problem = cp.Problem(cp.Minimize(cost), rows)
    given = [rng.normal(size=(4, n)) + rng.choice([0.0, 100.0])]
    results = []
    for engine in ("interior_point", "diffcp"):
        options = {"engine": engine, "on_failure": "nan", "dtype": "float64"}
        layer = CvxpyLayer(problem, q, x, **options)
        status = layer.solve(*given).status.numpy()
        results.append((status, *outputs_and_gradients(layer, given)))
    (status, found, gradients), (known, expected, right) = results
    np.testing.assert_array_equal(status, known)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    np.testing.assert_allclose(gradients[0], right[0], atol=1e-6)


@pytest.mark.parametrize(
    "way", ["graph", "vectorized", pytest.param("xla", marks=pytest.mark.slow)]
)
def test_every_way_to_run_it(way):
    layer, given = storage(), [tf.constant(value) for value in values(3)]
    if way == "vectorized":
        prices = tf.Variable(given[0][:1])
        with tf.GradientTape() as tape:
            bought, _ = layer(prices, given[1][:1])
            three = bought[0, :3]
        found = tape.jacobian(three, prices, experimental_use_pfor=True)
        assert found.shape == (3, 1, HOURS)
        assert np.isfinite(found).all()
        return
    expected = outputs_and_gradients(layer, given)

    def both(*given):
        return outputs_and_gradients(layer, given)

    found = tf.function(both, jit_compile=way == "xla")(*given)
    for one, other in zip(
        tf.nest.flatten(found), tf.nest.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.slow
def test_a_large_program_is_served_without_python(tmp_path):
    n = 1000
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    cost = 0.5 * cp.sum_squares(y - x) + 2.0 * cp.tv(y)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(cost)), x, y, dtype="float64")
    model = keras.Sequential([keras.Input((n,), dtype="float64"), layer])
    exported = tf_cvxlayers.export(model, tmp_path / "1")
    assert exported.portable
    assert exported.compared
    assert exported.reasons == ()
    assert sum(f.stat().st_size for f in tmp_path.rglob("*.pb")) < 20e6
