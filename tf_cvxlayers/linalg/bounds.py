"""Bounds: matrices whose rows have a single entry each, kept as lists of numbers."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.sparse import sum_by_row, take
from tf_cvxlayers.linalg.subspace import Subspace
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.linalg.vectors import flatly, taken, times_each


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Columns:
    """Which variable each bound is on: `columns [m]`, of `n` variables."""

    columns: np.ndarray
    n: int

    @functools.cached_property
    def order(self) -> np.ndarray:
        """The order of the bounds by column."""
        return np.argsort(self.columns, kind="stable")

    def of(self, x: tf.Tensor) -> tf.Tensor:
        """The entries of vectors that the bounds are on."""
        return taken([x], self.columns)

    def summed(self, values: tf.Tensor) -> tf.Tensor:
        """Values of the bounds, summed to `n` by their columns; for vectors."""
        order = self.order

        def by_column(values):
            return sum_by_row(take(values, order), self.columns[order], self.n)

        return flatly(by_column, [values])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Bounds(Rows):
    """The bounds with these numbers, `[B, m]`, on these columns."""

    are_bounds: ClassVar[bool] = True

    numbers: tf.Tensor
    on: Columns

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return times_each(self.numbers, self.on.of(x))

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        return self.on.summed(times_each(self.numbers, y))

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (self.numbers,)

    def dense(self) -> tf.Tensor:
        m, n = self.on.columns.size, self.on.n
        place = np.arange(m) * n + self.on.columns
        return tf.reshape(sum_by_row(self.numbers, place, m * n), [-1, m, n])

    def scaled(self, rows: tf.Tensor) -> "Bounds":
        return Bounds(rows * self.numbers, self.on)

    def gram(self, weighted: "Bounds") -> SymmetricMatrix:
        return Diagonal(self.on.summed(self.numbers * weighted.numbers))

    def row_norms(self) -> tf.Tensor:
        return tf.square(self.numbers)

    def divided(self, p: int) -> tuple[tf.Tensor, Rows]:
        return DenseRows(self.dense()).divided(p)

    def bounded_columns(self) -> np.ndarray:
        return self.on.columns

    def within(self, subspace: Subspace) -> Rows:
        return BoundsWithin(self.numbers, self.on, subspace)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BoundsWithin(Rows):
    """Bounds with these numbers, `[B, m]`, on vectors of a subspace."""

    are_bounds: ClassVar[bool] = True

    numbers: tf.Tensor
    on: Columns
    subspace: Subspace

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return self._free.times(x)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        return self.subspace.project(self._free.transposed(y))

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (self.numbers,)

    def dense(self) -> tf.Tensor:
        """The matrix whose transpose `transposed` multiplies by, `[B, m, n]`; `times`
        does so too, for vectors of the subspace."""
        return self.subspace.project(self._free.dense())

    def scaled(self, rows: tf.Tensor) -> "BoundsWithin":
        return BoundsWithin(rows * self.numbers, self.on, self.subspace)

    def gram(self, weighted: "BoundsWithin") -> SymmetricMatrix:
        """`A'W A` before the projection, to be added to a matrix within it."""
        return self._free.gram(weighted._free)

    def row_norms(self) -> tf.Tensor:
        """The squared norm of each row before the projection, `[B, m]`."""
        return self._free.row_norms()

    def bounded_columns(self) -> np.ndarray:
        return self.on.columns

    @property
    def _free(self) -> Bounds:
        return Bounds(self.numbers, self.on)
