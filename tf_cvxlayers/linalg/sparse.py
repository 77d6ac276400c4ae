"""Sparse linear algebra on fixed patterns, in TensorFlow ops, over a batch.

Values are `[B, entries]`, vectors `[B, n]`; a batch axis of length 1 broadcasts. Each
batch element is computed by the same sequence of operations whatever the size of the
batch, so that its result does not depend, not in the last bit, on its neighbours.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.linalg.strided_columns import blocks_of, joined

# Fewer columns than this are gathered, whatever their order.
_MANY_COLUMNS = 500


def take(values: tf.Tensor | Sequence[tf.Tensor], columns: np.ndarray) -> tf.Tensor:
    """`values[:, columns]`, without gathering where the columns follow a pattern.

    Dense blocks of a matrix, and their transposes, are taken as such.

    Args:
        values: `[1 or B, k]`, or several of these that stand side by side. Where all
            that are needed are shared by the batch, so is the result.
        columns: their numbers.
    """
    parts: list[Any] = list(values) if isinstance(values, list | tuple) else [values]
    if columns.size == 0:
        return parts[-1][:, :0]
    parts, which, columns = _needed(parts, columns)
    first, last = int(columns[0]), int(columns[-1])
    consecutive = last - first + 1 == columns.size and np.all(np.diff(columns) == 1)
    if len(parts) == 1 and consecutive:
        if columns.size == parts[0].shape[1]:
            return parts[0]
        return parts[0][:, first : last + 1]
    edges = np.cumsum([0] + [part.shape[1] for part in parts])
    columns_of_all = columns + edges[which]
    if np.array_equal(columns_of_all, np.arange(edges[-1])):
        return joined(parts)
    if columns.size >= _MANY_COLUMNS:
        blocks = blocks_of(columns, which, [part.shape[1] for part in parts])
        if blocks is not None:
            return joined([block.of(parts) for block in blocks])
    # Along the first axis, where TensorFlow's gradient is a few ops; along the second
    # it is so many that they take most of the time of tracing a layer.
    everything = tf.transpose(joined(parts))
    return tf.transpose(tf.gather(everything, as_indices(columns_of_all)))


# From so many on, numbers of rows or columns are in a graph once, however often it uses
# them: in a large program they are most of it.
_MANY_INDICES = 4096


def as_indices(numbers: np.ndarray) -> np.ndarray | tf.Tensor:
    """Numbers of rows or columns as TensorFlow takes them, in half the bytes, and in a
    graph as the tensor that they are there already."""
    small = numbers.size == 0 or numbers.max() <= np.iinfo(np.int32).max
    numbers = numbers.astype(np.int32) if small else numbers
    if numbers.size < _MANY_INDICES or tf.executing_eagerly():
        return numbers
    graph = tf.compat.v1.get_default_graph()
    # The graph's own, which graphs within it inherit: hence the name.
    kept = graph.get_collection_ref(f"tf_cvxlayers/indices/{id(graph)}")
    if not kept:
        kept.append({})
    (known,) = kept
    key = numbers.dtype, hashlib.sha256(numbers.tobytes()).digest()
    if key not in known:
        with graph.control_dependencies(None):
            known[key] = tf.constant(numbers)
    return known[key]


def _needed(
    parts: list[tf.Tensor], columns: np.ndarray
) -> tuple[list[tf.Tensor], np.ndarray, np.ndarray]:
    """The parts that have any of the columns; the part of each column, and its number
    in it."""
    edges = np.cumsum([0] + [part.shape[1] for part in parts])
    which = np.searchsorted(edges, columns, side="right") - 1
    kept, which = np.unique(which, return_inverse=True)
    return [parts[k] for k in kept], which, columns - edges[kept][which]


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


def sum_by_row(terms: tf.Tensor, rows: np.ndarray, size: int) -> tf.Tensor:
    """`out[:, r]`, the sum of the terms with row `r`; `rows` is sorted."""
    if rows.size == size and np.all(rows == np.arange(size)):
        return terms
    if np.all(rows[1:] != rows[:-1]):
        # One term for each row that has any: put in place, not summed.
        where = np.full(size, rows.size)
        where[rows] = np.arange(rows.size)
        return take(tf.pad(terms, [[0, 0], [0, 1]]), where)
    by_row = tf.math.unsorted_segment_sum(tf.transpose(terms), as_indices(rows), size)
    return tf.transpose(by_row)


def apply_map(
    linear_map: LinearMap, values: tf.Tensor | Sequence[tf.Tensor]
) -> tf.Tensor:
    """The map applied to `values`, see `take`: `[1 or B, size]`."""
    size = linear_map.shape[0]
    terms = take(values, linear_map.columns)
    if linear_map.rows.size == 0:
        return tf.zeros([tf.shape(terms)[0], size], terms.dtype)
    if np.any(linear_map.values != 1.0):
        factors = linear_map.values
        same = np.all(factors == factors[0])
        terms = terms * tf.constant(factors[:1] if same else factors, terms.dtype)
    return sum_by_row(terms, linear_map.rows, size)


def matvec(pattern: Pattern, values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`M x` for the matrix with these values."""
    if pattern.is_full:
        return tf.linalg.matvec(_by_column(pattern, values), x, transpose_a=True)
    order = pattern.by_row
    terms = take(values, order) * take(x, pattern.columns[order])
    return sum_by_row(terms, pattern.rows[order], pattern.shape[0])


