"""The data of a cone program as matrices of the kind that suits them."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import dynamic_batch_size
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.rows_and_bounds import Rows, Split, all_general
from tf_cvxlayers.linalg.sparse import (
    matvec,
    sum_by_row,
    symmetric_matvec,
    symmetric_to_dense,
    take,
    to_dense,
    transposed_matvec,
)
from tf_cvxlayers.linalg.symmetric import Symmetric
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure

# With fewer bounds than this the few operations that they need when they are kept apart
# from other rows cost more than they save.
_MANY_BOUNDS = 16
# A dense factorization wins below this order, and up to the second one if A is full.
_DENSE_ORDER, _FULL_ORDER, _FULL = 300, 1000, 0.1


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

    def batch(self) -> tf.Tensor:
        """The size of the batch axis of what is not shared by the batch."""
        own = [t for t in (self.q, self.b, *self.P[:2], *self.A[:2]) if t is not None]
        return dynamic_batch_size(own)


class SparseMatrices(NamedTuple):
    """The data of a cone program as matrices that can be multiplied, and vectors."""

    P: SparseSymmetric
    q: tf.Tensor
    A: SparseRows
    b: tf.Tensor


def dense_matrices(
    structure: ConeStructure, data: ConeData, keeps_bounds: bool = False
) -> Matrices:
    """The data as matrices that can be factored.

    Args:
        structure, data: the program.
        keeps_bounds: whether bounds are kept apart also where they are few.
    """
    rows = _rows(structure, data.A, keeps_bounds)
    return Matrices(_symmetric(structure.P, data.P), data.q, rows, data.b)


def sparse_matrices(structure: ConeStructure, data: ConeData) -> SparseMatrices:
    """The data as matrices that can be multiplied."""
    return SparseMatrices(
        SparseSymmetric(structure.P, data.P),
        data.q,
        SparseRows(structure.A, data.A),
        data.b,
    )


def _symmetric(pattern: Pattern, values: tf.Tensor) -> Symmetric:
    if pattern.is_diagonal:
        return Symmetric(sum_by_row(values, pattern.rows, pattern.shape[0]), None)
    return Symmetric(None, symmetric_to_dense(pattern, values))


def _rows(structure: ConeStructure, values: tf.Tensor, keeps_bounds: bool) -> Rows:
    pattern, n = structure.A, structure.n
    bounds = structure.bounds
    few = bounds.size < max(1, 0 if keeps_bounds else min(_MANY_BOUNDS, structure.m))
    if few or not structure.cones.is_polyhedral:
        return all_general(to_dense(pattern, values))
    is_bound = np.isin(pattern.rows, bounds)
    entries = np.flatnonzero(is_bound)
    entries = entries[np.argsort(pattern.rows[entries])]
    general = np.setdiff1d(np.arange(structure.m), bounds)
    split = Split(bounds, pattern.columns[entries], general, n)
    matrix = None
    if general.size:
        others = np.flatnonzero(~is_bound)
        rows = np.searchsorted(general, pattern.rows[others])
        part = Pattern(rows, pattern.columns[others], (general.size, n))
        matrix = to_dense(part, take(values, others))
    return Rows(matrix, take(values, entries), split)
