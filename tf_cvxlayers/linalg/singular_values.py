"""The singular value decomposition of a batch, with what is numerically zero left out.

TensorFlow's own least squares, `tf.linalg.lstsq`, would do for some of it, but XLA does
not have it.
"""

from typing import NamedTuple

import tensorflow as tf


class SingularValues(NamedTuple):
    """`U`, the inverse values, and `V`: zero for values that count as zero."""

    U: tf.Tensor
    inverse: tf.Tensor
    V: tf.Tensor

    @classmethod
    def of(cls, matrix: tf.Tensor, zero: float) -> "SingularValues":
        """The decomposition of matrices `[B, m, n]`.

        Args:
            matrix: those that are not finite are replaced by zero.
            zero: what counts as zero, relative to the largest value.
        """
        finite = tf.reduce_all(tf.math.is_finite(matrix), axis=[1, 2], keepdims=True)
        values, U, V = tf.linalg.svd(tf.where(finite, matrix, tf.zeros_like(matrix)))
        kept = values > zero * tf.reduce_max(values, axis=1, keepdims=True)
        inverse = tf.where(kept, 1.0 / tf.where(kept, values, 1.0), 0.0)
        return cls(U, inverse, V * tf.expand_dims(tf.cast(kept, V.dtype), 1))

    def least_squares(self, right: tf.Tensor) -> tf.Tensor:
        """The `x` of least norm among those that bring `M x` closest to vectors."""
        u = self.inverse * tf.linalg.matvec(self.U, right, transpose_a=True)
        return tf.linalg.matvec(self.V, u)

    def transposed_least_squares(self, right: tf.Tensor) -> tf.Tensor:
        """The `y` of least norm among those that bring `M' y` closest to vectors."""
        u = self.inverse * tf.linalg.matvec(self.V, right, transpose_a=True)
        return tf.linalg.matvec(self.U, u)
