"""Hyperbolic rotations keep cones and solutions, and bring `u^2 <= t` to one size."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.pipeline.hyperbolic import rotation
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.cones import ConeDims

BATCH = 3


def pattern_of(matrix):
    columns, rows = np.nonzero(matrix.T)
    return Pattern(rows, columns, matrix.shape)


def squares(count):
    """Rows of `(2 u)^2 <= (1 + t)^2 - (1 - t)^2` for each of `count` pairs `(t, u)`,
    behind an inequality."""
    A = np.zeros((1 + 3 * count, 2 * count))
    A[0] = 1.0
    for k in range(count):
        A[1 + 3 * k : 4 + 3 * k, 2 * k : 2 * k + 2] = [[-1, 0], [1, 0], [0, -2]]
    return A


@pytest.fixture(name="case")
def fixture_case():
    rng = np.random.default_rng(0)
    A = squares(4)
    none = Pattern(np.zeros(0, np.int64), np.zeros(0, np.int64), (8, 8))
    dims = ConeDims(nonnegative=1, second_order=(3,) * 4)
    structure = ConeStructure(none, pattern_of(A), dims)
    b = np.r_[1.0, np.tile([1.0, 1.0, 0.0], 4)]
    u = 1e-2 * rng.uniform(0.5, 2.0, size=(BATCH, 4))
    x = np.stack([u**2, u], axis=2).reshape(BATCH, 8)
    s = b - x @ A.T
    y = rng.normal(size=s.shape)
    values = A.T[A.T != 0]
    data = ConeData(
        *map(tf.constant, (np.zeros((1, 0)), np.ones((1, 8)), values[None], b[None]))
    )
    status = tf.zeros([BATCH], tf.int32)
    solution = ConeSolution(*map(tf.constant, (x, y, s)), status, status)
    return structure, data, solution, A


def dense(structure, data):
    values = data.A.numpy()
    matrix = np.zeros((len(values), *structure.A.shape))
    matrix[:, structure.A.rows, structure.A.columns] = values
    return matrix


def test_the_rows_of_squares_come_to_one_size(case):
    structure, data, solution, _ = case
    turned = rotation(structure, solution.s, tf.ones([BATCH], tf.bool))
    new, x = turned.data(data), solution.x.numpy()
    s = new.b.numpy() - np.einsum("kij,kj->ki", dense(structure, new), x)
    cones = s[:, 1:].reshape(BATCH, 4, 3)
    sizes = np.abs(cones[:, :, 0]) / np.abs(cones[:, :, 2])
    assert np.all((sizes > 0.2) & (sizes < 5.0))
    # On the boundary they were, and on the boundary they are.
    length = np.linalg.norm(cones[:, :, 1:], axis=2)
    np.testing.assert_allclose(cones[:, :, 0], length, rtol=1e-10)


def test_a_solution_comes_back(case):
    structure, data, solution, A = case
    turned = rotation(structure, solution.s, tf.ones([BATCH], tf.bool))
    new = turned.data(data)
    matrices, x = dense(structure, new), solution.x.numpy()
    s = new.b.numpy() - np.einsum("kij,kj->ki", matrices, x)
    y = np.random.default_rng(1).normal(size=s.shape)
    back = turned.original(solution.at(solution.x, tf.constant(y), tf.constant(s)))
    np.testing.assert_allclose(back.s, solution.s, rtol=1e-13, atol=1e-15)
    # `A'y` and `b'y` are the same, and so is `y's`.
    forces = np.einsum("kij,ki->kj", matrices, y)
    np.testing.assert_allclose(forces, back.y.numpy() @ A, rtol=1e-9, atol=1e-12)
    work = np.sum(y * s, axis=1)
    np.testing.assert_allclose(np.sum(back.y * back.s, axis=1), work, atol=1e-12)


def test_what_is_not_known_is_not_turned(case):
    structure, data, solution, _ = case
    known = tf.constant([True, False, True])
    turned = rotation(structure, solution.s, known)
    np.testing.assert_array_equal(turned.a[1], 1.0)
    assert np.all(turned.a.numpy()[[0, 2]] < 0.1)
    nothing = rotation(structure, tf.zeros_like(solution.s), known)
    np.testing.assert_array_equal(nothing.a, 1.0)
    np.testing.assert_array_equal(nothing.data(data).b[1], data.b[0])


def test_a_bound_holds_for_all_signs(case):
    structure, data, solution, _ = case
    turned = rotation(structure, solution.s, tf.ones([BATCH], tf.bool))
    rng = np.random.default_rng(2)
    size = np.abs(rng.normal(size=solution.s.shape))
    bound = turned.bound(tf.constant(size)).numpy()
    for _ in range(20):
        b = tf.constant(size * rng.choice([-1.0, 1.0], size=size.shape))
        assert np.all(np.abs(turned.data(data._replace(b=b)).b) <= bound * (1 + 1e-12))


def test_a_cone_at_its_tip_is_turned_like_the_others(case):
    structure, _, solution, _ = case
    s = solution.s.numpy()
    s[:, 2], s[:, 1], s[:, 3] = 1.0, 1.0, 0.0
    turned = rotation(structure, tf.constant(s), tf.ones([BATCH], tf.bool))
    ratio = turned.a.numpy()[:, 0] / np.median(turned.a, axis=1)
    assert np.all(ratio >= 2.0**-9)


def test_cones_with_rows_of_their_own_are_left():
    A = np.eye(3)
    none = Pattern(np.zeros(0, np.int64), np.zeros(0, np.int64), (3, 3))
    for dims in (ConeDims(second_order=(3,)), ConeDims(exponential=1), ConeDims(3)):
        structure = ConeStructure(none, pattern_of(A), dims)
        known = tf.ones([1], tf.bool)
        assert rotation(structure, tf.ones([1, 3], tf.float64), known) is None
