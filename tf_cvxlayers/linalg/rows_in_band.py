"""Sparse matrices of rows, whose `A'W A` has a band."""

import dataclasses

import tensorflow as tf

from tf_cvxlayers.linalg.band import Band
from tf_cvxlayers.linalg.banded_symmetric import BandedSymmetric
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.entries import gathered, product, summed
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.sparse import to_dense
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RowsInBand(Rows):
    """The matrices with these values, `[entries, B]`, in the entries `band.A`."""

    band: Band
    values: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return product(self.band.A, self.values, x)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        return product(self.band.A, self.values, y, transpose=True)

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (tf.transpose(self.values),)

    def dense(self) -> tf.Tensor:
        return to_dense(self.band.A, tf.transpose(self.values))

    def scaled(self, rows: tf.Tensor) -> "RowsInBand":
        weights = gathered(tf.transpose(rows), self.band.A.rows)
        return RowsInBand(self.band, weights * self.values)

    def gram(self, weighted: "RowsInBand") -> SymmetricMatrix:
        left, right, entry = self.band.terms
        terms = gathered(self.values, left) * gathered(weighted.values, right)
        values = summed(terms, entry, self.band.lower.size)
        return BandedSymmetric(self.band, values)

    def row_norms(self) -> tf.Tensor:
        pattern = self.band.A
        squares = gathered(tf.square(self.values), pattern.by_row)
        rows = pattern.rows[pattern.by_row]
        return tf.transpose(summed(squares, rows, pattern.shape[0]))

    def divided(self, p: int) -> tuple[tf.Tensor, Rows]:
        return DenseRows(self.dense()).divided(p)

    def sizes_of_terms(self, x: tf.Tensor) -> tf.Tensor:
        return product(self.band.A, tf.abs(self.values), tf.abs(x))
