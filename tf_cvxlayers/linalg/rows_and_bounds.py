"""A matrix of rows, of which those with a single entry stay lists of numbers.

A row of `A` with a single entry is a bound on a variable. `A'diag(w)A` of bounds is a
diagonal, and a problem that has nothing else is solved without a factorization.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.sparse import sum_by_row, take
from tf_cvxlayers.linalg.strided_columns import joined
from tf_cvxlayers.linalg.subspace import Subspace
from tf_cvxlayers.linalg.symmetric import Symmetric, like, product


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Which rows are bounds, on which variables, and which are not."""

    bounds: np.ndarray
    columns: np.ndarray
    general: np.ndarray
    n: int

    @functools.cached_property
    def order(self) -> np.ndarray:
        """From general rows, then bounds, to the order of the rows."""
        return np.argsort(np.concatenate([self.general, self.bounds]))

    @functools.cached_property
    def by_column(self) -> np.ndarray:
        """The order of the bounds by column."""
        return np.argsort(self.columns, kind="stable")

    def onto_columns(self, values: tf.Tensor) -> tf.Tensor:
        """Values of the bounds, summed to `n` by their columns."""
        order = self.by_column

        def summed(values):
            return sum_by_row(take(values, order), self.columns[order], self.n)

        return _flatly(summed, [values])


class Rows(NamedTuple):
    """A matrix `[B, m, n]` of rows.

    Attributes:
        general: `[B, rows, n]`, the rows that are not bounds, or None.
        bounds: `[B, bounds]`, the one entry of each other row, or None.
        split: which are which.
        within: the subspace that the columns are projected onto, of bounds only.
    """

    general: tf.Tensor | None
    bounds: tf.Tensor | None
    split: Split
    within: Subspace | None = None

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """`A x` for vectors."""
        if self.bounds is None:
            return product(self.general, x)
        split = self.split
        parts = [like(self.bounds, x) * _taken([x], split.columns)]
        if self.general is not None:
            parts.insert(0, product(self.general, x))
        return _taken(parts, split.order)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        """`A' y` for vectors."""
        if self.bounds is None:
            return product(self.general, y, transpose=True)
        split = self.split
        part = _taken([y], split.bounds)
        if self.general is None:
            image = split.onto_columns(like(self.bounds, y) * part)
            return image if self.within is None else self.within.project(image)
        # A difference, for what `sums` says.
        rest = product(self.general, _taken([y], split.general), transpose=True)
        return rest - split.onto_columns(like(-self.bounds, y) * part)

    def scaled(self, rows: tf.Tensor, columns: tf.Tensor | None = None) -> "Rows":
        """`diag(rows) A diag(columns)`."""
        general, bounds = self.general, self.bounds
        if general is not None:
            general = take(rows, self.split.general)[:, :, None] * general
        if bounds is not None:
            bounds = take(rows, self.split.bounds) * bounds
        if columns is not None and general is not None:
            general = general * columns[:, None, :]
        if columns is not None and bounds is not None:
            bounds = bounds * take(columns, self.split.columns)
        return Rows(general, bounds, self.split, self.within)

    def gram(self, weighted: "Rows") -> Symmetric:
        """`A'W A`, given `W A`."""
        parts = []
        if self.general is not None:
            full = tf.matmul(self.general, weighted.general, transpose_a=True)
            parts.append(Symmetric(None, full))
        if self.bounds is not None:
            diagonal = self.split.onto_columns(self.bounds * weighted.bounds)
            parts.append(Symmetric(diagonal, None))
        return functools.reduce(Symmetric.plus, parts)

    def batch(self) -> int | None:
        """The size of the batch axis, None where it is unknown."""
        values: Any = self.bounds if self.general is None else self.general
        return values.shape[0]

    def row_norms(self) -> tf.Tensor:
        """The squared norm of each row, `[B, m]`."""
        return self._by_row(tf.square, tf.reduce_sum)

    def row_largest(self) -> tf.Tensor:
        """The largest absolute value of each row, `[B, m]`."""
        return self._by_row(tf.abs, tf.reduce_max)

    def _by_row(
        self, of_entry: Callable[..., tf.Tensor], of_row: Callable[..., tf.Tensor]
    ) -> tf.Tensor:
        parts = []
        if self.general is not None:
            parts.append(of_row(of_entry(self.general), axis=2))
        if self.bounds is not None:
            parts.append(of_entry(self.bounds))
        return take(parts, self.split.order)

    def column_largest(self) -> tf.Tensor:
        """The largest absolute value of each column, `[B, n]`."""
        parts = []
        if self.general is not None:
            parts.append(tf.reduce_max(tf.abs(self.general), axis=1))
        if self.bounds is not None:
            # Of several bounds on a variable their sum is near enough.
            parts.append(self.split.onto_columns(tf.abs(self.bounds)))
        return functools.reduce(tf.maximum, parts)

    def bounds_only(self) -> "Rows":
        """Without the general rows."""
        columns = self.split.columns
        none, each = np.zeros(0, np.int64), np.arange(columns.size)
        split = Split(each, columns, none, self.split.n)
        return Rows(None, self.bounds, split, self.within)

    def dense(self) -> tf.Tensor:
        """The matrix, `[B, m, n]`."""
        if self.bounds is None:
            return self.general
        split = self.split
        place = np.arange(split.columns.size) * split.n + split.columns
        size = split.columns.size * split.n
        flat = sum_by_row(self.bounds, place, size)
        rows = tf.reshape(flat, [-1, split.columns.size, split.n])
        parts = [rows] if self.general is None else [self.general, rows]
        return tf.gather(joined(parts), split.order, axis=1)


def _taken(parts: list[tf.Tensor], columns: np.ndarray) -> tf.Tensor:
    """`take` for vectors."""
    return _flatly(lambda *parts: take(parts, columns), parts)


def _flatly(function: Callable[..., tf.Tensor], vectors: list[tf.Tensor]) -> tf.Tensor:
    """A function of vectors `[B, n]`, of several for each element `[B, k, n]`."""
    if len(vectors[0].shape) == 2:
        return function(*vectors)
    flat = [tf.reshape(v, [-1, v.shape[2]]) for v in vectors]
    result = function(*flat)
    return tf.reshape(result, [-1, vectors[0].shape[1], result.shape[1]])


def all_general(matrix: tf.Tensor) -> Rows:
    """The rows of a dense matrix `[B, m, n]`."""
    _, m, n = matrix.shape
    none = np.zeros(0, np.int64)
    return Rows(matrix, None, Split(none, none, np.arange(m), n))
