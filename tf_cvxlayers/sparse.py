"""Sparse linear algebra on fixed patterns, in TensorFlow ops, over a batch.

Values are `[B, entries]`, vectors `[B, n]`; a batch axis of length 1 broadcasts. Each
batch element is computed by the same sequence of operations whatever the size of the
batch, so that its result does not depend, not in the last bit, on its neighbours.
"""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program import LinearMap, Pattern


def take(values: tf.Tensor, columns: np.ndarray) -> tf.Tensor:
    """`values[:, columns]`, as a slice where the columns follow one another."""
    if columns.size == 0:
        return values[:, :0]
    first, last = int(columns[0]), int(columns[-1])
    if last - first + 1 == columns.size and np.all(np.diff(columns) == 1):
        if columns.size == values.shape[1]:
            return values
        return values[:, first : last + 1]
    return tf.gather(values, columns, axis=1)


def sum_by_row(terms: tf.Tensor, rows: np.ndarray, size: int) -> tf.Tensor:
    """`out[:, r]`, the sum of the terms with row `r`; `rows` is sorted."""
    if rows.size == size and np.all(rows == np.arange(size)):
        return terms
    if rows.size == np.unique(rows).size:
        # One term for each row that has any: put in place, not summed.
        where = np.full(size, rows.size)
        where[rows] = np.arange(rows.size)
        return tf.gather(tf.pad(terms, [[0, 0], [0, 1]]), where, axis=1)
    by_row = tf.math.unsorted_segment_sum(tf.transpose(terms), rows, size)
    return tf.transpose(by_row)


def apply_map(linear_map: LinearMap, values: tf.Tensor) -> tf.Tensor:
    """The map applied to `values [B, k]`: `[B, size]`."""
    size = linear_map.shape[0]
    if linear_map.rows.size == 0:
        return tf.zeros([tf.shape(values)[0], size], values.dtype)
    terms = take(values, linear_map.columns)
    if np.any(linear_map.values != 1.0):
        terms = terms * tf.constant(linear_map.values, values.dtype)
    return sum_by_row(terms, linear_map.rows, size)


def matvec(pattern: Pattern, values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`M x` for the matrix with these values."""
    order = np.argsort(pattern.rows, kind="stable")
    terms = take(values, order) * take(x, pattern.columns[order])
    return sum_by_row(terms, pattern.rows[order], pattern.shape[0])


def transposed_matvec(pattern: Pattern, values: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`M' y` for the matrix with these values."""
    terms = values * take(y, pattern.rows)
    return sum_by_row(terms, pattern.columns, pattern.shape[1])


def symmetric_matvec(pattern: Pattern, values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`P x` for the symmetric matrix whose upper triangle has these values."""
    off_diagonal = (pattern.rows != pattern.columns).astype(np.float64)
    return matvec(pattern, values, x) + transposed_matvec(
        pattern, values * off_diagonal, x
    )


def to_dense(pattern: Pattern, values: tf.Tensor) -> tf.Tensor:
    """The matrices `[B, rows, columns]`."""
    rows, columns = pattern.shape
    place = pattern.rows * columns + pattern.columns
    order = np.argsort(place)
    flat = sum_by_row(take(values, order), place[order], rows * columns)
    return tf.reshape(flat, [tf.shape(values)[0], rows, columns])


def symmetric_to_dense(pattern: Pattern, values: tf.Tensor) -> tf.Tensor:
    """The symmetric matrices `[B, n, n]` with these upper triangles."""
    upper = to_dense(pattern, values)
    return upper + tf.linalg.matrix_transpose(
        upper - tf.linalg.diag(tf.linalg.diag_part(upper))
    )
