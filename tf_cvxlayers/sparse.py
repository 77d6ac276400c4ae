"""Sparse linear algebra on fixed patterns, in TensorFlow ops, over a batch.

Values are `[B, entries]`, vectors `[B, n]`; a batch axis of length 1 broadcasts. Each
batch element is computed by the same sequence of operations whatever the size of the
batch, so that its result does not depend, not in the last bit, on its neighbours.
"""

import dataclasses
import functools
from collections.abc import Callable

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
    return _gathered(values, columns)


# At least as many numbers as a processor's instruction takes at once.
_LANES = 16


def evenly(function: Callable[[tf.Tensor], tf.Tensor], value: tf.Tensor) -> tf.Tensor:
    """`function` of each number, by the same instructions wherever in the batch it is.

    TensorFlow takes transcendental functions of several numbers at once, and of those
    left over at the end one by one, with another last bit. Here none are left over.
    """
    flat = tf.reshape(value, [-1])
    missing = -tf.size(flat) % _LANES
    filled = tf.pad(flat, [[0, missing]], constant_values=1.0)
    result = tf.reshape(function(filled)[: tf.size(flat)], tf.shape(value))
    result.set_shape(value.shape)
    return result


def _gathered(values: tf.Tensor, columns: np.ndarray) -> tf.Tensor:
    # Along the first axis, where TensorFlow's gradient is a few ops; along the second
    # it is so many that they take most of the time of tracing a layer.
    return tf.transpose(tf.gather(tf.transpose(values), columns))


def sum_by_row(terms: tf.Tensor, rows: np.ndarray, size: int) -> tf.Tensor:
    """`out[:, r]`, the sum of the terms with row `r`; `rows` is sorted."""
    if rows.size == size and np.all(rows == np.arange(size)):
        return terms
    if np.all(rows[1:] != rows[:-1]):
        # One term for each row that has any: put in place, not summed.
        where = np.full(size, rows.size)
        where[rows] = np.arange(rows.size)
        return _gathered(tf.pad(terms, [[0, 0], [0, 1]]), where)
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
    order = pattern.by_row
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
    order = pattern.by_row
    place = pattern.rows[order] * columns + pattern.columns[order]
    flat = sum_by_row(take(values, order), place, rows * columns)
    return tf.reshape(flat, [tf.shape(values)[0], rows, columns])


def symmetric_to_dense(pattern: Pattern, values: tf.Tensor) -> tf.Tensor:
    """The symmetric matrices `[B, n, n]` with these upper triangles."""
    upper = to_dense(pattern, values)
    return upper + tf.linalg.matrix_transpose(
        upper - tf.linalg.diag(tf.linalg.diag_part(upper))
    )


def summed_like(gradient: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The gradient `[B, k]` of these values: its sum where the batch shares them."""
    if values.shape[0] == 1:
        return tf.reduce_sum(gradient, axis=0, keepdims=True)
    return gradient


def joined(parts: list[tf.Tensor]) -> tf.Tensor:
    """The parts side by side, each repeated where only it is shared by the batch."""
    if len({part.shape[0] for part in parts}) > 1:
        batch = functools.reduce(
            tf.broadcast_dynamic_shape, [tf.shape(part)[:1] for part in parts]
        )
        parts = [
            tf.broadcast_to(part, tf.concat([batch, part.shape[1:]], axis=0))
            if part.shape[0] == 1
            else part
            for part in parts
        ]
    return tf.concat(parts, axis=1)


# A dense product wins when the sparse one has this many terms, and the dense one at
# most so many times more.
_MANY_TERMS, _DENSER = 1000, 4


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Product:
    """The product of two sparse matrices with fixed patterns."""

    left: Pattern
    right: Pattern

    @functools.cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each term: its entry on the left, on the right, and in the result."""
        right_order = self.right.by_row
        right_rows = self.right.rows[right_order]
        first = np.searchsorted(right_rows, self.left.columns, side="left")
        count = np.searchsorted(right_rows, self.left.columns, side="right") - first
        left = np.repeat(np.arange(self.left.size), count)
        offset = np.arange(left.size) - np.repeat(np.cumsum(count) - count, count)
        right = right_order[np.repeat(first, count) + offset]
        place = self.left.rows[left] + self.left.shape[0] * self.right.columns[right]
        order = np.argsort(place, kind="stable")
        return left[order], right[order], place[order]

    @functools.cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        return np.unique(self._terms[2], return_inverse=True)

    @functools.cached_property
    def pattern(self) -> Pattern:
        """Where the result has entries."""
        columns, rows = np.divmod(self._places[0], max(self.left.shape[0], 1))
        return Pattern(rows, columns, (self.left.shape[0], self.right.shape[1]))

    def __call__(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """The values of the result."""
        terms = self._terms[0].size
        dense = self.left.shape[0] * self.left.shape[1] * self.right.shape[1]
        if terms >= _MANY_TERMS and dense <= _DENSER * terms:
            full = tf.matmul(to_dense(self.left, left), to_dense(self.right, right))
            place = self.pattern.rows * self.pattern.shape[1] + self.pattern.columns
            size = self.pattern.shape[0] * self.pattern.shape[1]
            return take(tf.reshape(full, [-1, size]), place)
        products = take(left, self._terms[0]) * take(right, self._terms[1])
        return sum_by_row(products, self._places[1], self.pattern.size)
