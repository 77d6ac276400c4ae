"""Every kind of matrix does what its dense form does.

A row of the tables below is a way to make a kind; each test looks at one method of the
interface, whatever kind stands behind it.
"""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers import linalg
from tf_cvxlayers.linalg.band import Band
from tf_cvxlayers.linalg.banded_symmetric import BandedSymmetric
from tf_cvxlayers.linalg.bounds import Bounds, BoundsWithin, Columns
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.diagonal_within import DiagonalWithin, FactorWithin
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.rows import Rows, RowsOperator
from tf_cvxlayers.linalg.rows_and_bounds import Places, RowsAndBounds
from tf_cvxlayers.linalg.rows_in_band import RowsInBand
from tf_cvxlayers.linalg.sparse_matrices import SparseRows, SparseSymmetric
from tf_cvxlayers.linalg.subspace import Subspace
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix, SymmetricOperator

B, N, M, P = 3, 5, 7, 2
PATTERN = Pattern(np.array([0, 2, 0, 1, 4]), np.array([0, 0, 3, 3, 4]), (N, N))
WIDE = Pattern(np.array([0, 6, 0, 1, 4]), np.array([0, 0, 3, 3, 4]), (M, N))
# A chain, in disorder, whose ends are held.
CHAIN = Pattern(
    np.array([0, 1, 0, 2, 4, 1, 3, 2, 5, 3]),
    np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 4]),
    (M, N),
)
BAND = Band.of(PATTERN, CHAIN)
# Two bounds are on one variable, and one variable has none.
COLUMNS = Columns(np.array([2, 0, 2, 4, 1, 0, 1]), N)


def _normal(rng, batch, *shape):
    return tf.constant(rng.normal(size=(batch, *shape)))


def _positive(rng, batch, *shape):
    return tf.constant(rng.uniform(1.0, 2.0, size=(batch, *shape)))


def _subspace(rng):
    Q, _ = np.linalg.qr(rng.normal(size=(B, N, P)))
    return Subspace(tf.constant(Q.swapaxes(1, 2)))


def _definite(rng, batch):
    root = rng.normal(size=(batch, N, N))
    return DenseSymmetric(tf.constant(root @ root.swapaxes(1, 2) + np.eye(N)))


def _rows_and_bounds(rng, batch):
    places = Places(np.array([0, 3]), np.array([1, 2, 4, 5, 6]))
    on = Columns(COLUMNS.columns[:5], N)
    general, bounds = _normal(rng, batch, 2, N), _normal(rng, batch, 5)
    return RowsAndBounds(DenseRows(general), Bounds(bounds, on), places)


def _banded(rng, batch):
    # Larger on the diagonal than beside it, by both triangles.
    values = rng.uniform(-0.4, 0.4, size=(BAND.lower.size, batch))
    values[BAND.diagonal] += 2.0
    return BandedSymmetric(BAND, tf.constant(values))


SYMMETRIC = {
    "diagonal": lambda rng, batch: Diagonal(_positive(rng, batch, N)),
    "dense": _definite,
    "within": lambda rng, batch: DiagonalWithin(
        Diagonal(_positive(rng, batch, N)), _subspace(rng)
    ),
    "banded": _banded,
}
ROWS = {
    "dense": lambda rng, batch: DenseRows(_normal(rng, batch, M, N)),
    "bounds": lambda rng, batch: Bounds(_normal(rng, batch, M), COLUMNS),
    "both": _rows_and_bounds,
    "within": lambda rng, batch: BoundsWithin(
        _normal(rng, batch, M), COLUMNS, _subspace(rng)
    ),
    "in band": lambda rng, batch: RowsInBand(
        BAND, tf.constant(rng.normal(size=(BAND.A.size, batch)))
    ),
}
symmetric = pytest.mark.parametrize("name", SYMMETRIC)
rows = pytest.mark.parametrize("name", ROWS)
batches = pytest.mark.parametrize("batch", [1, B], ids=["shared", "own"])


def _rng(name, batch):
    return np.random.default_rng([batch, *name.encode()])


def _vectors(rng, matrix, size):
    """Vectors of both forms; of the subspace, if the matrix is seen from within one."""
    for shape in [(B, size), (B, 2, size)]:
        v = tf.constant(rng.normal(size=shape))
        is_seen = not _is_free(matrix) and size == N
        yield (matrix.subspace.project(v) if is_seen else v), shape


def _is_free(matrix):
    """Whether it is a matrix in the coordinates of its vectors, and not one that is
    seen from within a subspace."""
    return not hasattr(matrix, "subspace")


def _product(dense, v):
    """The product with vectors `[B, n]` or `[B, k, n]`, by NumPy."""
    flat = np.reshape(v, (B, -1, dense.shape[2]))
    return (flat @ np.swapaxes(dense, 1, 2)).reshape(*v.shape[:-1], dense.shape[1])


