"""Symmetric matrices all of whose numbers are kept."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix
from tf_cvxlayers.linalg.vectors import dense_times


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DenseSymmetric(SymmetricMatrix):
    """The symmetric matrices `[B, n, n]`."""

    is_diagonal: ClassVar[bool] = False

    matrix: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return dense_times(self.matrix, x)

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (self.matrix,)

    def dense(self) -> tf.Tensor:
        return self.matrix

    def plus(self, *others: SymmetricMatrix) -> SymmetricMatrix:
        matrix = total(self.matrix, *(M.dense() for M in others if not M.is_diagonal))
        diagonals = [M.diagonal_part() for M in others if M.is_diagonal]
        if not diagonals:
            return DenseSymmetric(matrix)
        diagonal = total(tf.linalg.diag_part(matrix), *diagonals)
        if matrix.shape[0] == 1:
            shape = tf.concat([tf.shape(diagonal), [matrix.shape[2]]], axis=0)
            matrix = tf.broadcast_to(matrix, shape)
        return DenseSymmetric(tf.linalg.set_diag(matrix, diagonal))

    def diagonal_part(self) -> tf.Tensor:
        return tf.linalg.diag_part(self.matrix)

    def largest(self) -> tf.Tensor:
        return tf.expand_dims(tf.reduce_max(tf.abs(self.matrix), axis=[1, 2]), 1)

    def most_rank(self) -> tf.Tensor:
        return float(self.matrix.shape[2]) * tf.sign(self.largest())

    def factored(self) -> Factor:
        return CholeskyFactor(tf.linalg.cholesky(self.matrix))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CholeskyFactor(Factor):
    """The lower triangular factor `[B, n, n]`; NaN for a matrix that has none."""

    triangle: tf.Tensor

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        if len(right.shape) == 2:
            column = tf.expand_dims(right, 2)
            return tf.squeeze(tf.linalg.cholesky_solve(self.triangle, column), 2)
        columns = tf.linalg.matrix_transpose(right)
        columns = tf.linalg.cholesky_solve(self.triangle, columns)
        return tf.linalg.matrix_transpose(columns)
