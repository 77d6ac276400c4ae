"""Vectors and matrices of three rows, many at a time.

A vector is `[3, B, k, cones]`, k of them for each element and cone, and a matrix
`[3, 3, B, 1, cones]`: every operation is on numbers that lie next to each other.
"""

import tensorflow as tf


def components(v: tf.Tensor, cones: int) -> tf.Tensor:
    """`[B, k, 3 * cones]` to `[3, B, k, cones]`."""
    # A transposition takes five times as long.
    return tf.stack(tf.unstack(tf.reshape(v, [-1, v.shape[1], cones, 3]), axis=3))


def side_by_side(v: tf.Tensor) -> tf.Tensor:
    """`[3, B, k, cones]` to `[B, k, 3 * cones]`."""
    _, _, k, cones = v.shape
    return tf.reshape(tf.stack(tf.unstack(v), axis=3), [-1, k, 3 * cones])


def dot(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The inner products, `[B, k, cones]`."""
    return tf.reduce_sum(u * v, axis=0)


def cross(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The cross products."""
    turned = [1, 2, 0]
    a, b = tf.gather(u, turned), tf.gather(v, turned)
    return tf.gather(u * b - a * v, turned)


def times(matrix: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The products of matrices and vectors."""
    return tf.reduce_sum(matrix * v[None], axis=1)


def transposed_times(matrix: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The products of transposed matrices and vectors."""
    return tf.reduce_sum(matrix * v[:, None], axis=0)


def cholesky(M: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`L` with `M = L L'`, and its inverse."""
    a = tf.sqrt(M[0, 0])
    b, c = M[1, 0] / a, M[2, 0] / a
    d = tf.sqrt(M[1, 1] - b * b)
    e = (M[2, 1] - b * c) / d
    f = tf.sqrt(M[2, 2] - c * c - e * e)
    zero = tf.zeros_like(a)
    L = [[a, zero, zero], [b, d, zero], [c, e, f]]
    a, d, f = 1.0 / a, 1.0 / d, 1.0 / f
    b, e = -b * a * d, -e * d * f
    c = -(c * a + L[2][1] * b) * f
    inverse = [[a, zero, zero], [b, d, zero], [c, e, f]]
    return tuple(tf.stack([tf.stack(row) for row in matrix]) for matrix in (L, inverse))
