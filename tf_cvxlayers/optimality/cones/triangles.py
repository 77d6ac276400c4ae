"""Symmetric matrices as packed triangles, the rows of PSD cones (`program.cones`)."""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program.cones import svec_indices


def matrices_of(triangles: tf.Tensor, order: int) -> tf.Tensor:
    """`[B, ..., rows]`, packed triangles, to `[B, ..., order, order]`, symmetric."""
    rows, columns, scale = svec_indices(order)
    where = np.empty((order, order), np.int64)
    where[rows, columns] = where[columns, rows] = np.arange(rows.size)
    scaled = triangles / tf.constant(scale, triangles.dtype)
    full = tf.gather(scaled, where.ravel(), axis=-1)
    return tf.reshape(full, [-1, *full.shape[1:-1], order, order])


def triangles_of(matrices: tf.Tensor, order: int) -> tf.Tensor:
    """`[B, ..., order, order]`, symmetric, to `[B, ..., rows]`, packed triangles."""
    rows, columns, scale = svec_indices(order)
    flat = tf.reshape(matrices, [-1, *matrices.shape[1:-2], order * order])
    taken = tf.gather(flat, rows * order + columns, axis=-1)
    return taken * tf.constant(scale, flat.dtype)


def unpacked(packed: tf.Tensor, order: int) -> tf.Tensor:
    """`[..., rows, k]`, columns of packed triangles, to `[..., k, order, order]`."""
    return matrices_of(tf.linalg.matrix_transpose(packed), order)


def packed(matrices: tf.Tensor, order: int) -> tf.Tensor:
    """`[..., k, order, order]`, symmetric, to columns of packed triangles, `[..., rows,
    k]`."""
    return tf.linalg.matrix_transpose(triangles_of(matrices, order))
