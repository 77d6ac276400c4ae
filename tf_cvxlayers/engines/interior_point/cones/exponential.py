"""The exponential cone, by the barrier of its dual

    f*(z) = -log psi - log(-z1) - log z3,    psi = z2 - z1 - z1 log(-z3 / z1)

(Goulart and Chen, "Clarabel", arXiv 2405.12762, section on nonsymmetric cones; Serrano,
"Algorithms for unsymmetric cone optimization and an implementation for problems with
the exponential cone", 2015).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.barrier import Barrier, Terms
from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.optimality.cones import exponential

_STEPS = 3


@dataclasses.dataclass(frozen=True)
class Exponential(Barrier):
    """The exponential cone."""

    weights = (1.0, 0.0, 1.0)
    positive_rows = (1, 2)

    @property
    def identity(self) -> np.ndarray:
        return np.array([-1.0513839437502289, 0.5564096186043384, 1.2589678864644603])

    @property
    def from_dual(self) -> np.ndarray:
        return exponential.Exponential().from_dual()

    def surface(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y, z = tf.unstack(v)
        log = evenly(tf.math.log, z / y)
        gradient = tf.stack([-tf.ones_like(x), log - 1.0, y / z])
        return y * log - x, gradient

    def terms(self, z: tf.Tensor) -> Terms:
        z1, z2, z3 = tf.unstack(z)
        log = evenly(tf.math.log, -z3 / z1)
        one, zero = tf.ones_like(z1), tf.zeros_like(z1)
        ratio = z1 / z3
        top, side = 1.0 / z1, -1.0 / z3
        none = tf.stack([zero, zero, zero])
        first, last = tf.stack([top, zero, side]), tf.stack([side, zero, -ratio * side])
        return Terms(
            z2 - z1 - z1 * log,
            tf.stack([-log, one, -ratio]),
            tf.stack([first, none, last]),
        )

    def third(self, z: tf.Tensor, u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        z1, _, z3 = tf.unstack(z)
        u, v = tf.unstack(u), tf.unstack(v)
        first, last = u[0] / z1, u[2] / z3
        other_first, other_last = v[0] / z1, v[2] / z3
        top = last * other_last - first * other_first
        mixed = first * other_last + last * other_first
        bottom = (mixed - 2.0 * last * other_last) * (z1 / z3)
        return tf.stack([top, tf.zeros_like(top), bottom])

    def shadow(self, s: tf.Tensor) -> tf.Tensor:
        """With `w + log w = 1 - s1 / s2 + log(s3 / s2)`."""
        x, y, z = tf.unstack(s)
        log = evenly(tf.math.log, z / y)
        w = _omega(1.0 - x / y + log)
        first = -1.0 / ((w - 1.0) * y)
        second = first + first * (evenly(tf.math.log, w) - log) + 1.0 / y
        return tf.stack([first, second, w / ((w - 1.0) * z)])


def _omega(x: tf.Tensor) -> tf.Tensor:
    """The `w` with `w + log w = x`, for `x` from one on (Fritsch, Shafer, Crowley,
    "Solution of the transcendental equation w e^w = x", 1973)."""
    w = x - evenly(tf.math.log, tf.maximum(x, 1.0)) * x / (1.0 + x)
    for _ in range(_STEPS):
        missing = x - w - evenly(tf.math.log, w)
        up = 1.0 + w
        both = up * (up + missing * (2.0 / 3.0))
        w = w * (1.0 + missing / up * (both - 0.5 * missing) / (both - missing))
    return w
