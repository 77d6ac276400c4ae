"""The subspace of the solutions of homogeneous equalities, kept as these equalities."""

from typing import NamedTuple

import tensorflow as tf


class Subspace(NamedTuple):
    """`{x: E x = 0}`, for `E [B, p, n]` with orthonormal rows."""

    E: tf.Tensor

    def project(self, v: tf.Tensor) -> tf.Tensor:
        """The nearest point, for vectors `[B, n]` or `[B, k, n]`."""
        if len(v.shape) == 2:
            return self.project(tf.expand_dims(v, 1))[:, 0]
        return v - tf.matmul(tf.matmul(v, self.E, transpose_b=True), self.E)
