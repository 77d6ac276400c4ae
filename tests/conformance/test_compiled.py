"""The compiled engine has the answers of the interior-point engine, and leaves to it
what it does not settle."""

import importlib.util
import subprocess
import sys
import threading

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_identical, outputs_and_gradients
from tests.mixed_batches import Element, Family
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.engines import Compiled, InteriorPoint
from tf_cvxlayers.engines.selection import choose_engine
from tf_cvxlayers.errors import ArgumentError
from tf_cvxlayers.pipeline import at_once

_N = 5
_DATA = np.random.default_rng(0).normal(size=(30, _N))


def _layer(engine="compiled", **settings):
    """A projection onto a set that is empty where `low` is high."""
    x, low, y = cp.Parameter(_N), cp.Parameter(), cp.Variable(_N)
    rows = [cp.norm(y) <= 2, cp.sum(y) == 1, y >= low, y <= 1]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), rows)
    return CvxpyLayer(
        problem,
        [x, low],
        [y, rows[1].dual_variables[0]],
        engine=engine,
        dtype="float64",
        **settings,
    )


def _values(batch=7, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(batch, _N)), rng.uniform(-1, 0, size=batch)]


@pytest.fixture
def left(monkeypatch):
    """How many elements were left to the other engine, one call after another."""
    counts = []
    solved, differentiated = Compiled.solved, Compiled.differentiated

    def counted_solved(*arguments):
        found = solved(*arguments)
        counts.append((~found.settled).sum())
        return found

    def counted_differentiated(*arguments):
        gradient, kept = differentiated(*arguments)
        counts.append((~kept).sum())
        return gradient, kept

    monkeypatch.setattr(Compiled, "solved", counted_solved)
    monkeypatch.setattr(Compiled, "differentiated", counted_differentiated)
    return counts


@pytest.mark.parametrize("seed", range(8))
def test_easy_programs_are_settled_as_they_are_by_the_other_engine(seed, left):
    rng = np.random.default_rng(seed)
    family = Family.random(rng)
    elements = [Element.random(rng, family, "easy") for _ in range(6)]
    problem, parameters, x = family.state()
    values = [np.stack([e.values[name] for e in elements]) for name in parameters]
    found = {}
    for engine in (Compiled(), InteriorPoint()):
        layer = CvxpyLayer(
            problem, list(parameters.values()), x, engine=engine, dtype="float64"
        )
        found[engine.name] = outputs_and_gradients(layer, values)
    assert left == [0, 0]
    (x, gradients), (other, expected) = found["compiled"], found["interior_point"]
    np.testing.assert_allclose(x, other, rtol=1e-9, atol=1e-9)
    for one, another in zip(gradients, expected, strict=True):
        size = np.abs(another).max()
        np.testing.assert_allclose(one, another, rtol=1e-7, atol=1e-8 * (1 + size))


@pytest.mark.parametrize(
    "statement",
    [
        lambda x, y: ([-x @ y - cp.sum(cp.entr(y))], [cp.sum(y) == 1]),
        # Of half of the points the nearest one is inside: the cones are not active
        # there, and nothing holds the variables that CVXPY adds for them.
        lambda x, y: ([cp.sum_squares(y - x)], [cp.norm(y, 3) <= 2]),
        lambda x, y: ([cp.sum_squares(y - x)], [cp.lambda_max(cp.diag(y) + 0.2) <= 1]),
        lambda x, y: ([cp.sum(cp.logistic(y)), 0.5 * cp.sum_squares(y - x)], []),
        # With none that is active, and with some of several.
        lambda x, y: (
            [cp.sum_squares(y - x)],
            [cp.log_sum_exp(y) <= 4, cp.sum(cp.exp(y[:2])) <= 2, cp.norm(y, 3) <= 5],
        ),
        # Of many points of data that share few variables: one row of a factor is short,
        # and in the border, see `profile`.
        lambda x, y: ([cp.sum(cp.huber(_DATA @ y - _DATA @ x)), cp.norm1(y)], []),
        lambda x, y: ([cp.sum(cp.pos(1 - _DATA @ y)), cp.sum_squares(y - x)], []),
        lambda x, y: ([cp.sum(cp.logistic(_DATA @ y)), cp.sum_squares(y - x)], []),
        lambda x, y: (
            [cp.sum(cp.norm(cp.reshape(_DATA @ (y - x), (15, 2), order="C"), axis=1))],
            [cp.norm(y) <= 1],
        ),
    ],
    ids=[
        "entropy",
        "norm",
        "matrix",
        "logistic",
        "slack",
        "robust",
        "margins",
        "points",
        "places",
    ],
)
def test_curved_cones_are_settled_as_they_are_by_the_other_engine(statement, left):
    x, y = cp.Parameter(_N, name="x"), cp.Variable(_N)
    terms, rows = statement(x, y)
    problem, values = cp.Problem(cp.Minimize(sum(terms)), rows), _values(32)[:1]
    found = []
    for engine in (Compiled(), InteriorPoint()):
        layer = CvxpyLayer(problem, x, y, engine=engine, dtype="float64")
        found.append(outputs_and_gradients(layer, values))
    assert left == [0, 0]
    for one, another in zip(*found, strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-8, atol=1e-9)
    layer = CvxpyLayer(problem, x, y, engine=Compiled(threads=1), dtype="float64")
    alone = outputs_and_gradients(layer, [values[0][5:6]])
    own, (gradient,) = found[0]
    assert_identical(alone, (own[5:6], [gradient[5:6]]))


