"""The largest entry in each row and column of matrices on a fixed pattern; what is
typical of the numbers of a vector."""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import as_indices, take


def column_largest(pattern: Pattern, sizes: tf.Tensor) -> tf.Tensor:
    """The largest of the `sizes [B, entries]`, none negative, in each column: `[B, n]`;
    zero where there is none."""
    if pattern.is_full:
        by_column = tf.reshape(sizes, [-1, pattern.shape[1], pattern.shape[0]])
        return tf.reduce_max(by_column, axis=2)
    return _largest(sizes, pattern.columns, pattern.shape[1])


def row_largest(pattern: Pattern, sizes: tf.Tensor) -> tf.Tensor:
    """The same in each row, `[B, m]`."""
    if pattern.is_full:
        by_column = tf.reshape(sizes, [-1, pattern.shape[1], pattern.shape[0]])
        return tf.reduce_max(by_column, axis=1)
    return _largest(sizes, pattern.rows, pattern.shape[0])


def typical(values: tf.Tensor) -> tf.Tensor:
    """The lower median of the sizes that are not zero, `[B, 1]`; one without any."""
    if values.shape[1] == 0:
        return tf.ones_like(tf.reduce_sum(values, axis=1, keepdims=True))
    size = tf.abs(values)
    infinity = tf.constant(float("inf"), size.dtype)
    in_order = tf.sort(tf.where(size > 0, size, infinity), axis=1)
    count = tf.reduce_sum(tf.cast(size > 0, tf.int32), axis=1, keepdims=True)
    middle = tf.gather(in_order, tf.maximum(count - 1, 0) // 2, axis=1, batch_dims=1)
    return tf.where(tf.math.is_finite(middle), middle, tf.ones_like(middle))


def _largest(sizes: tf.Tensor, groups: np.ndarray, count: int) -> tf.Tensor:
    """The largest in each of `count` groups, from a table with one line a group."""
    if groups.size == 0:
        return tf.zeros([tf.shape(sizes)[0], count], sizes.dtype)
    each = np.bincount(groups, minlength=count)
    width = int(each.max())
    if count * width <= 2 * groups.size + count:
        order = np.argsort(groups, kind="stable")
        place = np.arange(groups.size) - np.repeat(np.cumsum(each) - each, each)
        table = np.full((count, width), groups.size)
        table[groups[order], place] = order
        if width == 1 and np.array_equal(table[:, 0], np.arange(groups.size)):
            return sizes
        filled = tf.pad(sizes, [[0, 0], [0, 1]])
        entries = take(filled, table.ravel())
        return tf.reduce_max(tf.reshape(entries, [-1, count, width]), axis=2)
    # Of groups of very different sizes the table would be mostly empty.
    by_group = tf.math.unsorted_segment_max(
        tf.transpose(sizes), as_indices(groups), count
    )
    return tf.nn.relu(tf.transpose(by_group))
