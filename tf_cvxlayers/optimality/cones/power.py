"""The power cone `{(x, y, z): x^a y^(1 - a) >= |z|, x, y >= 0}`.

Its surface is that of `g(x, y, z) = x^a y^(1 - a) - |z|`, which is concave; its flat
faces are `{x = 0, z = 0}` and `{y = 0, z = 0}`.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.optimality.cones.smooth import ROUNDING, SmoothCone, matrix


@dataclasses.dataclass(frozen=True)
class Power(SmoothCone):
    """The power cone of one exponent `a`, between 0 and 1."""

    a: float

    @property
    def nonnegative_rows(self) -> Sequence[int]:
        return (0, 1)

    def surface(self, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        a = self.a
        x, y, z = s[:, 0], s[:, 1], s[:, 2]
        f = self._product(s)
        zero = tf.zeros_like(x)
        gradient = tf.stack([a * f / x, (1.0 - a) * f / y, -tf.sign(z)], axis=1)
        k = a * (1.0 - a) * f
        rows = [
            [-k / (x * x), k / (x * y), zero],
            [k / (x * y), -k / (y * y), zero],
            [zero, zero, zero],
        ]
        return gradient, matrix(rows)

    def from_dual(self) -> np.ndarray:
        # (u, v, w) is in the dual cone when (u / a, v / (1 - a), w) is in the cone.
        return np.diag([1.0 / self.a, 1.0 / (1.0 - self.a), 1.0])

    def on_sides(self, v: tf.Tensor) -> tf.Tensor:
        return v[:, :2]

    def last_on_surface(self, s: tf.Tensor) -> tf.Tensor:
        return tf.sign(s[:, 2]) * self._product(s)

    def on_face(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        active = super().on_face(y, s)
        held = tf.reduce_max(active[:, :2], axis=1)
        return tf.stack([active[:, 0], active[:, 1], held], axis=1)

    def _product(self, s: tf.Tensor) -> tf.Tensor:
        """`x^a y^(1 - a)`, `[C]`."""
        x = evenly(lambda value: tf.pow(value, self.a), s[:, 0])
        return x * evenly(lambda value: tf.pow(value, 1.0 - self.a), s[:, 1])

    def contains(self, s: tf.Tensor) -> tf.Tensor:
        little = ROUNDING * tf.reduce_max(tf.abs(s), axis=1)
        signs = tf.reduce_all(s[:, :2] >= -tf.expand_dims(little, 1), axis=1)
        positive = tf.concat([tf.nn.relu(s[:, :2]), s[:, 2:]], axis=1)
        return signs & (self._product(positive) + little >= tf.abs(s[:, 2]))
