"""How well a point satisfies the optimality conditions, for each batch element.

Each residual is relative: its largest entry over one plus the largest entry of the
terms it is the sum of, the measure that Clarabel and SCS stop by.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.optimality.matrices import Matrices, SparseMatrices


class Residuals(NamedTuple):
    """Relative residuals, float64 `[B]` each.

    primal: of `A x + s = b`. dual: of `P x + A'y + q = 0`.
    gap: of `x'P x + q'x + b'y = 0`.
    """

    primal: tf.Tensor
    dual: tf.Tensor
    gap: tf.Tensor

    def largest(self) -> tf.Tensor:
        """The largest of the three, `[B]`."""
        return tf.reduce_max(tf.stack(self), axis=0)


def residuals(
    matrices: Matrices | SparseMatrices, x: tf.Tensor, y: tf.Tensor, s: tf.Tensor
) -> Residuals:
    """The residuals of `(x, y, s)`. Whether `s` and `y` lie in their cones is the
    engine's promise, and not looked at."""
    Ax, Px, Aty = matrices.A.times(x), matrices.P.times(x), matrices.A.transposed(y)
    xPx, qx, by = (
        tf.reduce_sum(left * right, axis=1, keepdims=True)
        for left, right in ((x, Px), (matrices.q, x), (matrices.b, y))
    )
    return Residuals(
        primal=_relative(Ax, s, -matrices.b),
        dual=_relative(Px, Aty, matrices.q),
        gap=_relative(xPx, qx, by),
    )


def _relative(*terms: tf.Tensor) -> tf.Tensor:
    miss = _largest(total(*terms))
    return miss / (1.0 + functools.reduce(tf.maximum, map(_largest, terms)))


def _largest(value: tf.Tensor) -> tf.Tensor:
    if value.shape[1] == 0:
        return tf.zeros([tf.shape(value)[0]], value.dtype)
    return tf.reduce_max(tf.abs(value), axis=1)
