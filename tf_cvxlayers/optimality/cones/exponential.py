"""The exponential cone, the closure of `{(x, y, z): y exp(x / y) <= z, y > 0}`.

Its surface is that of `g(x, y, z) = y log(z / y) - x`, which is concave; its flat face
is `{x <= 0, y = 0, z >= 0}`.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.optimality.cones.smooth import ROUNDING, SmoothCone, matrix

# From where on `y` is better known by its dual: `log(z / y)`.
_FAR = 10.0


class Exponential(SmoothCone):
    """The exponential cone."""

    @property
    def nonnegative_rows(self) -> Sequence[int]:
        return (1, 2)

    @property
    def increasing_rows(self) -> Sequence[int]:
        return (2,)

    def surface(self, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y, z = s[:, 1], s[:, 2]
        one = tf.ones_like(y)
        zero = tf.zeros_like(y)
        gradient = tf.stack([-one, evenly(tf.math.log, z / y) - 1.0, y / z], axis=1)
        rows = [
            [zero, zero, zero],
            [zero, -1.0 / y, 1.0 / z],
            [zero, 1.0 / z, -y / (z * z)],
        ]
        return gradient, matrix(rows)

    def on_surface(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        """With `r = log(z / y)`, `s` is a multiple of `(r e^-r, e^-r, 1)`, its dual of
        `(-1, r - 1, e^-r)`. Where `r` is large, `s` says of it that `e^-r` is zero to
        a solver's accuracy, and the dual what it is."""
        usual = super().on_surface(y, s)
        r = 1.0 - y[:, 1] / y[:, 0]
        far = (y[:, 0] < 0) & (r > _FAR)
        r = tf.where(far, r, tf.ones_like(r))
        tiny = evenly(tf.exp, -r)
        ray = tf.stack([r * tiny, tiny, tf.ones_like(r)], axis=1)
        return tf.where(tf.expand_dims(far, 1), s[:, 2:] * ray, usual)

    def from_dual(self) -> np.ndarray:
        # (u, v, w) is in the dual cone when -u exp(v / u) <= e w and u < 0.
        return np.array([[1.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    def last_on_surface(self, s: tf.Tensor) -> tf.Tensor:
        return s[:, 1] * evenly(tf.exp, s[:, 0] / s[:, 1])

    def contains(self, s: tf.Tensor) -> tf.Tensor:
        x, y, z = s[:, 0], s[:, 1], s[:, 2]
        little = ROUNDING * tf.reduce_max(tf.abs(s), axis=1)
        above = self.last_on_surface(s) <= z + little
        face = (y >= 0) & (y <= little) & (x <= little) & (z >= -little)
        return ((y > 0) & above) | face
