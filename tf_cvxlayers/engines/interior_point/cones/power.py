"""The power cone of an exponent `a`, by the barrier of its dual

    f*(z) = -log psi - (1 - a) log z1 - a log z2,
    psi = (z1 / a)^(2 a) (z2 / (1 - a))^(2 - 2 a) - z3^2

(Goulart and Chen, "Clarabel", arXiv 2405.12762, section on nonsymmetric cones).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.barrier import Barrier, Terms
from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.optimality.cones import power

_STEPS = 8
# Relative to a point of the cone, a last row that counts as zero.
_NONE = 1e-100


@dataclasses.dataclass(frozen=True)
class Power(Barrier):
    """The power cone of an exponent between 0 and 1."""

    a: float

    positive_rows = (0, 1)

    @property
    def weights(self) -> tuple[float, ...]:
        return 1.0 - self.a, self.a, 0.0

    @property
    def identity(self) -> np.ndarray:
        return np.array([np.sqrt(1.0 + self.a), np.sqrt(2.0 - self.a), 0.0])

    @property
    def from_dual(self) -> np.ndarray:
        return power.Power(self.a).from_dual()

    def surface(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y, z = tf.unstack(v)
        mean = _power(x, self.a) * _power(y, 1.0 - self.a)
        gradient = [self.a * mean / x, (1.0 - self.a) * mean / y, -tf.sign(z)]
        return mean - tf.abs(z), tf.stack(gradient)

    def terms(self, z: tf.Tensor) -> Terms:
        a, b = 2.0 * self.a, 2.0 - 2.0 * self.a
        z1, z2, z3 = tf.unstack(z)
        phi = self._phi(z)
        first, second = phi / z1, phi / z2
        zero = tf.zeros_like(z1)
        mixed = a * b * first / z2
        rows = [
            [a * (a - 1.0) * first / z1, mixed, zero],
            [mixed, b * (b - 1.0) * second / z2, zero],
            [zero, zero, zero - 2.0],
        ]
        return Terms(
            phi - z3 * z3,
            tf.stack([a * first, b * second, -2.0 * z3]),
            tf.stack([tf.stack(row) for row in rows]),
        )

    def third(self, z: tf.Tensor, u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        a, b = 2.0 * self.a, 2.0 - 2.0 * self.a
        z1, z2, _ = tf.unstack(z)
        u1, u2, _ = tf.unstack(u)
        v1, v2, _ = tf.unstack(v)
        u1, u2, v1, v2 = u1 / z1, u2 / z2, v1 / z1, v2 / z2
        mixed = u1 * v2 + u2 * v1
        ab = a * b
        first = a * (a - 1.0) * ((a - 2.0) * u1 * v1 + b * mixed)
        first = first + ab * (b - 1.0) * u2 * v2
        second = b * (b - 1.0) * ((b - 2.0) * u2 * v2 + a * mixed)
        second = second + ab * (a - 1.0) * u1 * v1
        phi = self._phi(z)
        return tf.stack([phi * first / z1, phi * second / z2, tf.zeros_like(phi)])

    def shadow(self, s: tf.Tensor) -> tf.Tensor:
        """With `t = -s3 z3`, `z1 s1 = 1 + a + a t` and `z2 s2 = 2 - a + (1 - a) t`, and
        `psi = 2 t / s3^2` is an equation for `t`."""
        a = self.a
        x, y, last = tf.unstack(s)
        mean = _power(x, a) * _power(y, 1.0 - a)
        size = tf.maximum(tf.abs(last), _NONE * mean)
        missing = 2.0 * evenly(tf.math.log, mean / size)
        t = evenly(tf.exp, self._log_of_shadow(missing))
        third = -t / tf.where(last < 0, -size, size)
        return tf.stack([(1.0 + a + a * t) / x, (2.0 - a + (1.0 - a) * t) / y, third])

    def _log_of_shadow(self, right: tf.Tensor) -> tf.Tensor:
        """The `log t` where a falling convex function is `right`, by Newton's method
        from its two asymptotes."""
        a, b = self.a, 1.0 - self.a
        at_zero = 2.0 * (a * np.log((1.0 + a) / a) + b * np.log((1.0 + b) / b))
        small = at_zero - np.log(2.0) - right
        # Far out it is `4 / t`.
        log_t = tf.minimum(small, evenly(tf.math.log, 4.0 / right))
        for _ in range(_STEPS):
            t = evenly(tf.exp, log_t)
            logs = [
                evenly(tf.math.log, value)
                for value in ((1.0 + a) / a + t, (1.0 + b) / b + t, 2.0 + t)
            ]
            value = 2.0 * (a * logs[0] + b * logs[1]) - logs[2] - log_t - right
            slope = 2.0 * (a / ((1.0 + a) / a + t) + b / ((1.0 + b) / b + t))
            slope = (slope - 1.0 / (2.0 + t)) * t - 1.0
            log_t = log_t - value / slope
        return log_t

    def _phi(self, z: tf.Tensor) -> tf.Tensor:
        first = _power(z[0] / self.a, 2.0 * self.a)
        return first * _power(z[1] / (1.0 - self.a), 2.0 - 2.0 * self.a)


def _power(value: tf.Tensor, exponent: float) -> tf.Tensor:
    return evenly(lambda number: tf.pow(number, exponent), value)
