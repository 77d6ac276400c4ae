"""The parts of the interior-point method: cones, scaling, steps, units, null space."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.cones import ConeDims
from tf_cvxlayers.engines import InteriorPoint
from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.engines.interior_point.embedding import (
    Iterate,
    Terms,
    stepped,
)
from tf_cvxlayers.engines.interior_point.equilibration import equilibrated
from tf_cvxlayers.engines.interior_point.null_space import solve_in_null_space
from tf_cvxlayers.errors import Status
from tf_cvxlayers.matrices import Matrices
from tf_cvxlayers.rows import all_general
from tf_cvxlayers.symmetric import Symmetric

CONES = [
    SymmetricCone(4, ()),
    SymmetricCone(0, (3, 3)),
    SymmetricCone(2, (1, 2, 2, 4)),
]
BATCH = 3


def _inside(rng, cone):
    """A point in the interior, `[B, size]`."""
    parts = [rng.uniform(0.2, 2.0, size=(BATCH, cone.orthant))]
    for size in cone.second_order:
        u = rng.normal(size=(BATCH, size - 1))
        t = np.linalg.norm(u, axis=1, keepdims=True) + rng.uniform(0.1, 1.0, (BATCH, 1))
        parts.append(np.concatenate([t, u], axis=1))
    return np.concatenate(parts, axis=1)


def _matrix(function, size):
    """The matrices `[B, size, size]` of a linear function of vectors."""
    columns = [function(tf.constant(np.tile(e, (BATCH, 1)))) for e in np.eye(size)]
    return np.stack([np.broadcast_to(c, (BATCH, size)) for c in columns], axis=2)


@pytest.mark.parametrize("cone", CONES, ids=str)
def test_the_scaling_takes_both_points_to_one(cone):
    rng = np.random.default_rng(0)
    s, z = _inside(rng, cone), _inside(rng, cone)
    scaling = cone.scaling(tf.constant(s), tf.constant(z))
    np.testing.assert_allclose(scaling.times(z), scaling.point, atol=1e-12)
    np.testing.assert_allclose(scaling.inverse(s), scaling.point, atol=1e-12)
    W, inverse = (_matrix(f, cone.size) for f in (scaling.times, scaling.inverse))
    np.testing.assert_allclose(W, W.swapaxes(1, 2), atol=1e-12)
    unit = np.broadcast_to(np.eye(cone.size), W.shape)
    np.testing.assert_allclose(W @ inverse, unit, atol=1e-12)
    rows = rng.normal(size=(BATCH, cone.size, 5))
    found = scaling.inverse_rows(all_general(tf.constant(rows))).general
    np.testing.assert_allclose(found, inverse @ rows, atol=1e-12)


@pytest.mark.parametrize("cone", CONES, ids=str)
def test_division_undoes_the_product_with_the_scaled_point(cone):
    rng = np.random.default_rng(0)
    scaling = cone.scaling(*(tf.constant(_inside(rng, cone)) for _ in range(2)))
    v = tf.constant(rng.normal(size=(BATCH, cone.size)))
    there = scaling.product(scaling.point, v)
    np.testing.assert_allclose(scaling.divide(there), v, atol=1e-11)
    e = tf.constant(np.tile(cone.identity, (BATCH, 1)))
    np.testing.assert_allclose(scaling.product(e, v), v, atol=1e-14)


@pytest.mark.parametrize("cone", CONES, ids=str)
def test_steepness_tells_where_the_boundary_is(cone):
    rng = np.random.default_rng(0)
    scaling = cone.scaling(*(tf.constant(_inside(rng, cone)) for _ in range(2)))
    d = tf.constant(rng.normal(size=(BATCH, cone.size)))
    t = scaling.steepness(d)
    assert t.numpy().min() > 0
    on_the_boundary = cone.distance(scaling.point + d / t)
    np.testing.assert_allclose(on_the_boundary, 0.0, atol=1e-12)
    inward = scaling.steepness(tf.constant(_inside(rng, cone)))
    assert inward.numpy().max() < 0


def _program(rng, cone, n):
    """A strictly feasible program, and an iterate of the embedding."""
    root = rng.normal(size=(BATCH, n, n))
    A = rng.normal(size=(BATCH, cone.size, n))
    problem = Matrices(
        Symmetric(None, tf.constant(root.swapaxes(1, 2) @ root)),
        tf.constant(rng.normal(size=(BATCH, n))),
        all_general(tf.constant(A)),
        tf.constant(rng.normal(size=(BATCH, cone.size))),
    )
    one = rng.uniform(0.5, 1.5, size=(2, BATCH, 1))
    x = rng.normal(size=(BATCH, n))
    parts = (x, _inside(rng, cone), _inside(rng, cone), *one)
    return problem, Iterate(*map(tf.constant, parts))


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("cone", CONES, ids=str)
def test_a_step_makes_all_linear_residuals_smaller_by_one_factor(cone, refine):
    rng = np.random.default_rng(0)
    problem, point = _program(rng, cone, 3)
    before = Terms.at(problem, point).residual(problem, point)
    direction, length = stepped(problem, cone, point, before, tf.constant(refine))
    moved = Iterate(*(p + length * d for p, d in zip(point, direction, strict=True)))
    after = Terms.at(problem, moved).residual(problem, moved)
    factor = after.dual / before.dual
    np.testing.assert_allclose(factor, np.tile(factor[:, :1], (1, 3)), rtol=1e-7)
    np.testing.assert_allclose(
        after.primal, before.primal * factor[:, :1], rtol=1e-7, atol=1e-9
    )
    for part in (moved.s, moved.z):
        assert cone.distance(part).numpy().max() < 0
    assert min(part.numpy().min() for part in (moved.tau, moved.kappa)) > 0


def test_equilibration_is_exact_and_brings_entries_near_one():
    rng = np.random.default_rng(0)
    dims = ConeDims(nonnegative=4, second_order=(3,))
    units = 10.0 ** rng.uniform(-4, 4, size=(2, 7))
    A = rng.normal(size=(BATCH, 7, 5)) * units[0][:, None] * units[1][:5]
    root = rng.normal(size=(BATCH, 5, 5)) * units[1][:5]
    problem = Matrices(
        Symmetric(None, tf.constant(root.swapaxes(1, 2) @ root)),
        tf.constant(rng.normal(size=(BATCH, 5))),
        all_general(tf.constant(A)),
        tf.constant(rng.normal(size=(BATCH, 7))),
    )
    new, (d, e) = equilibrated(dims, problem)
    for unit in (d, e):
        exponents = np.log2(unit.numpy())
        np.testing.assert_array_equal(exponents, np.round(exponents))
    np.testing.assert_array_equal(e[:, 4:], np.tile(e[:, 4:5], (1, 3)))
    expected = e.numpy()[:, :, None] * A * d.numpy()[:, None, :]
    np.testing.assert_array_equal(new.A.general, expected)

    def spread(matrices):
        largest = np.abs(matrices).max(axis=2)
        return largest.max() / largest.min()

    assert spread(new.A.general.numpy()[:, :4]) < 1e-2 * spread(A[:, :4])


def _solved_by_least_norm(problem):
    """The unconstrained minimum, as a solver of programs without equalities."""
    w = -tf.linalg.solve(problem.P.dense, problem.q[:, :, None])[:, :, 0]
    z = tf.zeros_like(problem.b)
    batch = tf.shape(w)[0]
    return w, z, problem.b - problem.A.times(w), tf.zeros([batch], tf.int32), 0


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("equalities", [1, 3, 5])
def test_equalities_hold_though_some_depend_on_others(equalities, dependent):
    rng = np.random.default_rng(0)
    n, p = 5, equalities
    root, E = rng.normal(size=(BATCH, n, n)), rng.normal(size=(BATCH, p, n))
    if dependent:
        E[1] = E[1, :1] * np.arange(p)[:, None]
    x, q = rng.normal(size=(BATCH, n)), rng.normal(size=(BATCH, n))
    b, G = (E @ x[:, :, None])[:, :, 0], rng.normal(size=(BATCH, 2, n))
    P = root.swapaxes(1, 2) @ root
    problem = Matrices(
        Symmetric(None, tf.constant(P)),
        tf.constant(q),
        all_general(tf.constant(np.concatenate([E, G], axis=1))),
        tf.constant(np.concatenate([b, np.zeros((BATCH, 2))], axis=1)),
    )

    def solver(problem):
        *found, iterations = _solved_by_least_norm(problem)
        return (*found, found[3] + iterations)

    x, y, _, status, _ = solve_in_null_space(problem, p, solver)
    np.testing.assert_array_equal(status, Status.SOLVED)
    np.testing.assert_allclose((E @ x.numpy()[:, :, None])[:, :, 0], b, atol=1e-11)
    gradient = (P @ x.numpy()[:, :, None])[:, :, 0] + q
    gradient += (E.swapaxes(1, 2) @ y.numpy()[:, :p, None])[:, :, 0]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)


@pytest.mark.parametrize(
    "settings", [{"tolerance": 0.0}, {"tolerance": "x"}, {"max_iterations": 0}]
)
def test_settings_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="Received: "):
        InteriorPoint(**settings)