def test_a_derivative_that_is_zero_is_found(left):
    """The norm of a matrix of rank one is its trace: of what should be zero, all that
    is there is rounding, and no refinement makes it smaller."""
    x, y = cp.Parameter((4, 4), symmetric=True), cp.Variable((4, 4), PSD=True)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.trace(y) == 1])
    rng = np.random.default_rng(0)
    half = rng.normal(size=(12, 4, 4))
    points = 3.0 * tf.constant(half + np.swapaxes(half, 1, 2))
    layer = CvxpyLayer(problem, x, y, engine="compiled", dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(points)
        found = layer(points)
        lengths = tf.reduce_sum(found**2)
    gradient = tape.gradient(lengths, points)
    of_rank_one = np.linalg.eigvalsh(found)[:, -2] < 1e-12
    assert of_rank_one.sum() >= 6
    assert left == [0, 0]
    np.testing.assert_allclose(gradient.numpy()[of_rank_one], 0.0, atol=1e-12)


def test_what_has_no_solution_is_left_to_the_other_engine(left):
    layer = _layer(on_failure="nan")
    x, low = _values()
    low[2], x[5] = 0.5, np.nan
    for _ in range(4):  # op by op, and traced
        result = layer.solve(x, low)
        (y, _), gradients = outputs_and_gradients(layer, [x, low])
        assert np.isnan(y.numpy()[[2, 5]]).all()
        assert np.isfinite(np.delete(y, [2, 5], axis=0)).all()
        assert all(np.isfinite(gradient).all() for gradient in gradients)
    S, P, N = Status.SOLVED, Status.PRIMAL_INFEASIBLE, Status.NUMERICAL_ERROR
    np.testing.assert_array_equal(result.status, [S, S, P, S, S, N, S])
    # A value that is no number is in no solve; and all of the gradients are there.
    assert left == [1, 1, 0] * 4


def test_the_rest_is_solved_where_no_other_thread_is_free(monkeypatch):
    monkeypatch.setattr(at_once, "_FIRST_CALLS", 0)
    monkeypatch.setattr(at_once, "_free", lambda: threading.Semaphore(0))
    x, low = _values()
    low[2] = 0.5
    status = _layer(on_failure="nan").solve(x, low).status
    np.testing.assert_array_equal(status, [0, 0, Status.PRIMAL_INFEASIBLE, 0, 0, 0, 0])


def test_two_layers_of_one_graph_may_leave_elements_at_a_time(monkeypatch):
    monkeypatch.setattr(at_once, "_FIRST_CALLS", 0)
    layers = [_layer(on_failure="nan"), _layer(on_failure="nan")]
    x, low = _values()

    @tf.function
    def both(x):
        return [layer(x + k, low)[0] for k, layer in enumerate(layers)]

    low[:] = 0.5
    for _ in range(20):
        for y in both(x):
            assert np.isnan(y).all()


def test_an_element_does_not_see_its_neighbours_or_the_number_of_threads():
    layer, (x, low) = _layer(), _values(64)
    together = outputs_and_gradients(layer, [x, low])
    for threads in (1, 3):
        assert_identical(
            outputs_and_gradients(_layer(Compiled(threads=threads)), [x, low]), together
        )
    (y, dual), gradients = together
    for k in (0, 31, 63):
        own = slice(k, k + 1)
        alone = outputs_and_gradients(layer, [x[own], low[own]])
        expected = (y[own], dual[own]), [part[own] for part in gradients]
        assert_identical(alone, expected)


def test_graphs_callers_at_once_and_jacobians_agree_with_eager_calls():
    layer, values = _layer(), [tf.constant(part) for part in _values()]
    eager = outputs_and_gradients(layer, values)
    in_graph = tf.function(lambda: outputs_and_gradients(layer, values))
    assert_identical(in_graph(), eager)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(layer(*values)[0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert_identical(found, [eager[0][0]] * 8)
    x, low = values[0][0], values[1][0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, _ = layer(x, low)
    jacobian = tape.jacobian(y, x)
    np.testing.assert_allclose(jacobian, tf.transpose(jacobian), atol=1e-12)


def xla_takes_the_other_engine():
    layer, values = _layer(), [tf.constant(part) for part in _values()]
    expected = layer(*values)[0]
    compiled = tf.function(lambda *values: layer(*values)[0], jit_compile=True)
    np.testing.assert_allclose(compiled(*values), expected, rtol=1e-8, atol=1e-9)


def test_xla_takes_the_other_engine():
    """In a process of its own: XLA takes a gigabyte, and keeps half of it."""
    command = f"import {__name__} as test; test.xla_takes_the_other_engine()"
    subprocess.run([sys.executable, "-c", command], check=True)


def test_a_saved_layer_has_its_settings(tmp_path):
    inputs = [keras.Input((_N,), dtype="float64"), keras.Input((), dtype="float64")]
    layer = _layer(Compiled(threads=1, tolerance=1e-8))
    keras.Model(inputs, layer(*inputs)[0]).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].engine == Compiled(threads=1, tolerance=1e-8)
    values = [tf.constant(part) for part in _values()]
    assert_identical(loaded(values), layer(*values)[0])


def test_without_numba_others_go_on(monkeypatch):
    structure = _layer().pipeline.reduction.structure
    assert choose_engine("auto", structure).engine == Compiled()
    there = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None if name == "numba" else there(name, *rest),
    )
    choice = choose_engine("auto", structure)
    assert choice.engine == InteriorPoint()
    assert "passed over compiled (needs Numba: pip install" in choice.why
    for wanted in ("compiled", Compiled()):
        with pytest.raises(ArgumentError, match=r"it needs Numba: pip install"):
            choose_engine(wanted, structure)
