"""The exponential cone, the closure of `{(x, y, z): y exp(x / y) <= z, y > 0}`.

Its surface is that of `g(x, y, z) = y log(z / y) - x`, which is concave; its flat face
is `{x <= 0, y = 0, z >= 0}`.
"""

import tensorflow as tf

from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.optimality.cones.smooth import SmoothCone, matrix


class Exponential(SmoothCone):
    """The exponential cone."""

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

    def last_on_surface(self, s: tf.Tensor) -> tf.Tensor:
        return s[:, 1] * evenly(tf.exp, s[:, 0] / s[:, 1])
