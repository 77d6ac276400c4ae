"""The data of a cone program as matrices of the kind that suits them."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import dynamic_batch_size
from tf_cvxlayers.linalg.bounds import Bounds, Columns
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.rows_and_bounds import Places, RowsAndBounds
from tf_cvxlayers.linalg.sparse import sum_by_row, symmetric_to_dense, take, to_dense
from tf_cvxlayers.linalg.sparse_matrices import SparseRows, SparseSymmetric
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure

# With fewer bounds than this the few operations that they need when they are kept apart
# from other rows cost more than they save.
_MANY_BOUNDS = 16
# A dense factorization wins below this order, and up to the second one if A is full.
_DENSE_ORDER, _FULL_ORDER, _FULL = 300, 1000, 0.1


def fits_dense(structure: ConeStructure) -> bool:
    """Whether dense matrices are the better ones for a program."""
    order = structure.n + structure.m
    full = structure.A.size >= _FULL * structure.n * structure.m
    return order <= (_FULL_ORDER if full else _DENSE_ORDER)


# About how many there are in a solve with its adjoint.
_FACTORIZATIONS = 8


def dense_numbers(structure: ConeStructure) -> int:
    """How many numbers dense matrices of one element hold, and a factorization."""
    n, polyhedral = structure.n, structure.cones.is_polyhedral
    rows = structure.m - (structure.bounds.size if polyhedral else 0)
    # With a diagonal objective and bounds there is no matrix at all.
    factored = n * n if rows or not structure.P.is_diagonal else 0
    return rows * n + factored


def dense_work(structure: ConeStructure) -> tuple[int, float]:
    """The order of the dense systems of one element and the number of their rows,
    together; and how many multiplications a factorization takes.

    Equalities are a null space, made once, and what is factored in it, but for a single
    one.
    """
    n, equalities = structure.n, structure.cones.zero
    others = structure.m - equalities
    if equalities > 1:
        order = max(n - equalities, 0)
        once = 2 * equalities * n**2 / _FACTORIZATIONS
        return order + others, order**3 / 3 + others * order**2 + once
    bounds = structure.bounds if structure.cones.is_polyhedral else np.zeros(0, int)
    rows = others - int(np.sum(bounds >= equalities))
    if rows or not structure.P.is_diagonal:
        return n + others, n**3 / 3 + rows * n**2
    return n + others, 0.0


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
