"""The second-order cone `{(t, u): |u| <= t}`, its own dual.

With `v = (t, u)`: the eigenvalues of `v` in the algebra of the cone are `t + |u|` and
`t - |u|`, and the projection takes their positive parts. Its derivative has the
eigenvalues 1 or 0 for `(1, +-u/|u|)/sqrt 2`, and `(t + |u|) / (2 |u|)` for what is
orthogonal to both (Busseti, Moursi, Boyd, "Solution refinement at regular points of
conic problems", 2019, section 3).

The eigenbasis is a reflection that takes `u/|u|` to `-sign(u_1) e_1`, which is stable
for every `u`, followed by a rotation of `(t, u_1)` by 45 degrees: `[sign, w]` holds it.
Of a small cone it is a matrix, since one product is faster than some thirty operations.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.optimality.cones.protocol import ConeGeometry

# The most rows of a cone whose eigenbasis is kept as a matrix.
_SMALL = 16


@dataclasses.dataclass(frozen=True)
class SecondOrder(ConeGeometry):
    """The second-order cone of `size` rows."""

    size: int

    @property
    def keeps_axes(self) -> bool:
        return self.size == 1

    @property
    def nonnegative_rows(self) -> Sequence[int]:
        return (0,)

    @property
    def has_hyperbolic_rotations(self) -> bool:
        return self.size > 1

    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        v = y - s
        t, u = v[:, :1], v[:, 1:]
        size = tf.norm(u, axis=1, keepdims=True)
        direction = u / tf.where(size > 0, size, tf.ones_like(size))
        high, low = t + size, t - size

        def with_eigenvalues(along, against):
            half = 0.5 * (along - against) * direction
            return tf.concat([0.5 * (along + against), half], axis=1)

        return (
            with_eigenvalues(tf.nn.relu(high), tf.nn.relu(low)),
            with_eigenvalues(tf.nn.relu(-high), tf.nn.relu(-low)),
        )

    def spectrum(
        self, y: tf.Tensor, s: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        v = y - s
        t, u = v[:, :1], v[:, 1:]
        if self.keeps_axes:
            return tf.cast(t > 0, v.dtype), None
        one, zero = tf.ones_like(t), tf.zeros_like(t)
        size = tf.norm(u, axis=1, keepdims=True)
        nonzero = tf.where(size > 0, size, one)
        inside, outside = size <= t, size <= -t
        middle = tf.clip_by_value((t + size) / (2.0 * nonzero), 0.0, 1.0)
        middle = tf.where(inside, one, tf.where(outside, zero, middle))
        values = [tf.where(outside, zero, one), tf.where(inside, one, zero)]
        values += [middle] * (self.size - 2)
        direction = u / nonzero
        sign = tf.where(direction[:, :1] < 0, -one, one)
        w = tf.concat([direction[:, :1] + sign, direction[:, 1:]], axis=1)
        w = w * tf.sqrt(2.0 / tf.reduce_sum(w * w, axis=1, keepdims=True))
        basis = tf.concat([-sign, w], axis=1)
        if self.size <= _SMALL:
            eye = tf.eye(self.size, batch_shape=[1, 1], dtype=v.dtype)
            basis = self._turned(basis[:, None], eye, transpose=False)[:, 0]
        return tf.concat(values, axis=1), basis

    def sides(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        v = y - s
        if self.keeps_axes:
            return v
        # The two boundaries at which an eigenvalue of v changes its sign.
        t, size = v[:, :1], tf.norm(v[:, 1:], axis=1, keepdims=True)
        return np.sqrt(0.5) * tf.concat([t + size, t - size], axis=1)

    def turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        if self.size <= _SMALL:
            return tf.matmul(basis, part, transpose_a=transpose)
        return self._turned(basis, part, transpose)

    def _turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        sign, w = basis[:, :, :1, None], basis[:, :, 1:, None]

        def reflected(tail):
            return tail - w * tf.reduce_sum(w * tail, axis=2, keepdims=True)

        def rotated(a, b):
            half = tf.constant(np.sqrt(0.5), part.dtype)
            return [half * (a + b), half * (a - b)]

        # Zero times `sign` brings what the batch shares to the batch.
        if transpose:
            tail = reflected(part[:, :, 1:])
            top = rotated(part[:, :, :1] + 0.0 * sign, sign * tail[:, :, :1])
            return tf.concat([*top, tail[:, :, 1:]], axis=2)
        a, b = rotated(part[:, :, :1] + 0.0 * sign, part[:, :, 1:2])
        tail = reflected(tf.concat([sign * b, part[:, :, 2:] + 0.0 * sign], axis=2))
        return tf.concat([a, tail], axis=2)
