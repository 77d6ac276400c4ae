"""The matrices of a problem as what they are: dense, diagonal, or rows with one entry.

A row of `A` with a single entry is a bound on a variable. Bounds and diagonal
objectives stay lists of numbers: `A'diag(w)A` of bounds is a diagonal, and a problem
that has nothing else is solved without a factorization.

All are batches; a batch axis of length 1 broadcasts. Vectors are `[B, n]`, columns
`[B, n, k]`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program import ConeData, ConeStructure, Pattern
from tf_cvxlayers.sparse import (
    matvec,
    sum_by_row,
    symmetric_matvec,
    symmetric_to_dense,
    take,
    to_dense,
    transposed_matvec,
)

# With fewer bounds than this among other rows, all rows are kept as general ones: the
# few operations that the split needs would cost more than they save.
_FEW_BOUNDS = 16
# A dense factorization wins below this order, and up to the second one if A is full.
_DENSE_ORDER, _FULL_ORDER, _FULL = 300, 1000, 0.1


class Symmetric(NamedTuple):
    """A symmetric matrix: its `diagonal [B, n]`, or all of it, `dense [B, n, n]`."""

    diagonal: tf.Tensor | None
    dense: tf.Tensor | None

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """The product with vectors, or columns."""
        if self.diagonal is not None:
            return _like(self.diagonal, x) * x
        return _product(self.dense, x)

    def plus(self, other: "Symmetric") -> "Symmetric":
        """The sum with another one."""
        if self.diagonal is not None and other.diagonal is not None:
            return Symmetric(self.diagonal + other.diagonal, None)
        if self.dense is not None and other.dense is not None:
            return Symmetric(None, self.dense + other.dense)
        if self.dense is None:
            return other.plus(self)
        # Not a sum with a diagonal matrix: of three summands TensorFlow makes one with
        # a temporary variable, which fails in a loop when it runs again.
        diagonal = tf.linalg.diag_part(self.dense) + other.diagonal
        shape = tf.concat([tf.shape(diagonal), [self.dense.shape[2]]], axis=0)
        dense = tf.broadcast_to(self.dense, shape)
        return Symmetric(None, tf.linalg.set_diag(dense, diagonal))

    def batch(self) -> int | None:
        """The size of the batch axis, None where it is unknown."""
        values: Any = self.dense if self.diagonal is None else self.diagonal
        return values.shape[0]

    def largest(self) -> tf.Tensor:
        """The largest absolute value, `[B, 1]`."""
        if self.diagonal is not None:
            return tf.reduce_max(tf.abs(self.diagonal), axis=1, keepdims=True)
        return tf.reduce_max(tf.abs(self.dense), axis=[1, 2])[:, None]

    def column_largest(self) -> tf.Tensor:
        """The largest absolute value in each column, `[B, n]`."""
        if self.diagonal is not None:
            return tf.abs(self.diagonal)
        return tf.reduce_max(tf.abs(self.dense), axis=1)

    def scaled(self, d: tf.Tensor) -> "Symmetric":
        """`diag(d) M diag(d)`."""
        if self.diagonal is not None:
            return Symmetric(self.diagonal * d * d, None)
        return Symmetric(None, self.dense * d[:, :, None] * d[:, None, :])

    def raised(self, part: tf.Tensor, least: float) -> "Symmetric":
        """With a larger diagonal: by this part of each entry, and by so much at
        least."""
        diagonal = self.diagonal
        if diagonal is None:
            diagonal = tf.linalg.diag_part(self.dense)
        return self.plus(Symmetric(tf.maximum(part * diagonal, least), None))

    def full(self) -> tf.Tensor:
        """The matrix, `[B, n, n]`."""
        return tf.linalg.diag(self.diagonal) if self.dense is None else self.dense

    def factored(self) -> "Factor":
        """The factorization of a positive definite one."""
        if self.diagonal is not None:
            return Factor(self.diagonal, None)
        return Factor(None, tf.linalg.cholesky(self.dense))


class Factor(NamedTuple):
    """A positive definite matrix, factored: a diagonal, or a Cholesky factor."""

    diagonal: tf.Tensor | None
    cholesky: tf.Tensor | None

    def solve(self, columns: tf.Tensor) -> tf.Tensor:
        """The solutions `[B, n, k]` for right-hand sides `[B, n, k]`."""
        if self.diagonal is not None:
            return columns / _like(self.diagonal, columns)
        return tf.linalg.cholesky_solve(self.cholesky, columns)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Split:
    """Which rows are bounds, on which variables, and which are not."""

    bounds: np.ndarray
    columns: np.ndarray
    general: np.ndarray
    n: int

    @functools.cached_property
    def order(self) -> np.ndarray:
        """From general rows, then bounds, to the order of the rows."""
        return np.argsort(np.concatenate([self.general, self.bounds]))

    @functools.cached_property
    def by_column(self) -> np.ndarray:
        """The order of the bounds by column."""
        return np.argsort(self.columns, kind="stable")

    def onto_columns(self, values: tf.Tensor) -> tf.Tensor:
        """Values `[B, bounds]` summed to `[B, n]` by the columns of the bounds."""
        order = self.by_column
        return sum_by_row(take(values, order), self.columns[order], self.n)


class Rows(NamedTuple):
    """A matrix `[B, m, n]` of rows.

    Attributes:
        general: `[B, rows, n]`, the rows that are not bounds, or None.
        bounds: `[B, bounds]`, the one entry of each other row, or None.
        split: which are which.
    """

    general: tf.Tensor | None
    bounds: tf.Tensor | None
    split: _Split

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """`A x` for vectors, or columns."""
        if self.bounds is None:
            return _product(self.general, x)
        if len(x.shape) == 3:
            return _by_column(self.times, x)
        parts = [self.bounds * take(x, self.split.columns)]
        if self.general is not None:
            parts.insert(0, _product(self.general, x))
        return take(parts, self.split.order)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        """`A' y` for vectors, or columns."""
        if self.bounds is None:
            return _product(self.general, y, transpose=True)
        if len(y.shape) == 3:
            return _by_column(self.transposed, y)
        parts = []
        if self.general is not None:
            part = take(y, self.split.general)
            parts.append(_product(self.general, part, transpose=True))
        if self.bounds is not None:
            part = self.bounds * take(y, self.split.bounds)
            parts.append(self.split.onto_columns(part))
        return functools.reduce(tf.add, parts)

    def scaled(self, rows: tf.Tensor, columns: tf.Tensor | None = None) -> "Rows":
        """`diag(rows) A diag(columns)`."""
        general, bounds = self.general, self.bounds
        if general is not None:
            general = take(rows, self.split.general)[:, :, None] * general
        if bounds is not None:
            bounds = take(rows, self.split.bounds) * bounds
        if columns is not None and general is not None:
            general = general * columns[:, None, :]
        if columns is not None and bounds is not None:
            bounds = bounds * take(columns, self.split.columns)
        return Rows(general, bounds, self.split)

    def gram(self, weighted: "Rows") -> Symmetric:
        """`A'W A`, given `W A`."""
        parts = []
        if self.general is not None:
            full = tf.matmul(self.general, weighted.general, transpose_a=True)
            parts.append(Symmetric(None, full))
        if self.bounds is not None:
            diagonal = self.split.onto_columns(self.bounds * weighted.bounds)
            parts.append(Symmetric(diagonal, None))
        return functools.reduce(Symmetric.plus, parts)

    def batch(self) -> int | None:
        """The size of the batch axis, None where it is unknown."""
        values: Any = self.bounds if self.general is None else self.general
        return values.shape[0]

    def row_norms(self) -> tf.Tensor:
        """The squared norm of each row, `[B, m]`."""
        parts = []
        if self.general is not None:
            parts.append(tf.reduce_sum(tf.square(self.general), axis=2))
        if self.bounds is not None:
            parts.append(tf.square(self.bounds))
        return take(parts, self.split.order)

    def row_largest(self) -> tf.Tensor:
        """The largest absolute value of each row, `[B, m]`."""
        parts = []
        if self.general is not None:
            parts.append(tf.reduce_max(tf.abs(self.general), axis=2))
        if self.bounds is not None:
            parts.append(tf.abs(self.bounds))
        return take(parts, self.split.order)

    def column_largest(self) -> tf.Tensor:
        """The largest absolute value of each column, `[B, n]`."""
        parts = []
        if self.general is not None:
            parts.append(tf.reduce_max(tf.abs(self.general), axis=1))
        if self.bounds is not None:
            # Of several bounds on a variable their sum is near enough.
            parts.append(self.split.onto_columns(tf.abs(self.bounds)))
        return functools.reduce(tf.maximum, parts)

    def dense(self) -> tf.Tensor:
        """The matrix, `[B, m, n]`."""
        if self.bounds is None:
            return self.general
        split = self.split
        place = np.arange(split.columns.size) * split.n + split.columns
        size = split.columns.size * split.n
        flat = sum_by_row(self.bounds, place, size)
        rows = tf.reshape(flat, [-1, split.columns.size, split.n])
        if self.general is None:
            return tf.gather(rows, split.order, axis=1)
        batch = tf.broadcast_dynamic_shape(
            tf.shape(rows)[:1], tf.shape(self.general)[:1]
        )
        both = [
            tf.broadcast_to(part, tf.concat([batch, part.shape[1:]], axis=0))
            for part in (self.general, rows)
        ]
        return tf.gather(tf.concat(both, axis=1), split.order, axis=1)


def _product(matrix: tf.Tensor, x: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    if len(x.shape) == 3:
        return tf.matmul(matrix, x, transpose_a=transpose)
    return tf.linalg.matvec(matrix, x, transpose_a=transpose)


def _like(vector: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The vector, to be multiplied with vectors or columns."""
    return vector[:, :, None] if len(x.shape) == 3 else vector


