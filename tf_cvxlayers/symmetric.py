"""Symmetric matrices: dense ones, and diagonals that stay lists of numbers.

All are batches; a batch axis of length 1 broadcasts. Vectors are `[B, n]`, columns
`[B, n, k]`.
"""

from typing import Any, NamedTuple

import tensorflow as tf


class Symmetric(NamedTuple):
    """A symmetric matrix: its `diagonal [B, n]`, or all of it, `dense [B, n, n]`."""

    diagonal: tf.Tensor | None
    dense: tf.Tensor | None

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """The product with vectors, or columns."""
        if self.diagonal is not None:
            return _like(self.diagonal, x) * x
        return product(self.dense, x)

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


def product(matrix: tf.Tensor, x: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    """A dense matrix, or its transpose, times vectors or columns."""
    if len(x.shape) == 3:
        return tf.matmul(matrix, x, transpose_a=transpose)
    return tf.linalg.matvec(matrix, x, transpose_a=transpose)


def _like(vector: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The vector, to be multiplied with vectors or columns."""
    return vector[:, :, None] if len(x.shape) == 3 else vector
