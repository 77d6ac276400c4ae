"""Sparse matrices on fixed patterns, for products with vectors `[B, n]` alone."""

import dataclasses

import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.rows import RowsOperator
from tf_cvxlayers.linalg.sparse import matvec, symmetric_matvec, transposed_matvec
from tf_cvxlayers.linalg.symmetric import SymmetricOperator


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SparseSymmetric(SymmetricOperator):
    """The symmetric parts of the matrices with these values, `[B, entries]`."""

    pattern: Pattern
    values: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return symmetric_matvec(self.pattern, self.values, x)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SparseRows(RowsOperator):
    """The matrices with these values, `[B, entries]`."""

    pattern: Pattern
    values: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return matvec(self.pattern, self.values, x)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        return transposed_matvec(self.pattern, self.values, y)

    def sizes_of_terms(self, x: tf.Tensor) -> tf.Tensor:
        return matvec(self.pattern, tf.abs(self.values), tf.abs(x))
