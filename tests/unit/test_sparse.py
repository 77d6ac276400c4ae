"""Sparse operations on fixed patterns are those of dense NumPy, at any batch size."""

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf

from tf_cvxlayers.linalg import sparse
from tf_cvxlayers.linalg.patterns import LinearMap, Pattern

BATCHES = pytest.mark.parametrize("batch", [0, 1, 3])
DENSITIES = pytest.mark.parametrize("density", [0.0, 0.4, 1.0])


def _pattern(rng, shape, density):
    rows, columns = np.nonzero(rng.random(shape[::-1]) < density)[::-1]
    return Pattern(rows.astype(np.int64), columns.astype(np.int64), shape)


def _matrices(pattern, values):
    dense = np.zeros((len(values), *pattern.shape))
    dense[:, pattern.rows, pattern.columns] = values
    return dense


def _random(rng, pattern, batch):
    values = rng.normal(size=(batch, pattern.size))
    return values, _matrices(pattern, values)


@BATCHES
@DENSITIES
def test_products_with_vectors(batch, density):
    rng = np.random.default_rng(0)
    pattern = _pattern(rng, (4, 3), density)
    values, dense = _random(rng, pattern, batch)
    x, y = rng.normal(size=(batch, 3)), rng.normal(size=(batch, 4))
    np.testing.assert_allclose(
        sparse.matvec(pattern, values, x), np.einsum("kij,kj->ki", dense, x), atol=1e-14
    )
    np.testing.assert_allclose(
        sparse.transposed_matvec(pattern, values, y),
        np.einsum("kij,ki->kj", dense, y),
        atol=1e-14,
    )
    np.testing.assert_allclose(sparse.to_dense(pattern, values), dense)


@BATCHES
@DENSITIES
def test_products_with_symmetric_matrices(batch, density):
    rng = np.random.default_rng(0)
    pattern = _pattern(rng, (4, 4), density)
    values, matrices = _random(rng, pattern, batch)
    full = 0.5 * (matrices + matrices.swapaxes(1, 2))
    x = rng.normal(size=(batch, 4))
    np.testing.assert_allclose(sparse.symmetric_to_dense(pattern, values), full)
    np.testing.assert_allclose(
        sparse.symmetric_matvec(pattern, values, x),
        np.einsum("kij,kj->ki", full, x),
        atol=1e-14,
    )


@BATCHES
@DENSITIES
def test_maps_and_shared_values(batch, density):
    rng = np.random.default_rng(0)
    matrix = sp.random_array((5, 4), density=density, rng=rng, format="coo").tocsr()
    coo = matrix.tocoo()
    linear = LinearMap(
        coo.row.astype(np.int64), coo.col.astype(np.int64), coo.data, (5, 4)
    )
    v = rng.normal(size=(batch, 4))
    np.testing.assert_allclose(
        sparse.apply_map(linear, v), v @ matrix.toarray().T, atol=1e-14
    )


def test_a_matrix_shared_by_the_batch_broadcasts():
    rng = np.random.default_rng(0)
    pattern = _pattern(rng, (4, 3), 0.5)
    values, dense = _random(rng, pattern, 1)
    x = rng.normal(size=(5, 3))
    np.testing.assert_allclose(sparse.matvec(pattern, values, x), x @ dense[0].T)


@BATCHES
@pytest.mark.parametrize("left_density", [0.0, 0.5, 1.0])
def test_products_of_matrices(batch, left_density):
    rng = np.random.default_rng(0)
    left, right = _pattern(rng, (4, 3), left_density), _pattern(rng, (3, 5), 0.5)
    product = sparse.Product(left, right)
    a, A = _random(rng, left, batch)
    b, B = _random(rng, right, batch)
    found = _matrices(product.pattern, product(tf.constant(a), tf.constant(b)))
    np.testing.assert_allclose(found, A @ B, atol=1e-14)


def test_columns_are_taken_in_any_order():
    values = np.arange(12.0).reshape(2, 6)
    for columns in ([], [0, 1, 2, 3, 4, 5], [2, 3, 4], [5, 0, 0], [3]):
        columns = np.array(columns, np.int64)
        np.testing.assert_array_equal(sparse.take(values, columns), values[:, columns])


def test_sums_by_row_leave_gaps_at_zero():
    terms = np.arange(1.0, 5.0).reshape(1, 4)
    found = sparse.sum_by_row(terms, np.array([0, 0, 2, 4]), 6)
    np.testing.assert_array_equal(found, [[3.0, 0.0, 3.0, 0.0, 4.0, 0.0]])


def test_an_element_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(0)
    pattern = _pattern(rng, (6, 6), 0.6)
    values, _ = _random(rng, pattern, 7)
    x = rng.normal(size=(7, 6))
    together = sparse.matvec(pattern, values, x).numpy()
    for k in range(7):
        alone = sparse.matvec(pattern, values[k : k + 1], x[k : k + 1])
        np.testing.assert_array_equal(alone[0], together[k])


def test_many_indices_are_in_a_graph_once():
    rng = np.random.default_rng(0)
    many, few = rng.permutation(5000), rng.permutation(600)
    values = tf.constant(rng.normal(size=(2, 5000)))

    def taken(values):
        def body(k, total):
            return k + 1, total + sparse.take(values, many) + sparse.take(values, many)

        _, total = tf.while_loop(lambda k, _: k < 2, body, (0, values))
        return total, sparse.take(values, many), sparse.take(values, few)

    traced = tf.function(taken).get_concrete_function(values)
    expected = values.numpy()[:, many]
    total, one, other = traced(values)
    np.testing.assert_allclose(total, values + 4.0 * expected, atol=1e-14)
    np.testing.assert_array_equal(one, expected)
    np.testing.assert_array_equal(other, values.numpy()[:, few])
    graph = traced.graph.as_graph_def()
    for nodes in (graph.node, *(f.node_def for f in graph.library.function)):
        sizes = [len(n.attr["value"].tensor.tensor_content) for n in nodes]
        assert sum(size > 10_000 for size in sizes) <= 1
