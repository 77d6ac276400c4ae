"""Units for variables and rows in which the entries of the matrices are near one.

Given `d [n]` and `e [m]`, with one `e` for each curved cone, the matrices become
`d P d` and `e A d`. All are powers of two, so that nothing is rounded.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.linalg.extremes import column_largest, row_largest
from tf_cvxlayers.linalg.powers_of_two import exponent, power_of_two, two_to
from tf_cvxlayers.linalg.sparse import sum_by_row, take
from tf_cvxlayers.linalg.spread import at_columns, at_rows
from tf_cvxlayers.optimality.cones.product import over_each
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure
from tf_cvxlayers.program.cones import KINDS, ConeDims
from tf_cvxlayers.runtime.rarely import rarely

# From a program to `d [1 or B, n]` and `e [1 or B, m]`.
Equilibrated = Callable[[ConeStructure, ConeData], tuple[tf.Tensor, tf.Tensor]]

# Of the iteration for means.
_PASSES = 8
# Columns whose largest entries have this ratio are far apart.
_FAR_APART = 4096.0


def as_they_are(
    structure: ConeStructure, data: ConeData
) -> tuple[tf.Tensor, tf.Tensor]:
    """The units that a program is in."""
    return (
        tf.ones([1, structure.n], tf.float64),
        tf.ones([1, structure.m], tf.float64),
    )


def as_they_need(
    structure: ConeStructure, data: ConeData
) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows divided by their largest entries, columns of `[P, A'; A, 0]` by the square
    root of theirs (Ruiz, "A scaling algorithm to equilibrate both rows and columns
    norms in matrices", 2001), and rows once more. Where columns are far apart that is
    not enough, and it is done `by_means`. A row with a single entry has nothing to say
    of the unit of its variable, if it has a unit of its own.

    A matrix that is shared by the batch stays so, and `P` has no say then.
    """
    P, A = tf.abs(data.P), tf.abs(data.A)
    e = _inverse(_largest_rows(structure, A))
    general = _in_general_rows(structure, A * at_rows(structure.A, e))
    columns = column_largest(structure.A, general)
    if _has_P_a_say(data):
        columns = tf.maximum(columns, column_largest(structure.P, P))
        # Of a matrix that need not be stored as a symmetric one.
        if not structure.P.is_diagonal:
            columns = tf.maximum(columns, row_largest(structure.P, P))
    d = _inverse(tf.sqrt(columns))
    rows = _largest_rows(structure, A * at_columns(structure.A, d))
    # The power of two that is nearest: steps of an interior-point method depend on it.
    e = _inverse(np.sqrt(0.5) * rows)
    if not structure.n:
        return d, e
    infinity = tf.constant(float("inf"), columns.dtype)
    least = tf.reduce_min(tf.where(columns > 0, columns, infinity), axis=1)
    far = tf.expand_dims(_FAR_APART * least < tf.reduce_max(columns, axis=1), 1)

    def some_by_means():
        pairs = zip(by_means(structure, data), (d, e), strict=True)
        return tuple(tf.where(far, mean, own) for mean, own in pairs)

    return rarely(tf.reduce_any(far), some_by_means, lambda: (d, e))


def by_means(structure: ConeStructure, data: ConeData) -> tuple[tf.Tensor, tf.Tensor]:
    """The units in which the logarithms of the entries are nearest to zero in the sense
    of least squares (Curtis and Reid, "On the automatic scaling of matrices for
    Gaussian elimination", 1972), but for the rows, divided by their largest entries.

    They do not depend on the units of variables and rows that a program is given in. Of
    `P` the diagonal counts, up to a factor.
    """
    pattern = structure.A
    A = tf.abs(data.A)
    of_A, in_A = exponent(A), tf.cast(A > 0, A.dtype)
    counted = _in_general_rows(structure, in_A)
    of_P = in_P = tf.zeros([1, structure.n], A.dtype)
    if _has_P_a_say(data):
        of_P, in_P = _diagonal(structure, data)
    by_row, by_column = _sums(structure)
    in_rows = by_row(in_A)
    in_columns = by_column(counted) + in_P

    def balanced(k, d):
        e = _mean(by_row(in_A * (of_A + at_columns(pattern, d))), in_rows)
        gains = tf.reduce_sum(in_P * (of_P + 2.0 * d), axis=1, keepdims=True)
        gain = _mean(gains, tf.reduce_sum(in_P, axis=1, keepdims=True))
        on_columns = by_column(counted * (of_A - at_rows(pattern, e)))
        return k + 1, -_mean(on_columns + 0.5 * in_P * (of_P - gain), in_columns)

    _, d = tf.while_loop(
        lambda k, _: k < _PASSES, balanced, (0, tf.zeros_like(in_columns))
    )
    units = two_to(d)
    scaled = A * at_columns(pattern, units)
    return units, _inverse(_largest_rows(structure, scaled))


def _in_general_rows(structure: ConeStructure, A: tf.Tensor) -> tf.Tensor:
    """The entries of `A` in rows with several of them, or of curved cones; zero for
    others."""
    rows = structure.A.rows
    several = np.bincount(rows, minlength=structure.m) > 1
    for run in structure.cones.runs:
        several[run.span] |= not KINDS[run.kind].is_flat
    return A if several.all() else A * several[rows].astype(float)


def _has_P_a_say(data: ConeData) -> bool:
    return batch_size([data.A]) != 1 or batch_size([data.P]) == 1


def _mean(sums: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    return sums / tf.maximum(counts, 1.0)


def _diagonal(structure: ConeStructure, data: ConeData) -> tuple[tf.Tensor, tf.Tensor]:
    """The exponents of the diagonal of `P`, and where there are any: `[B, n]`."""
    pattern = structure.P
    entries = np.flatnonzero(pattern.rows == pattern.columns)
    values = tf.abs(take(data.P, entries))
    values = sum_by_row(values, pattern.columns[entries], structure.n)
    return exponent(values), tf.cast(values > 0, values.dtype)


def _sums(structure: ConeStructure):
    """Sums of the entries of `A` over the rows of each cone, and over each column."""
    pattern, order = structure.A, structure.A.by_row

    def by_row(values):
        sums = sum_by_row(take(values, order), pattern.rows[order], structure.m)
        return _over_cones(structure.cones, sums, tf.reduce_sum)

    def by_column(values):
        return sum_by_row(values, pattern.columns, structure.n)

    return by_row, by_column


def _largest_rows(structure: ConeStructure, A: tf.Tensor) -> tf.Tensor:
    """The largest entry in each row, or in the rows of its curved cone."""
    return _over_cones(structure.cones, row_largest(structure.A, A))


def _over_cones(
    dims: ConeDims,
    rows: tf.Tensor,
    reduced: Callable[..., tf.Tensor] = tf.reduce_max,
) -> tf.Tensor:
    """For the rows of each curved cone, their maximum or sum; others as they are."""
    return over_each(dims, rows, lambda run: KINDS[run.kind].is_flat, reduced)


def _inverse(size: tf.Tensor) -> tf.Tensor:
    """The power of two below `1 / size`; one where there is nothing."""
    return power_of_two(1.0 / size)
