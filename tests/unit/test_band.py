"""Matrices with a band, of many blocks, against dense ones."""

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf

from tf_cvxlayers.linalg.band import Band
from tf_cvxlayers.linalg.banded_symmetric import BandedSymmetric
from tf_cvxlayers.linalg.cyclic_reduction import ReducedBlocks
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.rows_in_band import RowsInBand

B = 3


def _pattern(matrix):
    matrix = sp.csc_array(matrix)
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    return Pattern(matrix.indices.astype(np.int64), columns, matrix.shape)


def _band(rng, n, width):
    """The band of rows that each hold a few variables near each other, in disorder."""
    rows = np.zeros((2 * n, n))
    for row in rows:
        first = rng.integers(0, n - width)
        row[first + rng.choice(width + 1, size=min(3, width), replace=False)] = 1.0
    order = rng.permutation(n)
    P = sp.diags_array(np.ones(n)) if width % 2 else sp.eye_array(n, k=1)
    P = sp.csc_array(P)[order][:, order]
    return Band.of(_pattern(P), _pattern(rows[:, order]))


@pytest.mark.parametrize("seed", range(12))
def test_factors_of_random_bands(seed):
    print(f"{seed=}")
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(41, 300)), int(rng.integers(1, 15))
    band = _band(rng, n, width)
    A = RowsInBand(band, tf.constant(rng.normal(size=(band.A.size, B))))
    w = 10.0 ** rng.uniform(-3, 3, size=(B, 2 * n))
    H = A.gram(A.scaled(tf.constant(w))).plus(Diagonal(tf.ones([1, n], tf.float64)))
    dense = A.dense().numpy()
    expected = dense.swapaxes(1, 2) @ (w[:, :, None] * dense) + np.eye(n)
    size = np.abs(expected).max()
    np.testing.assert_allclose(H.dense(), expected, atol=1e-14 * size)
    right = rng.normal(size=(B, 2, n))
    x = H.factored().solve(tf.constant(right))
    missing = np.einsum("bij,bkj->bki", expected, x) - right
    np.testing.assert_allclose(missing, 0.0, atol=1e-12 * size * np.abs(x).max())
    np.testing.assert_allclose(H.times(x) - right, missing, atol=1e-12 * size)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 7, 8, 13, 16])
def test_every_number_of_blocks(blocks):
    rng, size = np.random.default_rng(blocks), 3
    below = rng.normal(size=(B, blocks - 1, size, size))
    root = rng.normal(size=(B, blocks, size, size))
    diagonal = root @ root.swapaxes(2, 3) + 10.0 * np.eye(size)
    dense = np.zeros((B, blocks * size, blocks * size))
    for k in range(blocks):
        own = slice(k * size, (k + 1) * size)
        dense[:, own, own] = diagonal[:, k]
        if k:
            before = slice((k - 1) * size, k * size)
            dense[:, own, before] = below[:, k - 1]
            dense[:, before, own] = below[:, k - 1].swapaxes(1, 2)
    right = rng.normal(size=(B, blocks, size, 2))
    factor = ReducedBlocks.of(tf.constant(diagonal), tf.constant(below))
    x = np.reshape(factor.solve(tf.constant(right)), (B, -1, 2))
    np.testing.assert_allclose(dense @ x, right.reshape(B, -1, 2), atol=1e-12)


def test_an_element_without_a_factor_leaves_the_others_alone():
    rng = np.random.default_rng(0)
    band = _band(rng, 100, 5)
    values = rng.uniform(-0.1, 0.1, size=(band.lower.size, B))
    values[band.diagonal] += 3.0
    right = tf.constant(rng.normal(size=(B, 100)))

    def solved(values, right):
        return BandedSymmetric(band, tf.constant(values)).factored().solve(right)

    expected = solved(values, right).numpy()
    for bad in (np.nan, -1.0):
        spoiled = values.copy()
        spoiled[:, 1] = bad
        found = solved(spoiled, right).numpy()
        np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])
        assert np.isnan(found[1]).all()
    alone = solved(values[:, 2:], right[2:]).numpy()
    np.testing.assert_array_equal(alone[0], expected[2])


def test_in_a_graph_the_factor_is_one_node_and_its_solutions_another():
    rng = np.random.default_rng(0)
    band = _band(rng, 200, 5)
    values = rng.uniform(-0.1, 0.1, size=(band.lower.size, B))
    values[band.diagonal] += 3.0

    def solved(values, right):
        factor = BandedSymmetric(band, values).factored()
        return factor.solve(right), factor.solve(2.0 * right)

    given = tf.constant(values), tf.constant(rng.normal(size=(B, 1, 200)))
    traced = tf.function(solved).get_concrete_function(*given)
    nodes = traced.graph.as_graph_def().node
    assert sum("PartitionedCall" in node.op for node in nodes) == 3
    assert len(traced.graph.as_graph_def().library.function) == 2
    for found, expected in zip(traced(*given), solved(*given), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rows_that_fill_too_much_have_no_band():
    n = 50
    rows = np.zeros((2, n))
    rows[0, :26] = rows[1, :2] = 1.0
    one = _pattern(sp.eye_array(n))
    assert Band.of(one, _pattern(rows)) is None
    assert Band.of(_pattern(np.ones((n, n))), _pattern(rows[1:])) is None
    assert Band.of(one, _pattern(rows[1:])) is not None
