"""The parts of the interior-point method: cones, scaling, steps, units, null space."""

import numpy as np
import pytest
import tensorflow as tf

from tests.cones import CATALOGUE, outside
from tf_cvxlayers.engines import InteriorPoint
from tf_cvxlayers.engines.interior_point.cones.product import EmbeddingCone
from tf_cvxlayers.engines.interior_point.cones.table import SYMMETRIC_CONES
from tf_cvxlayers.engines.interior_point.embedding import Embedding, Iterate, Terms
from tf_cvxlayers.engines.interior_point.newton_system import Refinement
from tf_cvxlayers.engines.interior_point.null_space import solve_in_null_space
from tf_cvxlayers.engines.interior_point.step import step
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.program.cones import ConeDims

# Of every kind in the table the single cones of the catalogue, and several together.
each_cone = pytest.mark.parametrize(
    "dims",
    [dims for kind in SYMMETRIC_CONES for dims in CATALOGUE[kind].dims.values()]
    + [
        ConeDims(second_order=(3, 3)),
        ConeDims(nonnegative=2, second_order=(1, 2, 2, 4)),
    ],
    ids=ConeDims.describe,
)
BATCH = 3


def _inside(rng, dims):
    """A point in the interior of the cone of the embedding, `[B, 1, 1 + m]`."""
    embedding = EmbeddingCone.of(dims)
    v = rng.normal(size=(BATCH, 1, 1 + dims.size))
    for cone, part in zip(
        embedding.cones,
        np.split(v, np.cumsum(embedding.rows)[:-1], axis=2),
        strict=True,
    ):
        distance = np.max(cone.outside(tf.constant(part)), axis=2, keepdims=True)
        away = np.maximum(distance, 0.0) + rng.uniform(0.1, 1.0, (BATCH, 1, 1))
        part += away * cone.identity
    return v


@each_cone
def test_points_are_inside_as_far_as_they_can_go_back_along_the_identity(dims):
    rng = np.random.default_rng(0)
    cone, v = EmbeddingCone.of(dims), tf.constant(_inside(rng, dims))
    distance = cone.distance(v)
    assert distance.numpy().max() < 0
    one, rest = v[:, 0, 0].numpy(), v[:, 0, 1:].numpy()
    expected = [max(-t, outside(dims, part)) for t, part in zip(one, rest, strict=True)]
    np.testing.assert_allclose(distance[:, 0, 0], expected, atol=1e-14)
    moved = cone.distance(v + distance * cone.identity)
    np.testing.assert_allclose(moved, 0.0 * moved, atol=1e-12)


@each_cone
def test_the_degree_is_the_complementarity_of_the_identity_with_itself(dims):
    cone = EmbeddingCone.of(dims)
    assert cone.identity.shape == (sum(cone.rows),) == (1 + dims.size,)
    assert cone.degree == cone.identity @ cone.identity


def _scaling(rng, dims):
    s, z = (tf.constant(_inside(rng, dims)) for _ in range(2))
    return EmbeddingCone.of(dims).scaling(s, z)


@each_cone
def test_the_scaling_takes_both_points_to_one(dims):
    rng = np.random.default_rng(0)
    s, z = _inside(rng, dims), _inside(rng, dims)
    scaling = EmbeddingCone.of(dims).scaling(tf.constant(s), tf.constant(z))
    np.testing.assert_allclose(scaling.times(z), scaling.point, atol=1e-12)
    np.testing.assert_allclose(scaling.inverse(s), scaling.point, atol=1e-12)
    each = tf.constant(np.tile(np.eye(1 + dims.size), (BATCH, 1, 1)))
    W, inverse = scaling.times(each).numpy(), scaling.inverse(each).numpy()
    np.testing.assert_allclose(W, W.swapaxes(1, 2), atol=1e-12)
    np.testing.assert_allclose(W @ inverse, each, atol=1e-12)


@each_cone
def test_rows_are_scaled_without_the_first(dims):
    rng = np.random.default_rng(0)
    scaling = _scaling(rng, dims)
    each = tf.constant(np.tile(np.eye(1 + dims.size), (BATCH, 1, 1)))
    rows = rng.normal(size=(BATCH, dims.size, 5))
    found = scaling.inverse_rows(DenseRows(tf.constant(rows))).dense()
    inverse = scaling.inverse(each).numpy()[:, 1:, 1:]
    np.testing.assert_allclose(found, inverse @ rows, atol=1e-12)


@each_cone
def test_division_undoes_the_product_with_the_scaled_point(dims):
    rng = np.random.default_rng(0)
    cone, scaling = EmbeddingCone.of(dims), _scaling(rng, dims)
    v = tf.constant(rng.normal(size=(BATCH, 2, 1 + dims.size)))
    there = scaling.product(scaling.point, v)
    np.testing.assert_allclose(scaling.divide(there), v, atol=1e-11)
    e = tf.constant(np.tile(cone.identity, (BATCH, 2, 1)))
    np.testing.assert_allclose(scaling.product(e, v), v, atol=1e-14)


