"""Matrices of rows all of whose numbers are kept."""

import dataclasses

import tensorflow as tf

from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.linalg.vectors import dense_times


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DenseRows(Rows):
    """The matrices `[B, m, n]`."""

    matrix: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return dense_times(self.matrix, x)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        return dense_times(self.matrix, y, transpose=True)

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (self.matrix,)

    def dense(self) -> tf.Tensor:
        return self.matrix

    def scaled(self, rows: tf.Tensor) -> "DenseRows":
        return DenseRows(tf.expand_dims(rows, 2) * self.matrix)

    def gram(self, weighted: "DenseRows") -> SymmetricMatrix:
        full = tf.matmul(self.matrix, weighted.matrix, transpose_a=True)
        return DenseSymmetric(full)

    def row_norms(self) -> tf.Tensor:
        return tf.reduce_sum(tf.square(self.matrix), axis=2)

    def divided(self, p: int) -> tuple[tf.Tensor, Rows]:
        return self.matrix[:, :p], DenseRows(self.matrix[:, p:])
