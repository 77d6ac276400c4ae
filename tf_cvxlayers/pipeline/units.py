"""The same program in units in which its numbers are near one.

Solvers stop by residuals relative to `1 + size`, which are absolute where all numbers
are small: a program in units of 1e-8 would be solved to one digit, and called solved.
For any positive `beta` and `gamma`, with

    x = beta x',  s = beta s',  y = gamma y',

`(x, y, s)` solves `(P, q, A, b)` if and only if `(x', y', s')` solves
`(beta/gamma P, q/gamma, A, b/beta)`, since cones are cones. Here `beta` brings one
into the range of the nonzero entries of `b`, and `gamma` into that of the objective;
both are powers of two, so that programs of ordinary size are left as they are, to the
last bit, and others lose nothing to rounding.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import summed_like
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution


class Units(NamedTuple):
    """The units: float64 `beta` and `gamma`, `[1 or B, 1]`."""

    beta: tf.Tensor
    gamma: tf.Tensor

    def data(self, data: ConeData) -> ConeData:
        """Data in the original units, in these."""
        return ConeData(
            P=data.P * (self.beta / self.gamma),
            q=data.q / self.gamma,
            A=data.A,
            b=data.b / self.beta,
        )

    def original(self, solution: ConeSolution) -> ConeSolution:
        """A solution in these units, in the original ones."""
        return solution.at(
            solution.x * self.beta, solution.y * self.gamma, solution.s * self.beta
        )

    def inside(self, solution: ConeSolution) -> ConeSolution:
        """A solution in the original units, in these."""
        return solution.at(
            solution.x / self.beta, solution.y / self.gamma, solution.s / self.beta
        )

    def cotangent(
        self, cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """A gradient with respect to the original solution, in these units."""
        gx, gy, gs = cotangent
        return gx * self.beta, gy * self.gamma, gs * self.beta

    def gradient(self, gradient: ConeData, data: ConeData) -> ConeData:
        """A gradient with respect to the data in these units, in the original ones."""
        scaled = ConeData(
            P=gradient.P * (self.beta / self.gamma),
            q=gradient.q / self.gamma,
            A=gradient.A,
            b=gradient.b / self.beta,
        )
        # What is shared by the batch in the original units need not be in these.
        return ConeData(*map(summed_like, scaled, data))


def units_of(data: ConeData) -> Units:
    """The units in which the numbers of a batch are near one."""
    P, q, b = _range(data.P), _range(data.q), _range(data.b)
    # Without offsets, the size of x is that at which the objective's terms balance.
    balance = tf.where(
        (P.largest > 0) & (q.largest > 0),
        q.largest / P.largest,
        tf.ones_like(P.largest),
    )
    beta = _power_of_two(tf.where(b.largest > 0, b.unit(), balance))
    objective = _Range(
        tf.minimum(q.smallest, beta * P.smallest),
        tf.maximum(q.largest, beta * P.largest),
    )
    return Units(beta, _power_of_two(objective.unit()))


class _Range(NamedTuple):
    """The smallest and the largest absolute value, `[B, 1]`, of what is not zero."""

    smallest: tf.Tensor
    largest: tf.Tensor

    def unit(self) -> tf.Tensor:
        """One, moved into the range; zero for an empty range."""
        return tf.minimum(tf.maximum(self.smallest, 1.0), self.largest)


def _range(values: tf.Tensor) -> _Range:
    infinity = tf.constant(float("inf"), values.dtype)
    if values.shape[1] == 0:
        zero = tf.zeros([tf.shape(values)[0], 1], values.dtype)
        return _Range(zero + infinity, zero)
    size = tf.abs(values)
    return _Range(
        tf.reduce_min(tf.where(size > 0, size, infinity), axis=1, keepdims=True),
        tf.reduce_max(size, axis=1, keepdims=True),
    )


def _power_of_two(value: tf.Tensor) -> tf.Tensor:
    """The nearest power of two; one for what has none."""
    exponent = tf.round(tf.math.log(value) / tf.math.log(tf.constant(2.0, value.dtype)))
    two = tf.pow(tf.constant(2.0, value.dtype), exponent)
    return tf.where(tf.math.is_finite(two) & (two > 0), two, tf.ones_like(two))
