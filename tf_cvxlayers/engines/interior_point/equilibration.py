"""Units for variables and rows in which the entries of the matrices are near one.

Ruiz' iteration ("A scaling algorithm to equilibrate both rows and columns norms in
matrices", 2001): every row and column of `[P, A'; A, 0]` is divided by the square root
of its largest entry. The units are powers of two, so nothing is rounded. With

    x = d x',   y = e y',   s = s' / e,

the program in the new units has `P' = d P d`, `q' = d q`, `A' = e A d`, `b' = e b`.
Rows of one curved cone have one unit.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.program.cones import KINDS, ConeDims

_PASSES = 2


class Equilibration(NamedTuple):
    """The units of variables, `d [1 or B, n]`, and of rows, `e [1 or B, m]`."""

    d: tf.Tensor
    e: tf.Tensor


def equilibrated(dims: ConeDims, matrices: Matrices) -> tuple[Matrices, Equilibration]:
    """The program in new units, and these units."""
    P, q, A, b = matrices
    # A matrix that is shared by the batch stays so, and P has no say then.
    with_P = batch_size(A.tensors()) != 1 or batch_size(P.tensors()) == 1
    d, e = tf.ones([1, q.shape[1]], q.dtype), tf.ones([1, b.shape[1]], b.dtype)
    for _ in range(_PASSES):
        columns = A.column_largest()
        if with_P:
            columns = tf.maximum(columns, P.column_largest())
        new_d, new_e = _unit(columns), _unit(_by_cone(dims, A.row_largest()))
        P, A = P.scaled(new_d), A.scaled(new_e).columns_scaled(new_d)
        d, e = d * new_d, e * new_e
    return Matrices(P, d * q, A, e * b), Equilibration(d, e)


def _by_cone(dims: ConeDims, rows: tf.Tensor) -> tf.Tensor:
    """The largest among the rows of each curved cone, for each of them: `[B, m]`."""
    if dims.is_polyhedral:
        return rows
    parts = []
    for run in dims.runs:
        part = rows[:, run.span]
        if not KINDS[run.kind].is_flat:
            each = tf.reshape(part, [-1, run.number, run.rows])
            largest = tf.reduce_max(each, axis=2, keepdims=True)
            each = largest * tf.ones([1, 1, run.rows], rows.dtype)
            part = tf.reshape(each, [-1, run.size])
        parts.append(part)
    return tf.concat(parts, axis=1)


_EXPONENT = np.uint64(0x7FF0000000000000).astype(np.int64)


def _unit(largest: tf.Tensor) -> tf.Tensor:
    """A power of two near `1 / sqrt(largest)`; one where there is nothing."""
    # Not rsqrt, whose last bit depends on where in the batch a number is.
    root = 1.0 / tf.sqrt(largest)
    bits = tf.bitwise.bitwise_and(tf.bitcast(root, tf.int64), _EXPONENT)
    power = tf.bitcast(bits, root.dtype)
    return tf.where((largest > 0) & tf.math.is_finite(largest), power, 1.0)
