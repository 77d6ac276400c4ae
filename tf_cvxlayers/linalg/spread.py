"""Numbers of rows and columns, at each entry of matrices on a fixed pattern."""

import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import take


def at_rows(pattern: Pattern, numbers: tf.Tensor) -> tf.Tensor:
    """That of its row, of `numbers [B, m]`, for each entry: `[B, entries]`."""
    if pattern.is_full:
        return tf.tile(numbers, [1, pattern.shape[1]])
    return take(numbers, pattern.rows)


def at_columns(pattern: Pattern, numbers: tf.Tensor) -> tf.Tensor:
    """That of its column, of `numbers [B, n]`, for each entry: `[B, entries]`."""
    if pattern.is_full:
        rows = tf.tile(tf.expand_dims(numbers, 2), [1, 1, pattern.shape[0]])
        return tf.reshape(rows, [-1, pattern.size])
    return take(numbers, pattern.columns)
