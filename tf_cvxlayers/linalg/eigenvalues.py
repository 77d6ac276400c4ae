"""Eigenvalues of a batch in which one element may be NaN."""

import tensorflow as tf


def eigenvalues(matrices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Eigenvalues and eigenvectors of symmetric matrices `[..., k, k]`, as of `eigh`.

    TensorFlow raises for the whole batch when one element is not finite; here such an
    element is replaced by zero.
    """
    return tf.linalg.eigh(_finite(matrices))


def smallest_eigenvalue(matrices: tf.Tensor) -> tf.Tensor:
    """That of symmetric matrices `[..., k, k]`; one that is not finite is replaced by
    zero."""
    return tf.linalg.eigvalsh(_finite(matrices))[..., 0]


def _finite(matrices: tf.Tensor) -> tf.Tensor:
    finite = tf.reduce_all(tf.math.is_finite(matrices), axis=[-2, -1], keepdims=True)
    return tf.where(finite, matrices, tf.zeros_like(matrices))
