"""Symmetric matrices: dense ones, and diagonals that stay lists of numbers.

A diagonal may be seen from within a subspace: as the map of the subspace to itself
that it is, followed by the projection.

All are batches; a batch axis of length 1 broadcasts. Vectors are `[B, n]`, or
`[B, k, n]`, k of them for each element.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.subspace import DiagonalFactor, Subspace


class Symmetric(NamedTuple):
    """A symmetric matrix: its `diagonal [B, n]`, within a subspace or not; or all of
    it, `dense [B, n, n]`."""

    diagonal: tf.Tensor | None
    dense: tf.Tensor | None
    within: Subspace | None = None

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """The product with vectors."""
        if self.diagonal is None:
            return product(self.dense, x)
        image = like(self.diagonal, x) * x
        return image if self.within is None else self.within.project(image)

    def plus(self, *others: "Symmetric") -> "Symmetric":
        """The sum with others."""
        matrices = (self, *others)
        diagonals = [M.diagonal for M in matrices if M.diagonal is not None]
        denses = [M.dense for M in matrices if M.dense is not None]
        if not denses:
            return self._replace(diagonal=total(*diagonals))
        dense = total(*denses)
        if not diagonals:
            return Symmetric(None, dense)
        diagonal = total(tf.linalg.diag_part(dense), *diagonals)
        if dense.shape[0] == 1:
            shape = tf.concat([tf.shape(diagonal), [dense.shape[2]]], axis=0)
            dense = tf.broadcast_to(dense, shape)
        return Symmetric(None, tf.linalg.set_diag(dense, diagonal))

    def diagonal_part(self) -> tf.Tensor:
        """The diagonal, `[B, n]`."""
        if self.diagonal is not None:
            return self.diagonal
        return tf.linalg.diag_part(self.dense)

    def batch(self) -> int | None:
        """The size of the batch axis, None where it is unknown."""
        values: Any = self.dense if self.diagonal is None else self.diagonal
        return values.shape[0]

    def largest(self) -> tf.Tensor:
        """The largest absolute value, `[B, 1]`."""
        if self.diagonal is not None:
            return tf.reduce_max(tf.abs(self.diagonal), axis=1, keepdims=True)
        return tf.reduce_max(tf.abs(self.dense), axis=[1, 2])[:, None]

    def most_rank(self) -> tf.Tensor:
        """What its rank is at most, `[B, 1]`."""
        if self.diagonal is not None:
            return tf.reduce_sum(tf.abs(tf.sign(self.diagonal)), axis=1, keepdims=True)
        n = self.diagonal_part().shape[1]
        return float(n) * tf.sign(self.largest())

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

    def full(self) -> tf.Tensor:
        """The matrix, `[B, n, n]`."""
        return tf.linalg.diag(self.diagonal) if self.dense is None else self.dense

    def factored(self) -> "Factor | DiagonalFactor":
        """The factorization of a positive definite one."""
        if self.within is not None:
            return DiagonalFactor.of(self.diagonal, self.within)
        if self.diagonal is not None:
            return Factor(self.diagonal, None)
        return Factor(None, tf.linalg.cholesky(self.dense))


class Factor(NamedTuple):
    """A positive definite matrix, factored: a diagonal, or a Cholesky factor."""

    diagonal: tf.Tensor | None
    cholesky: tf.Tensor | None

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        """The solutions for right-hand sides `[B, k, n]`."""
        if self.diagonal is not None:
            return right / self.diagonal[:, None]
        columns = tf.linalg.matrix_transpose(right)
        columns = tf.linalg.cholesky_solve(self.cholesky, columns)
        return tf.linalg.matrix_transpose(columns)


def product(matrix: tf.Tensor, x: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    """A dense matrix, or its transpose, times vectors."""
    if len(x.shape) == 3:
        return tf.matmul(x, matrix, transpose_b=not transpose)
    return tf.linalg.matvec(matrix, x, transpose_a=transpose)


def like(vector: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The vector, to be multiplied with vectors."""
    return vector[:, None] if len(x.shape) == 3 else vector
