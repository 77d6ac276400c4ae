"""Eliminations in turn, and the same as one: the same program, and solution."""

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import outputs_and_gradients
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.linalg.sparse import symmetric_to_dense, to_dense
from tf_cvxlayers.pipeline.problem_data import computed, problem_data
from tf_cvxlayers.pipeline.reduction import plan
from tf_cvxlayers.pipeline.reduction.chain import Chain


def control(horizon, seed=0, returned="inputs"):
    """The states of a system, fed its start and one of its matrices' rows."""
    rng = np.random.default_rng(seed)
    start, drift = cp.Parameter(3, name="start"), cp.Parameter(3, name="drift")
    X, U = cp.Variable((3, horizon + 1)), cp.Variable((1, horizon))
    A, B = np.eye(3) + 0.1 * rng.normal(size=(3, 3)), rng.normal(size=(3, 1))
    moves = [X[:, t + 1] == A @ X[:, t] + B @ U[:, t] + drift for t in range(horizon)]
    rows = [X[:, 0] == start, *moves, cp.abs(U) <= 0.5]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X) + cp.sum_squares(U)), rows)
    wanted = {"inputs": [U], "states": [X], "duals": [U, moves[2].dual_variables[0]]}
    layer = CvxpyLayer(problem, [start, drift], wanted[returned], dtype="float64")
    return layer, rng.normal(size=(2, 4, 3))


def _in_turn(monkeypatch):
    monkeypatch.setattr(plan, "_LONG", 10**9)


@pytest.mark.parametrize("horizon", [4, 9])
def test_the_program_that_is_left_is_the_same(horizon, monkeypatch):
    programs = []
    for _ in range(2):
        layer, values = control(horizon)
        pipeline = layer.pipeline
        parameters, *_ = pipeline._flat([tf.constant(value) for value in values])
        stages = pipeline.reduction.apply(problem_data(pipeline.program, parameters))
        data, structure = computed(stages[-1]), pipeline.reduction.structure
        P = symmetric_to_dense(structure.P, data.P)
        programs.append((P, data.q, to_dense(structure.A, data.A), data.b))
        kinds = {type(step) for step in pipeline.reduction.eliminations}
        assert (Chain in kinds) == (len(programs) == 1)
        _in_turn(monkeypatch)
    for one, other in zip(*programs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("returned", ["inputs", "states", "duals"])
def test_the_solution_and_its_gradient_are_the_same(returned, monkeypatch):
    results = []
    for _ in range(2):
        layer, values = control(7, returned=returned)
        kinds = [type(step) for step in layer.pipeline.reduction.eliminations]
        results.append(tf.nest.flatten(outputs_and_gradients(layer, values)))
        # Duals of what is eliminated are given back step by step.
        assert (Chain in kinds) == (not len(results) > 1 and returned != "duals")
        _in_turn(monkeypatch)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_random_definitions_of_one_by_another(seed):
    """Variables that later ones define, and earlier ones, in any order."""
    print(f"{seed=}")
    rng = np.random.default_rng(seed)
    n = 12
    p, x = cp.Parameter(n, name="p"), cp.Variable(n)
    order, rows = rng.permutation(n), []
    for k in range(3, n):
        others = rng.choice(order[:k], size=int(rng.integers(1, 3)), replace=False)
        weights = rng.normal(size=others.size)
        rows.append(x[order[k]] == weights @ x[others] + p[k])
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [*rows, cp.sum(x) <= 1])
    layer = CvxpyLayer(problem, p, x, dtype="float64")
    values = rng.normal(size=(3, n))
    # All variables by the first three, as a least-squares problem in these.
    T, c = np.zeros((n, 3)), np.zeros((3, n))
    T[order[:3]] = np.eye(3)
    for row, k in zip(rows, range(3, n), strict=True):
        of_x = np.zeros(n)
        x.value = np.zeros(n)
        p.value = np.zeros(n)
        for j in range(n):
            x.value = np.eye(n)[j]
            of_x[j] = row.expr.value
        of_x /= of_x[order[k]]
        of_x[order[k]] = 0.0
        T[order[k]] = -of_x @ T
        c[:, order[k]] = values[:, k] - c @ of_x
    found = layer(values).numpy()
    for k in range(3):
        target = values[k] - c[k]
        least, *_ = np.linalg.lstsq(T, target, rcond=None)
        if T.sum(axis=0) @ least + c[k].sum() > 1:
            normal = T.sum(axis=0)
            inverse = np.linalg.inv(T.T @ T)
            excess = normal @ least + c[k].sum() - 1
            least = least - inverse @ normal * excess / (normal @ inverse @ normal)
        np.testing.assert_allclose(found[k], T @ least + c[k], atol=1e-9)
