"""A program as it is seen from a point near its solution.

With `x = x0 + x'`, the program in `x'` has

    q' = q + P x0,     b' = b - A x0,

the same `P`, `A`, `y` and `s`: cones do not mind (Gleixner, Steffy and Wolter,
"Iterative refinement for linear programming", 2016, section 3, with a quadratic
objective). Far from the origin the terms of both differences nearly cancel, and what is
left of them has to be exact. So `x0` is a point of few digits, and the entries of `P`
and `A` are cut into slices of as few (`linalg.slices`).
"""

import tensorflow as tf

from tf_cvxlayers.linalg.slices import cut
from tf_cvxlayers.linalg.sparse import matvec, symmetric_matvec
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure


def viewpoints_near(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A point near `x [B, n]`, and one near what is left of it, of few digits both; the
    origin for what is not finite."""
    finite = tf.reduce_all(tf.math.is_finite(x), axis=1, keepdims=True)
    first, second, _ = cut(tf.where(finite, x, tf.zeros_like(x)))
    return first, second


def seen_from(structure: ConeStructure, data: ConeData, x0: tf.Tensor) -> ConeData:
    """The data of the program in `x - x0`, for a point of few digits."""
    q, b = data.q + tf.zeros_like(x0), data.b
    for part in cut(data.P):
        q = q + symmetric_matvec(structure.P, part, x0)
    for part in cut(data.A):
        b = b - matvec(structure.A, part, x0)
    return data._replace(q=q, b=b)
