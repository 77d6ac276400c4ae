"""The data of a cone program as matrices of the kind that suits them."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.banded_symmetric import BandedSymmetric
from tf_cvxlayers.linalg.batch_axis import dynamic_batch_size
from tf_cvxlayers.linalg.bounds import Bounds, Columns
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.rows_and_bounds import Places, RowsAndBounds
from tf_cvxlayers.linalg.rows_in_band import RowsInBand
from tf_cvxlayers.linalg.sparse import (
    apply_map,
    sum_by_row,
    symmetric_to_dense,
    take,
    to_dense,
)
from tf_cvxlayers.linalg.sparse_matrices import SparseRows, SparseSymmetric
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.optimality.forms import has_band
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure

# With fewer bounds than this the few operations that they need when they are kept apart
# from other rows cost more than they save.
_MANY_BOUNDS = 16


class Matrices(NamedTuple):
    """The data of a cone program as matrices that can be factored, and vectors."""

    P: SymmetricMatrix
    q: tf.Tensor
    A: Rows
    b: tf.Tensor

    def batch(self) -> tf.Tensor:
        """The size of the batch axis of what is not shared by the batch."""
        own = self.q, self.b, *self.P.tensors(), *self.A.tensors()
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


def matrices_of(
    structure: ConeStructure, data: ConeData, keeps_bounds: bool = False
) -> Matrices:
    """The data as matrices of the kind that suits them; see `dense_matrices`."""
    band = structure.band
    if band is None or not has_band(structure):
        return dense_matrices(structure, data, keeps_bounds)
    P = tf.transpose(apply_map(band.of_P, data.P))
    A = RowsInBand(band, tf.transpose(data.A))
    return Matrices(BandedSymmetric(band, P), data.q, A, data.b)


def sparse_matrices(structure: ConeStructure, data: ConeData) -> SparseMatrices:
    """The data as matrices that can be multiplied."""
    return SparseMatrices(
        SparseSymmetric(structure.P, data.P),
        data.q,
        SparseRows(structure.A, data.A),
        data.b,
    )


def _symmetric(pattern: Pattern, values: tf.Tensor) -> SymmetricMatrix:
    if pattern.is_diagonal:
        return Diagonal(sum_by_row(values, pattern.rows, pattern.shape[0]))
    return DenseSymmetric(symmetric_to_dense(pattern, values))


def _rows(structure: ConeStructure, values: tf.Tensor, keeps_bounds: bool) -> Rows:
    pattern, n = structure.A, structure.n
    bounds = structure.bounds
    few = bounds.size < max(1, 0 if keeps_bounds else min(_MANY_BOUNDS, structure.m))
    if few or not structure.cones.is_polyhedral:
        return DenseRows(to_dense(pattern, values))
    is_bound = np.isin(pattern.rows, bounds)
    entries = np.flatnonzero(is_bound)
    entries = entries[np.argsort(pattern.rows[entries])]
    kept = Bounds(take(values, entries), Columns(pattern.columns[entries], n))
    general = np.setdiff1d(np.arange(structure.m), bounds)
    if not general.size:
        return kept
    others = np.flatnonzero(~is_bound)
    rows = np.searchsorted(general, pattern.rows[others])
    part = Pattern(rows, pattern.columns[others], (general.size, n))
    matrix = to_dense(part, take(values, others))
    return RowsAndBounds(DenseRows(matrix), kept, Places(general, bounds))
