"""How far a solution is from a kink: from where the derivative of a projection jumps.

Which side each row is on, active or inactive, follows from `v = y - s` at a solution
(see `cones.protocol`). Where a row is on neither, the solution is not strictly
complementary, and has no derivative. Each kind of cone knows how far `v` is from there.
Here that is brought into units in which one is typical, so that it means the same
however the problem is stated:

* A row of `A` is divided by its length `a`, which the rows of a curved cone have
  together, the largest: `s/a` is a length in the space of `x`, and `a y` what the row
  adds to the gradient of the objective.
* The unit of `s/a` is the largest entry of `x`. Where all are small, it is the smallest
  `|b|/a`, or the size `|q|/|P|` at which the terms of the objective balance, whichever
  is less: bounds that are far away, and a little curvature, say nothing of `x`.
* The unit of `a y` is the largest entry of the terms of `P x + q + A'y`; without `q`,
  that of `P` times the unit of `x`.

The margin of `c` times the objective is the same, and so are those of rows times `c`,
of `c` times `x` and `b`, and of the problem in which `x` is measured in another unit.
"""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.sparse_matrices import SparseRows
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.cones.product import (
    next_to_another,
    one_by_one,
    over_each,
    side_by_side,
)
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.optimality.matrices import SparseMatrices
from tf_cvxlayers.program.cones import ConeDims


def margin(distances: tf.Tensor) -> tf.Tensor:
    """The smallest of the `distances`, `[B]`; infinite where there are none."""
    return tf.reduce_min(distances, axis=1)


def distances(
    dims: ConeDims, matrices: SparseMatrices, x: tf.Tensor, y: tf.Tensor, s: tf.Tensor
) -> tf.Tensor:
    """How far the solutions `x [B, n]`, `y, s [B, m]` are from each kink: at least
    zero, `[B, k]`, for the rows that `first_rows` lists."""
    if not dims.size:
        return y
    lengths = _lengths(dims, matrices.A)
    unit_x, gradient = _units(matrices, lengths, x, y)
    y, s = y * lengths / gradient, s / (lengths * unit_x)
    parts = []
    for run in dims.runs:
        found = geometry_of(run).distances(*one_by_one(run, y, s))
        parts.append(next_to_another(run, found))
    return side_by_side(parts, y)


def first_rows(dims: ConeDims) -> np.ndarray:
    """The first, or the only, row that each of the `distances` is about: `[k]`."""
    rows = [np.zeros(0, np.int64)]
    for run in dims.runs:
        step = 1 if geometry_of(run).keeps_axes else run.rows
        rows.append(np.arange(run.start, run.start + run.size, step))
    return np.concatenate(rows)


def _lengths(dims: ConeDims, A: SparseRows) -> tf.Tensor:
    """The length of each row, or the largest in its cone, `[1 or B, m]`; one for rows
    without entries."""
    squares = SparseRows(A.pattern, A.values * A.values)
    rows = tf.sqrt(squares.times(tf.ones([1, A.pattern.shape[1]], A.values.dtype)))
    rows = over_each(dims, rows, lambda run: geometry_of(run).keeps_axes)
    return tf.where(rows > 0, rows, tf.ones_like(rows))


def _units(
    matrices: SparseMatrices, lengths: tf.Tensor, x: tf.Tensor, y: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The units of `x` and of the gradient of the objective, `[B, 1]`; one where all
    data are zero, whose solutions are rounding."""
    P, A, b = matrices.P, matrices.A, tf.abs(matrices.b) / lengths
    infinity = tf.constant(np.inf, b.dtype)
    nearest = tf.reduce_min(tf.where(b > 0, b, infinity), axis=1, keepdims=True)
    curvature, linear = _top(P.values), _top(matrices.q)
    balance = tf.where((curvature > 0) & (linear > 0), linear / curvature, infinity)
    least = tf.minimum(nearest, balance)
    known = tf.math.is_finite(least)
    unit_x = tf.where(known, tf.maximum(least, _top(x)), tf.ones_like(least))
    linear = tf.where(linear > 0, linear, curvature * unit_x)
    terms = [_top(P.times(x)), _top(A.transposed(y))]
    gradient = tf.maximum(linear, tf.maximum(*terms))
    return unit_x, tf.where(linear > 0, gradient, tf.ones_like(gradient))


def _top(value: tf.Tensor) -> tf.Tensor:
    return tf.expand_dims(largest(value), 1)
