"""The second-order cone `{(t, u): |u| <= t}`, its own dual.

With `v = (t, u)`: the eigenvalues of `v` in the algebra of the cone are `t + |u|` and
`t - |u|`, and the projection takes their positive parts. Its derivative has the
eigenvalues 1 or 0 for `(1, +-u/|u|)/sqrt 2`, and `(t + |u|) / (2 |u|)` for what is
orthogonal to both (Busseti, Moursi, Boyd, "Solution refinement at regular points of
conic problems", 2019, section 3).

The eigenbasis `U = (I - w w') B` is the symmetric `B` that turns `(t, u_1)` by 45
degrees, and a reflection that takes `e_1` to `-sign(u_1) u/|u|`, which is stable for
every `u`. Of a small cone it is a matrix, since one product is faster than many
operations; else `w` holds it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.sparse import take
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
    def leading_eigenvalues(self) -> int:
        return 2 if self.size > _SMALL else 0

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
        t, u = v[:, :1], v * (np.arange(self.size) > 0)
        if self.keeps_axes:
            return tf.cast(t > 0, v.dtype), None
        size = tf.norm(u, axis=1, keepdims=True)
        one = tf.ones_like(size)
        nonzero = tf.where(size > 0, size, one)
        high, low = tf.cast(size > -t, v.dtype), tf.cast(size <= t, v.dtype)
        middle = tf.clip_by_value(0.5 * (t + size) / nonzero, 0.0, 1.0)
        middle = tf.maximum(high * middle, low)
        direction = u / nonzero
        negative = direction[:, 1:2] < 0
        first, second = tf.where(negative, high, low), tf.where(negative, low, high)
        values = [first, second] + [middle] * (self.size - 2)
        w = direction + tf.where(negative, -one, one) * (np.arange(self.size) == 1)
        w = w * tf.sqrt(2.0 / tf.reduce_sum(w * w, axis=1, keepdims=True))
        if self.size > _SMALL:
            return tf.concat(values, axis=1), w
        # The first entry of `w` is zero.
        half = np.sqrt(0.5)
        wB = (
            take(w, np.r_[1, 1 : self.size])
            * np.r_[half, -half, np.ones(self.size - 2)]
        )
        basis = _rotated(np.eye(self.size)) - tf.expand_dims(w, 2) * tf.expand_dims(
            wB, 1
        )
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
        w = tf.expand_dims(basis, -1)

        def reflected(part):
            return part - w * tf.reduce_sum(w * part, axis=-2, keepdims=True)

        return _rotated(reflected(part)) if transpose else reflected(_rotated(part))


def _rotated(part: tf.Tensor) -> tf.Tensor:
    """`B M` for `M [..., rows, k]`."""
    half = tf.constant(np.sqrt(0.5), part.dtype)
    a, b = part[..., :1, :], part[..., 1:2, :]
    return tf.concat([half * (a + b), half * (a - b), part[..., 2:, :]], axis=-2)
