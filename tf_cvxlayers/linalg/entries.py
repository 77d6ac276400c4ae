"""Numbers of the entries of sparse matrices along the first axis: `[entries, B]`.

A gather then takes the numbers of the whole batch at once, and a sum adds them so.
"""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import as_indices


def gathered(values: tf.Tensor, entries: np.ndarray) -> tf.Tensor:
    """`values[entries]`."""
    return tf.gather(values, as_indices(entries))


def summed(terms: tf.Tensor, rows: np.ndarray, size: int) -> tf.Tensor:
    """`out[r]`, the sum of the terms with row `r`; `rows` is sorted."""
    if rows.size == size and np.all(rows == np.arange(size)):
        return terms
    return tf.math.unsorted_segment_sum(terms, as_indices(rows), size)


def product(
    pattern: Pattern, values: tf.Tensor, x: tf.Tensor, transpose: bool = False
) -> tf.Tensor:
    """`M x`, or `M'x`, for vectors `[B, n]` or `[B, k, n]`.

    Args:
        pattern, values: of `M`.
        x: the vectors.
        transpose: which one.
    """
    order = np.arange(pattern.size) if transpose else pattern.by_row
    rows, columns = pattern.rows[order], pattern.columns[order]
    if transpose:
        rows, columns = columns, rows
    else:
        values = gathered(values, order)
    last = len(x.shape) - 1
    first = tf.transpose(x, [last, *range(last)])
    values = tf.expand_dims(values, 2) if last == 2 else values
    terms = values * gathered(first, columns)
    result = summed(terms, rows, pattern.shape[1 if transpose else 0])
    return tf.transpose(result, [*range(1, last + 1), 0])
