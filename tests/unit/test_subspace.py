"""Linear systems within a subspace."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.linalg.rows_and_bounds import Rows, Split
from tf_cvxlayers.linalg.subspace import DiagonalFactor, Subspace
from tf_cvxlayers.linalg.symmetric import Symmetric

BATCH, N, P = 3, 6, 2


def _subspace(rng):
    Q, _ = np.linalg.qr(rng.normal(size=(BATCH, N, P)))
    return Subspace(tf.constant(Q.swapaxes(1, 2)))


@pytest.mark.parametrize("spread", [0.0, 5.0])
def test_the_solution_lies_in_it_and_the_residual_is_orthogonal(spread):
    rng = np.random.default_rng(0)
    subspace = _subspace(rng)
    d = 10.0 ** rng.uniform(-spread, spread, size=(BATCH, N))
    right = rng.normal(size=(BATCH, 2, N))
    factor = DiagonalFactor.of(tf.constant(d), subspace)
    x = factor.solve(tf.constant(right)).numpy()
    np.testing.assert_allclose(subspace.project(x), x, atol=1e-14 * np.abs(x).max())
    miss = subspace.project(tf.constant(d[:, None] * x - right))
    scale = np.abs(right).max() * 10.0**spread
    np.testing.assert_allclose(miss, 0.0, atol=1e-13 * scale)


def test_maps_are_seen_from_within():
    rng = np.random.default_rng(0)
    subspace = _subspace(rng)
    E = subspace.E.numpy()
    projector = np.eye(N) - E.swapaxes(1, 2) @ E
    d, bounds = rng.uniform(1.0, 2.0, (BATCH, N)), rng.normal(size=(BATCH, N))
    P = Symmetric(tf.constant(d), None, subspace)
    none, each = np.zeros(0, np.int64), np.arange(N)
    rows = Rows(None, tf.constant(bounds), Split(each, each, none, N), subspace)
    for shape in [(BATCH, N), (BATCH, 2, N)]:
        v = rng.normal(size=shape)
        each_row = v.reshape(BATCH, -1, N)
        for found, diagonal in [(P.times(v), d), (rows.transposed(v), bounds)]:
            expected = (each_row * diagonal[:, None]) @ projector
            np.testing.assert_allclose(found, expected.reshape(shape), atol=1e-13)
    total = P.plus(rows.gram(rows))
    assert total.within is subspace
    np.testing.assert_allclose(total.diagonal, d + bounds**2)