def transposed_matvec(pattern: Pattern, values: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`M' y` for the matrix with these values."""
    if pattern.is_full:
        return tf.linalg.matvec(_by_column(pattern, values), y)
    terms = values * take(y, pattern.rows)
    return sum_by_row(terms, pattern.columns, pattern.shape[1])


def symmetric_matvec(pattern: Pattern, values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`P x` for the symmetric part `P` of the matrix with these values."""
    if pattern.is_diagonal:
        return matvec(pattern, values, x)
    return 0.5 * (matvec(pattern, values, x) + transposed_matvec(pattern, values, x))


def to_dense(pattern: Pattern, values: tf.Tensor) -> tf.Tensor:
    """The matrices `[B, rows, columns]`."""
    return tf.linalg.matrix_transpose(_by_column(pattern, values))


def _by_column(pattern: Pattern, values: tf.Tensor) -> tf.Tensor:
    """The transposed matrices `[B, columns, rows]`: values are in column order."""
    rows, columns = pattern.shape
    place = pattern.columns * rows + pattern.rows
    flat = sum_by_row(values, place, rows * columns)
    batch = -1 if rows * columns else tf.shape(values)[0]
    return tf.reshape(flat, [batch, columns, rows])


def symmetric_to_dense(pattern: Pattern, values: tf.Tensor) -> tf.Tensor:
    """The symmetric parts `[B, n, n]` of the matrices with these values."""
    full = to_dense(pattern, values)
    if pattern.is_diagonal:
        return full
    return 0.5 * (full + tf.linalg.matrix_transpose(full))


# A dense product wins when the sparse one has this many terms, and the dense one at
# most so many times more.
_MANY_TERMS, DENSER = 1000, 4


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Product:
    """The product of two sparse matrices with fixed patterns."""

    left: Pattern
    right: Pattern

    @functools.cached_property
    def _counted(self) -> sp.csc_array:
        """The product of matrices of ones: how many terms each entry has.

        Without a list of the terms, of which dense matrices have as many as there are
        multiplications in their product.
        """
        product = self.left.ones @ self.right.ones
        product.sort_indices()
        return product

    @functools.cached_property
    def pattern(self) -> Pattern:
        """Where the result has entries."""
        rows, starts = self._counted.indices, self._counted.indptr
        columns = np.repeat(np.arange(starts.size - 1), np.diff(starts))
        return Pattern(rows.astype(np.int64), columns, self._counted.shape)

    @property
    def counts(self) -> np.ndarray:
        """How many terms each entry has."""
        return self._counted.data

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
        _, entry = np.unique(place[order], return_inverse=True)
        return left[order], right[order], entry

    def __call__(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """The values of the product, `[1 or B, entries]`."""
        terms = int(self.counts.sum())
        dense = self.left.shape[0] * self.left.shape[1] * self.right.shape[1]
        if terms >= _MANY_TERMS and dense <= DENSER * terms:
            # (left right)' = right' left', since values are in column order.
            full = tf.matmul(_by_column(self.right, right), _by_column(self.left, left))
            size = self.pattern.shape[0] * self.pattern.shape[1]
            place = self.pattern.rows + self.pattern.columns * self.pattern.shape[0]
            return take(tf.reshape(full, [-1, size]), place)
        on_left, on_right, entry = self._terms
        products = take(left, on_left) * take(right, on_right)
        return sum_by_row(products, entry, self.pattern.size)
