"""The parts of the interior-point method: cones, scaling, steps, units, null space."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.cones import (
    CATALOGUE,
    by_cone,
    matrix_of,
    outside,
    outside_dual,
    vector_of,
)
from tf_cvxlayers.engines import InteriorPoint
from tf_cvxlayers.engines.interior_point.cones.product import EmbeddingCone
from tf_cvxlayers.engines.interior_point.cones.table import INTERIOR_CONES
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
SINGLE = [dims for kind in INTERIOR_CONES for dims in CATALOGUE[kind].dims.values()]
SEVERAL = [
    ConeDims(second_order=(3, 3)),
    ConeDims(nonnegative=2, second_order=(1, 2, 2, 4)),
    ConeDims(nonnegative=1, psd=(2, 2, 3)),
    ConeDims(second_order=(3,), exponential=2, power=(0.3, 0.3, 0.5)),
]
each_cone = pytest.mark.parametrize("dims", SINGLE + SEVERAL, ids=ConeDims.describe)
each_symmetric_cone = pytest.mark.parametrize(
    "dims",
    [dims for dims in SINGLE + SEVERAL if EmbeddingCone.of(dims).is_symmetric],
    ids=ConeDims.describe,
)
BATCH = 3


def _points(rng, dims, is_outside, how_far=0.2):
    """Points in the interior of the cone of the embedding, or of its dual, `[B, 1, 1 +
    m]`: the identity, moved at random."""
    first, identity = np.zeros((BATCH, 1, 1)), EmbeddingCone.of(dims).identity[1:]
    parts = [first + rng.uniform(0.5, 2.0, size=(BATCH, 1, 1))]
    ends = np.cumsum([cone.rows for cone in dims.blocks])
    for cone, e in zip(dims.blocks, np.split(identity, ends[:-1]), strict=True):
        part = np.zeros((BATCH, 1, cone.rows))
        # Equalities have no inside.
        for row in part[:, 0] if e.any() else ():
            row[:] = e
            while not is_outside(cone)(row) < -0.01 or (row == e).all():
                row[:] = rng.uniform(0.5, 2.0) * (e + how_far * rng.normal(size=e.size))
        parts.append(part)
    return np.concatenate(parts, axis=2)


def _inside(rng, dims):
    """A pair `(s, z)` in the interiors of the cone of the embedding and of its dual."""

    def primal(cone):
        return functools.partial(CATALOGUE[cone.kind].outside, cone.parameter)

    def dual(cone):
        return functools.partial(CATALOGUE[cone.kind].outside_dual, cone.parameter)

    return _points(rng, dims, primal), _points(rng, dims, dual)


@each_symmetric_cone
def test_points_are_inside_as_far_as_they_can_go_back_along_the_identity(dims):
    rng = np.random.default_rng(0)
    cone, v = EmbeddingCone.of(dims), _inside(rng, dims)[0]
    distance = cone.distance(tf.constant(v))
    assert distance.numpy().max() < 0
    one, rest = v[:, 0, 0], v[:, 0, 1:]
    expected = [max(-t, outside(dims, part)) for t, part in zip(one, rest, strict=True)]
    np.testing.assert_allclose(distance[:, 0, 0], expected, atol=1e-13)
    moved = cone.distance(v + distance * cone.identity)
    np.testing.assert_allclose(moved, 0.0 * moved, atol=1e-12)


@each_cone
def test_the_degree_is_the_complementarity_of_the_identity_with_itself(dims):
    cone = EmbeddingCone.of(dims)
    assert cone.identity.shape == (sum(cone.rows),) == (1 + dims.size,)
    np.testing.assert_allclose(cone.degree, cone.identity @ cone.identity)


def _scaling(rng, dims):
    return EmbeddingCone.of(dims).scaling(*map(tf.constant, _inside(rng, dims)))


def _matrix(function, size):
    """The matrices of a linear function of vectors, `[B, size, size]`."""
    each = tf.constant(np.tile(np.eye(size), (BATCH, 1, 1)))
    return function(each).numpy().swapaxes(1, 2)


@each_cone
def test_the_scaling_takes_both_points_to_one(dims):
    rng, size = np.random.default_rng(0), 1 + dims.size
    s, z = _inside(rng, dims)
    scaling = EmbeddingCone.of(dims).scaling(tf.constant(s), tf.constant(z))
    inverse = _matrix(scaling.inverse, size)
    point = scaling.point.numpy()[:, 0]
    np.testing.assert_allclose(
        np.linalg.solve(inverse, z[:, 0, :, None])[:, :, 0], point, atol=1e-11
    )
    np.testing.assert_allclose(scaling.inverse_transposed(s)[:, 0], point, atol=1e-12)
    other = _matrix(scaling.inverse_transposed, size)
    np.testing.assert_allclose(other, inverse.swapaxes(1, 2), atol=1e-12)
    W = _matrix(scaling.transposed, size).swapaxes(1, 2)
    eye = np.tile(np.eye(size), (BATCH, 1, 1))
    np.testing.assert_allclose(W @ inverse, eye, atol=1e-11)


@each_cone
def test_rows_are_scaled_without_the_first(dims):
    rng = np.random.default_rng(0)
    scaling = _scaling(rng, dims)
    rows = rng.normal(size=(BATCH, dims.size, 5))
    found = scaling.inverse_rows(DenseRows(tf.constant(rows))).dense()
    inverse = _matrix(scaling.inverse_transposed, 1 + dims.size)[:, 1:, 1:]
    np.testing.assert_allclose(found, inverse @ rows, atol=1e-12)


@each_cone
def test_steepness_tells_where_the_boundary_is(dims):
    rng = np.random.default_rng(0)
    cone = EmbeddingCone.of(dims)
    s, z = _inside(rng, dims)
    scaling = cone.scaling(tf.constant(s), tf.constant(z))
    # Long steps: none is looked at further than a few.
    ds, dz = (8.0 * rng.normal(size=s.shape) for _ in range(2))
    d = np.concatenate(
        [
            np.linalg.solve(_matrix(scaling.inverse, 1 + dims.size), dz[:, 0, :, None]),
            np.linalg.solve(
                _matrix(scaling.transposed, 1 + dims.size), ds[:, 0, :, None]
            ),
        ],
        axis=2,
    ).swapaxes(1, 2)
    t = scaling.steepness(tf.constant(d)).numpy()
    hit = t[:, 0, 0] > 0
    assert hit.any()
    t = np.where(hit[:, None, None], t, 0.5)

    def how_far_outside(share):
        step = share / t
        return np.array(
            [
                max(
                    -(s + step * ds)[k, 0, 0],
                    -(z + step * dz)[k, 0, 0],
                    outside(dims, (s + step * ds)[k, 0, 1:]),
                    outside_dual(dims, (z + step * dz)[k, 0, 1:]),
                )
                for k in range(BATCH)
            ]
        )

    assert (how_far_outside(1.0 - 1e-9) <= 0).all()
    reached = how_far_outside(1.0 if cone.is_symmetric else 1.02)
    assert (reached[hit] >= -1e-12).all()


@each_symmetric_cone
def test_no_step_inward_leads_to_the_boundary(dims):
    rng = np.random.default_rng(0)
    scaling, pair = _scaling(rng, dims), _inside(rng, dims)
    inward = scaling.steepness(tf.constant(np.concatenate(pair, axis=1)))
    assert inward.numpy().max() < 0


def _product(dims, u, v):
    """`u o v` in the algebra of the cone of the embedding, for vectors."""
    parts = [u[:1] * v[:1]]
    pairs = zip(by_cone(dims, u[1:]), by_cone(dims, v[1:]), strict=True)
    for cone, ((_, _, a), (_, _, b)) in zip(dims.blocks, pairs, strict=True):
        parts.append(PRODUCTS[cone.kind](a, b))
    return np.concatenate(parts)


def _of_matrices(a, b):
    A, B = matrix_of(a), matrix_of(b)
    return vector_of(A @ B + B @ A) / 2.0


PRODUCTS = {
    "nonnegative": lambda a, b: a * b,
    "second_order": lambda a, b: np.concatenate([[a @ b], a[0] * b[1:] + b[0] * a[1:]]),
    "psd": _of_matrices,
}


@each_symmetric_cone
def test_a_correction_is_a_quotient_in_the_algebra(dims):
    rng = np.random.default_rng(0)
    cone, scaling = EmbeddingCone.of(dims), _scaling(rng, dims)
    dz, ds = rng.normal(size=(2, BATCH, 1, 1 + dims.size))
    mu = rng.uniform(size=(BATCH, 1, 1))
    found = scaling.correction(*map(tf.constant, (dz, ds, mu))).numpy()
    for k in range(BATCH):
        there = _product(dims, scaling.point.numpy()[k, 0], found[k, 0])
        expected = _product(dims, ds[k, 0], dz[k, 0]) - mu[k, 0] * cone.identity
        np.testing.assert_allclose(there, expected, atol=1e-11)


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
    s, z = _inside(rng, dims)
    point = Iterate(*map(tf.constant, (rng.normal(size=(BATCH, 1, n)), z, s)))
    return Embedding.of(problem), cone, point


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
    assert all(outside(dims, part[0, 1:]) < 0 for part in moved.s.numpy())
    assert all(outside_dual(dims, part[0, 1:]) < 0 for part in moved.z.numpy())


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
