"""Eigenvalues of a batch in which one element may be NaN."""

import tensorflow as tf


def eigenvalues(matrices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Eigenvalues and eigenvectors of symmetric matrices `[..., k, k]`, as of `eigh`.

    TensorFlow raises for the whole batch when one element is not finite; here such an
    element is replaced by zero.
    """
    finite = tf.reduce_all(tf.math.is_finite(matrices), axis=[-2, -1], keepdims=True)
    return tf.linalg.eigh(tf.where(finite, matrices, tf.zeros_like(matrices)))
