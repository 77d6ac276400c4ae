"""A matrix of rows, of which those with a single entry stay lists of numbers."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.bounds import Bounds
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.linalg.strided_columns import joined
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.linalg.vectors import taken


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Places:
    """Which rows of a matrix are general ones, and which are bounds."""

    general: np.ndarray
    bounds: np.ndarray

    @functools.cached_property
    def order(self) -> np.ndarray:
        """From general rows, then bounds, to the order of the rows."""
        return np.argsort(np.concatenate([self.general, self.bounds]))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RowsAndBounds(Rows):
    """General rows and bounds, at these places."""

    general: DenseRows
    bounds: Bounds
    places: Places

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return taken([self.general.times(x), self.bounds.times(x)], self.places.order)

    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        general, bounds = (
            taken([y], rows) for rows in (self.places.general, self.places.bounds)
        )
        # A difference, for what `ordered_sums` says.
        minus = Bounds(-self.bounds.numbers, self.bounds.on)
        return self.general.transposed(general) - minus.transposed(bounds)

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return *self.general.tensors(), *self.bounds.tensors()

    def dense(self) -> tf.Tensor:
        both = joined([self.general.dense(), self.bounds.dense()])
        return tf.gather(both, self.places.order, axis=1)

    def scaled(self, rows: tf.Tensor) -> "RowsAndBounds":
        return RowsAndBounds(
            self.general.scaled(take(rows, self.places.general)),
            self.bounds.scaled(take(rows, self.places.bounds)),
            self.places,
        )

    def gram(self, weighted: "RowsAndBounds") -> SymmetricMatrix:
        bounds = self.bounds.gram(weighted.bounds)
        return self.general.gram(weighted.general).plus(bounds)

    def row_norms(self) -> tf.Tensor:
        return self._in_order(self.general.row_norms(), self.bounds.row_norms())

    def divided(self, p: int) -> tuple[tf.Tensor, Rows]:
        """The first `p` rows, and the others: bounds alone, if the first ones are all
        that are none."""
        if np.array_equal(self.places.general, np.arange(p)):
            return self.general.matrix, self.bounds
        return DenseRows(self.dense()).divided(p)

    def _in_order(self, general: tf.Tensor, bounds: tf.Tensor) -> tf.Tensor:
        return take([general, bounds], self.places.order)
