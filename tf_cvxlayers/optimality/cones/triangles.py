"""Symmetric matrices as packed triangles, the rows of PSD cones (`program.cones`)."""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program.cones import svec_indices


def unpacked(packed: tf.Tensor, order: int) -> tf.Tensor:
    """`[..., rows, k]`, packed triangles, to `[..., k, order, order]`, symmetric."""
    rows, columns, scale = svec_indices(order)
    where = np.empty((order, order), np.int64)
    where[rows, columns] = where[columns, rows] = np.arange(rows.size)
    scaled = packed / tf.constant(scale[:, None], packed.dtype)
    full = tf.gather(tf.linalg.matrix_transpose(scaled), where.ravel(), axis=-1)
    return tf.reshape(full, [-1, *full.shape[1:-1], order, order])


def packed(matrices: tf.Tensor, order: int) -> tf.Tensor:
    """`[..., k, order, order]`, symmetric, to `[..., rows, k]`, packed triangles."""
    rows, columns, scale = svec_indices(order)
    flat = tf.reshape(matrices, [-1, *matrices.shape[1:-2], order * order])
    taken = tf.gather(flat, rows * order + columns, axis=-1)
    return tf.linalg.matrix_transpose(taken * tf.constant(scale, flat.dtype))