def test_every_kind_has_a_row_in_a_table():
    kinds = set()
    for module in pkgutil.iter_modules(linalg.__path__):
        found = vars(importlib.import_module(f"tf_cvxlayers.linalg.{module.name}"))
        kinds |= {
            value
            for value in found.values()
            if inspect.isclass(value)
            and issubclass(value, SymmetricOperator | RowsOperator)
            and not inspect.isabstract(value)
        }
    rng = np.random.default_rng(0)
    made = {type(make(rng, B)) for make in (*SYMMETRIC.values(), *ROWS.values())}
    assert kinds == made | {SparseSymmetric, SparseRows}


@symmetric
@batches
def test_symmetric_products(name, batch):
    rng = _rng(name, batch)
    matrix = SYMMETRIC[name](rng, batch)
    for v, _ in _vectors(rng, matrix, N):
        expected = _product(matrix.dense().numpy(), v)
        np.testing.assert_allclose(matrix.times(v), expected, atol=1e-13)
        confined = v if _is_free(matrix) else matrix.subspace.project(v)
        np.testing.assert_array_equal(matrix.confined(v), confined)


@symmetric
@batches
def test_a_symmetric_matrix_is_a_map_of_all_vectors(name, batch):
    rng = _rng(name, batch)
    matrix = SYMMETRIC[name](rng, batch)
    full = matrix.everywhere().numpy()
    np.testing.assert_allclose(full, full.swapaxes(1, 2), atol=1e-13)
    v = tf.constant(rng.normal(size=(B, N)))
    within = matrix.confined(v)
    np.testing.assert_allclose(_product(full, within), matrix.times(within), atol=1e-13)
    outside = v - within
    expected = matrix.largest() * outside
    np.testing.assert_allclose(_product(full, outside), expected, atol=1e-13)


@symmetric
@batches
def test_what_is_known_of_the_numbers_of_a_symmetric_matrix(name, batch):
    matrix = SYMMETRIC[name](_rng(name, batch), batch)
    kept = matrix.dense().numpy()
    if not _is_free(matrix):
        kept = np.apply_along_axis(np.diag, 1, matrix.free.numbers)
    diagonal = np.diagonal(kept, axis1=1, axis2=2)
    np.testing.assert_array_equal(matrix.diagonal_part(), diagonal)
    assert all(tensor.shape[0] == batch for tensor in matrix.tensors())
    largest = np.abs(kept).max(axis=(1, 2))[:, None]
    np.testing.assert_array_equal(matrix.largest(), largest)
    ranks = np.linalg.matrix_rank(matrix.dense())
    assert (matrix.most_rank().numpy()[:, 0] >= ranks).all()


def test_a_matrix_of_zeros_has_rank_zero():
    zeros = Diagonal(tf.zeros([1, N])), DenseSymmetric(tf.zeros([1, N, N]))
    assert [matrix.most_rank().numpy().item() for matrix in zeros] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("first", "others"),
    [
        (first, others)
        for first in ("diagonal", "dense")
        for others in [(), ("diagonal",), ("dense", "diagonal", "dense")]
    ]
    + [("banded", ("diagonal", "banded")), ("diagonal", ("banded",))],
)
@batches
def test_symmetric_sums(first, others, batch):
    rng = _rng(first, batch)
    matrix = SYMMETRIC[first](rng, batch)
    more = [SYMMETRIC[name](rng, B) for name in others]
    found = matrix.plus(*more)
    expected = sum((other.dense() for other in more), matrix.dense())
    np.testing.assert_allclose(found.dense(), expected, atol=1e-13)
    assert found.is_diagonal == all(one.is_diagonal for one in (matrix, *more))


def test_a_sum_with_a_diagonal_stays_within_the_subspace():
    rng = np.random.default_rng(0)
    matrix, more = SYMMETRIC["within"](rng, B), SYMMETRIC["diagonal"](rng, B)
    found = matrix.plus(more)
    assert found.subspace is matrix.subspace
    np.testing.assert_array_equal(
        found.free.numbers, matrix.free.numbers + more.numbers
    )
    with pytest.raises(NotImplementedError):
        matrix.plus(SYMMETRIC["dense"](rng, B))