def _by_column(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    return tf.stack([function(part) for part in tf.unstack(x, axis=2)], axis=2)


class SparseSymmetric(NamedTuple):
    """The symmetric part of a sparse matrix, for products only."""

    pattern: Pattern
    values: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """The product with vectors."""
        return symmetric_matvec(self.pattern, self.values, x)


class SparseRows(NamedTuple):
    """A sparse matrix, for products only."""

    pattern: Pattern
    values: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """`A x` for vectors."""
        return matvec(self.pattern, self.values, x)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        """`A' y` for vectors."""
        return transposed_matvec(self.pattern, self.values, y)


def fits_dense(structure: ConeStructure) -> bool:
    """Whether dense matrices are the better ones for a program."""
    order = structure.n + structure.m
    full = structure.A.size >= _FULL * structure.n * structure.m
    return order <= (_FULL_ORDER if full else _DENSE_ORDER)


class Matrices(NamedTuple):
    """The data of a cone program as matrices that can be factored, and vectors."""

    P: Symmetric
    q: tf.Tensor
    A: Rows
    b: tf.Tensor


class SparseMatrices(NamedTuple):
    """The data of a cone program as matrices that can be multiplied, and vectors."""

    P: SparseSymmetric
    q: tf.Tensor
    A: SparseRows
    b: tf.Tensor


def dense_matrices(structure: ConeStructure, data: ConeData) -> Matrices:
    """The data as matrices that can be factored."""
    return Matrices(
        _symmetric(structure.P, data.P), data.q, _rows(structure, data.A), data.b
    )


def sparse_matrices(structure: ConeStructure, data: ConeData) -> SparseMatrices:
    """The data as matrices that can be multiplied."""
    return SparseMatrices(
        SparseSymmetric(structure.P, data.P),
        data.q,
        SparseRows(structure.A, data.A),
        data.b,
    )


def all_general(matrix: tf.Tensor) -> Rows:
    """The rows of a dense matrix `[B, m, n]`."""
    _, m, n = matrix.shape
    none = np.zeros(0, np.int64)
    return Rows(matrix, None, _Split(none, none, np.arange(m), n))


def _symmetric(pattern: Pattern, values: tf.Tensor) -> Symmetric:
    if pattern.is_diagonal:
        return Symmetric(sum_by_row(values, pattern.rows, pattern.shape[0]), None)
    return Symmetric(None, symmetric_to_dense(pattern, values))


def _rows(structure: ConeStructure, values: tf.Tensor) -> Rows:
    pattern, n = structure.A, structure.n
    bounds = structure.bounds
    few = bounds.size < max(1, min(_FEW_BOUNDS, structure.m))
    if few or not structure.cones.is_polyhedral:
        return all_general(to_dense(pattern, values))
    is_bound = np.isin(pattern.rows, bounds)
    entries = np.flatnonzero(is_bound)
    entries = entries[np.argsort(pattern.rows[entries])]
    general = np.setdiff1d(np.arange(structure.m), bounds)
    split = _Split(bounds, pattern.columns[entries], general, n)
    matrix = None
    if general.size:
        others = np.flatnonzero(~is_bound)
        rows = np.searchsorted(general, pattern.rows[others])
        part = Pattern(rows, pattern.columns[others], (general.size, n))
        matrix = to_dense(part, take(values, others))
    return Rows(matrix, take(values, entries), split)