@each_cone
def test_steepness_tells_where_the_boundary_is(dims):
    rng = np.random.default_rng(0)
    cone, scaling = EmbeddingCone.of(dims), _scaling(rng, dims)
    d = tf.constant(rng.normal(size=(BATCH, 2, 1 + dims.size)))
    t = scaling.steepness(d)
    assert t.numpy().min() > 0
    both = [cone.distance(scaling.point + d[:, k : k + 1] / t) for k in range(2)]
    np.testing.assert_allclose(np.maximum(*both), 0.0, atol=1e-12)
    inward = scaling.steepness(tf.constant(_inside(rng, dims)))
    assert inward.numpy().max() < 0


def _embedding(rng, dims, n):
    """The embedding of a strictly feasible program, its cone, and an iterate."""
    cone = EmbeddingCone.of(dims)
    root = rng.normal(size=(BATCH, n, n))
    A = rng.normal(size=(BATCH, dims.size, n))
    problem = Matrices(
        DenseSymmetric(tf.constant(root.swapaxes(1, 2) @ root)),
        tf.constant(rng.normal(size=(BATCH, n))),
        DenseRows(tf.constant(A)),
        tf.constant(rng.normal(size=(BATCH, dims.size))),
    )
    parts = rng.normal(size=(BATCH, 1, n)), _inside(rng, dims), _inside(rng, dims)
    return Embedding.of(problem), cone, Iterate(*map(tf.constant, parts))


@each_cone
@pytest.mark.parametrize("refine", [False, True])
def test_a_step_makes_all_linear_residuals_smaller_by_one_factor(dims, refine):
    rng = np.random.default_rng(0)
    embedding, cone, point = _embedding(rng, dims, 3)
    before = Terms.at(embedding, point).residual(embedding, point)
    refinement = Refinement.of(tf.constant(refine))
    direction, length = step(embedding, cone, point, before, refinement)
    moved = Iterate(*(p + length * d for p, d in zip(point, direction, strict=True)))
    after = Terms.at(embedding, moved).residual(embedding, moved)
    # A whole step leaves nothing but rounding.
    factor = (after.dual / before.dual)[:, :, :1]
    expected = before.dual * factor
    np.testing.assert_allclose(after.dual, expected, rtol=1e-7, atol=1e-9)
    expected = before.rows[:, :, 1:] * factor
    np.testing.assert_allclose(after.rows[:, :, 1:], expected, rtol=1e-7, atol=1e-9)
    for part in (moved.s, moved.z):
        assert cone.distance(part).numpy().max() < 0


@pytest.mark.parametrize("refine", [False, True])
def test_equalities_have_no_slack_in_a_step_nor_a_boundary(refine):
    rng, n = np.random.default_rng(0), 6
    dims = ConeDims(zero=3, nonnegative=5)
    embedding, cone, point = _embedding(rng, dims, n)
    s = point.s * np.concatenate([[1.0], 1.0 - cone.exact])
    z = point.z.numpy()
    z[:, :, 1:4] = rng.normal(size=(BATCH, 1, 3))
    point = point._replace(s=s, z=tf.constant(z))
    np.testing.assert_array_equal(cone.exact, [1, 1, 1, 0, 0, 0, 0, 0])
    before = Terms.at(embedding, point).residual(embedding, point)
    refinement = Refinement.of(tf.constant(refine))
    direction, length = step(embedding, cone, point, before, refinement)
    assert not direction.s[:, :, 1:4].numpy().any()
    moved = Iterate(*(p + length * d for p, d in zip(point, direction, strict=True)))
    after = Terms.at(embedding, moved).residual(embedding, moved)
    factor = (after.dual / before.dual)[:, :, :1]
    np.testing.assert_allclose(after.dual, before.dual * factor, rtol=1e-6, atol=1e-7)
    expected = before.primal * factor
    np.testing.assert_allclose(after.primal, expected, rtol=1e-6, atol=1e-7)


def _solved_by_least_norm(problem):
    """The unconstrained minimum, as a solver of programs without equalities."""
    w = -tf.linalg.solve(problem.P.dense(), problem.q[:, :, None])[:, :, 0]
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
        DenseSymmetric(tf.constant(P)),
        tf.constant(q),
        DenseRows(tf.constant(np.concatenate([E, G], axis=1))),
        tf.constant(np.concatenate([b, np.zeros((BATCH, 2))], axis=1)),
    )

    def solver(problem):
        *found, iterations = _solved_by_least_norm(problem)
        return (*found, found[3] + iterations)

    x, y, _, status, _ = solve_in_null_space(
        problem, ConeDims(zero=p, nonnegative=2), solver
    )
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