@symmetric
@batches
def test_factors_solve(name, batch):
    rng = _rng(name, batch)
    matrix = SYMMETRIC[name](rng, batch)
    factor = matrix.factored()
    assert isinstance(factor, Factor)
    right = rng.normal(size=(batch if _is_free(matrix) else B, 2, N))
    x = factor.solve(tf.constant(right))
    np.testing.assert_allclose(matrix.confined(x), x, atol=1e-13)
    missing = matrix.times(x) - matrix.confined(right)
    np.testing.assert_allclose(missing, 0.0, atol=1e-12)
    alone = factor.solve(tf.constant(right[:, 0]))
    np.testing.assert_allclose(alone, x[:, 0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("spread", [0.0, 5.0])
def test_a_solution_within_a_subspace_lies_in_it(spread):
    rng = np.random.default_rng(0)
    subspace = _subspace(rng)
    d = 10.0 ** rng.uniform(-spread, spread, size=(B, N))
    right = rng.normal(size=(B, 2, N))
    factor = FactorWithin.of(tf.constant(d), subspace)
    x = factor.solve(tf.constant(right)).numpy()
    np.testing.assert_allclose(subspace.project(x), x, atol=1e-14 * np.abs(x).max())
    miss = subspace.project(tf.constant(d[:, None] * x - right))
    scale = np.abs(right).max() * 10.0**spread
    np.testing.assert_allclose(miss, 0.0, atol=1e-13 * scale)


@rows
@batches
def test_products_of_rows(name, batch):
    rng = _rng(name, batch)
    matrix = ROWS[name](rng, batch)
    dense = matrix.dense().numpy()
    for v, _ in _vectors(rng, matrix, N):
        found = matrix.times(v)
        np.testing.assert_allclose(found, _product(dense, v), atol=1e-13)
    for v, _ in _vectors(rng, matrix, M):
        expected = _product(dense.swapaxes(1, 2), v)
        np.testing.assert_allclose(matrix.transposed(v), expected, atol=1e-13)


@rows
@batches
def test_rows_are_weighed(name, batch):
    rng = _rng(name, batch)
    matrix, w = ROWS[name](rng, batch), _positive(rng, B, M)
    weighted = matrix.scaled(w)
    assert type(weighted) is type(matrix)
    dense = matrix.dense().numpy()
    np.testing.assert_allclose(weighted.dense(), w[:, :, None] * dense, atol=1e-14)
    gram = matrix.gram(weighted)
    assert gram.is_diagonal == matrix.are_bounds
    free = dense
    if not _is_free(matrix):
        free = Bounds(matrix.numbers, matrix.on).dense().numpy()
    expected = free.swapaxes(1, 2) @ (w.numpy()[:, :, None] * free)
    np.testing.assert_allclose(gram.dense(), expected, atol=1e-13)


@rows
@batches
def test_what_is_known_of_the_numbers_of_rows(name, batch):
    matrix = ROWS[name](_rng(name, batch), batch)
    kept = matrix.dense().numpy()
    if not _is_free(matrix):
        kept = Bounds(matrix.numbers, matrix.on).dense().numpy()
    assert all(tensor.shape[0] == batch for tensor in matrix.tensors())
    squares = (kept**2).sum(axis=2)
    np.testing.assert_allclose(matrix.row_norms(), squares, rtol=1e-14)
    if matrix.are_bounds:
        np.testing.assert_array_equal(matrix.bounded_columns(), COLUMNS.columns)


@rows
@pytest.mark.parametrize("p", [0, 1, 2, M])
def test_first_rows_are_parted_from_the_others(name, p):
    matrix = ROWS[name](_rng(name, B), B)
    if not _is_free(matrix):
        with pytest.raises(NotImplementedError):
            matrix.divided(p)
        return
    first, rest = matrix.divided(p)
    assert isinstance(rest, Rows)
    both = np.concatenate([first, rest.dense()], axis=1)
    np.testing.assert_array_equal(both, matrix.dense())


def test_bounds_stay_bounds_where_all_rows_before_them_are_general():
    rng = np.random.default_rng(0)
    general, bounds = _normal(rng, B, 2, N), _normal(rng, B, 5)
    on = Columns(COLUMNS.columns[:5], N)
    places = Places(np.arange(2), np.arange(2, 7))
    matrix = RowsAndBounds(DenseRows(general), Bounds(bounds, on), places)
    assert matrix.divided(2)[1].are_bounds
    assert not matrix.divided(1)[1].are_bounds
    subspace = _subspace(rng)
    seen = matrix.divided(2)[1].within(subspace)
    expected = subspace.project(matrix.divided(2)[1].dense())
    np.testing.assert_array_equal(seen.dense(), expected)


@batches
def test_sparse_matrices_multiply(batch):
    rng = np.random.default_rng(batch)
    values, x, y = _normal(rng, batch, 5), _normal(rng, B, N), _normal(rng, B, M)
    full = np.zeros((batch, N, N))
    full[:, PATTERN.rows, PATTERN.columns] = values
    found = SparseSymmetric(PATTERN, values).times(x)
    expected = _product(0.5 * (full + full.swapaxes(1, 2)), x)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    wide = np.zeros((batch, M, N))
    wide[:, WIDE.rows, WIDE.columns] = values
    matrix = SparseRows(WIDE, values)
    np.testing.assert_allclose(matrix.times(x), _product(wide, x), atol=1e-14)
    expected = _product(wide.swapaxes(1, 2), y)
    np.testing.assert_allclose(matrix.transposed(y), expected, atol=1e-14)


def test_a_matrix_without_rows_has_products():
    v = tf.ones([B, N], tf.float64)
    for matrix in (
        DenseRows(tf.zeros([1, 0, N], tf.float64)),
        Bounds(tf.zeros([1, 0], tf.float64), Columns(np.zeros(0, np.int64), N)),
    ):
        none = matrix.times(v)
        assert none.shape[1] == 0
        assert not matrix.transposed(tf.zeros([B, 0], tf.float64)).numpy().any()
        assert matrix.gram(matrix).dense().shape[1:] == (N, N)


def test_kinds_are_values():
    rng = np.random.default_rng(0)
    matrix = SYMMETRIC["diagonal"](rng, B)
    assert isinstance(matrix, SymmetricMatrix)
    with pytest.raises(AttributeError):
        matrix.numbers = None
