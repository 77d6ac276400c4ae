"""The same program in units in which its numbers are near one.

Solvers stop by residuals relative to `1 + size`, which are absolute where all numbers
are small: a program in units of 1e-8 would be solved to one digit, and called solved.
And what is small beside another number is lost in a factorization. For any positive
`d [n]` and `e [m]`, with one `e` for each curved cone, and positive `beta`, `gamma`,

    x = beta d x',   s = beta s' / e,   y = gamma e y',

`(x, y, s)` solves `(P, q, A, b)` if and only if `(x', y', s')` solves

    P' = (beta / gamma) d P d,   q' = d q / gamma,   A' = e A d,   b' = e b / beta,

since cones are cones. `d` and `e` come from `equilibration`. Then `beta` brings
one into the range of the nonzero entries of `b`, and `gamma` into that of the
objective. All are powers of two, so that nothing is lost to rounding.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import summed_like
from tf_cvxlayers.linalg.extremes import typical
from tf_cvxlayers.linalg.powers_of_two import power_of_two
from tf_cvxlayers.linalg.spread import at_columns, at_rows
from tf_cvxlayers.pipeline.equilibration import Equilibrated, as_they_need
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure

# Far above one.
_MUCH = 2.0**10


class Units(NamedTuple):
    """The units of variables, slacks and duals, float64.

    Attributes:
        x: `beta d`, `[1 or B, n]`.
        y, s: `gamma e` and `beta / e`, `[1 or B, m]`.
        P, A: what entries are multiplied by, `[1 or B, entries]`.
        q, b: likewise, `d / gamma` and `e / beta`.
    """

    x: tf.Tensor
    y: tf.Tensor
    s: tf.Tensor
    P: tf.Tensor
    q: tf.Tensor
    A: tf.Tensor
    b: tf.Tensor

    def data(self, data: ConeData) -> ConeData:
        """Data in the original units, in these."""
        return ConeData(
            data.P * self.P, data.q * self.q, data.A * self.A, data.b * self.b
        )

    def original(self, solution: ConeSolution) -> ConeSolution:
        """A solution in these units, in the original ones."""
        x, y, s = solution[:3]
        return solution.at(x * self.x, y * self.y, s * self.s)

    def inside(self, solution: ConeSolution) -> ConeSolution:
        """A solution in the original units, in these."""
        x, y, s = solution[:3]
        return solution.at(x / self.x, y / self.y, s / self.s)

    def cotangent(
        self, cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """A gradient with respect to the original solution, in these units."""
        gx, gy, gs = cotangent
        return gx * self.x, gy * self.y, gs * self.s

    def gradient(self, gradient: ConeData, data: ConeData) -> ConeData:
        """A gradient with respect to the data in these units, in the original ones."""
        # What is shared by the batch in the original units need not be in these.
        return ConeData(*map(summed_like, self.data(gradient), data))


def units_of(
    structure: ConeStructure,
    data: ConeData,
    equilibrated: Equilibrated = as_they_need,
    zoom: tf.Tensor | None = None,
) -> Units:
    """The units in which the numbers of a batch are near one.

    Args:
        structure, data: the program.
        equilibrated: how `d` and `e` are found.
        zoom: how much smaller the unit of `x` and `s` is to be, a power of two; then it
            is near most of `b`, where these are far above one.
    """
    d, e = equilibrated(structure, data)
    on_P = at_rows(structure.P, d) * at_columns(structure.P, d)
    on_A = at_rows(structure.A, e) * at_columns(structure.A, d)
    P, q, b = _range(data.P * on_P), _range(data.q * d), _range(data.b * e)
    # Without offsets, or where all are far away, the size of x is that at which the
    # objective's terms balance.
    both = (P.largest > 0) & (q.largest > 0)
    balance = tf.where(both, q.largest / P.largest, tf.ones_like(P.largest))
    far = both & (b.smallest > 1.0)
    unit = b.unit()
    if zoom is not None:
        most = typical(data.b * e)
        unit = tf.where(most > _MUCH * unit, most, unit)
    offset = tf.where(far, tf.minimum(b.smallest, tf.maximum(balance, 1.0)), unit)
    beta = power_of_two(tf.where(b.largest > 0, offset, balance))
    if zoom is not None:
        beta = zoom * beta
    objective = _Range(
        tf.minimum(q.smallest, beta * P.smallest),
        tf.maximum(q.largest, beta * P.largest),
    )
    gamma = power_of_two(objective.unit())
    return Units(
        x=beta * d,
        y=gamma * e,
        s=beta / e,
        P=on_P * (beta / gamma),
        q=d / gamma,
        A=on_A,
        b=e / beta,
    )


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
