"""What a matrix of rows can do, whatever kind it is.

A row of `A` with a single entry is a bound on a variable. `A'diag(w)A` of bounds is a
diagonal, and a problem that has nothing else is solved without a factorization; so
bounds stay lists of numbers. Each kind is in a file of its own: `dense_rows`, `bounds`,
`rows_and_bounds`, and `sparse_matrices` for products alone. All are batches, and a
batch axis of length 1 broadcasts. Vectors are `[B, n]`, or `[B, k, n]`, k of them for
each element.
"""

import abc
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.symmetric import SymmetricMatrix


class RowsOperator(abc.ABC):
    """A matrix `A [B, m, n]` that can be multiplied. Abstract."""

    @abc.abstractmethod
    def times(self, x: tf.Tensor) -> tf.Tensor:
        """`A x` for vectors."""

    @abc.abstractmethod
    def transposed(self, y: tf.Tensor) -> tf.Tensor:
        """`A'y` for vectors."""

    def sizes_of_terms(self, x: tf.Tensor) -> tf.Tensor | None:
        """`|A| |x|`; None where it is not worth its product, as with few terms."""
        return None


class Rows(RowsOperator):
    """A matrix `A [B, m, n]` whose rows can be weighed. Abstract.

    Attributes:
        are_bounds: whether each row has a single entry, so that `gram` is diagonal.
    """

    are_bounds: ClassVar[bool] = False

    @abc.abstractmethod
    def tensors(self) -> tuple[tf.Tensor, ...]:
        """The tensors that it is made of, with a batch axis each."""

    @abc.abstractmethod
    def dense(self) -> tf.Tensor:
        """The matrix, `[B, m, n]`."""

    @abc.abstractmethod
    def scaled(self, rows: tf.Tensor) -> Self:
        """`diag(rows) A`, for `[B, m]`."""

    @abc.abstractmethod
    def gram(self, weighted: Any) -> SymmetricMatrix:
        """`A'W A`, given `W A` of the same kind."""

    @abc.abstractmethod
    def row_norms(self) -> tf.Tensor:
        """The squared norm of each row, `[B, m]`."""

    def divided(self, p: int) -> "tuple[tf.Tensor, Rows]":
        """The first `p` rows as a dense matrix `[B, p, n]`, and the others. Of free
        matrices."""
        raise NotImplementedError

    def bounded_columns(self) -> np.ndarray:
        """The column of each row. Of bounds."""
        raise NotImplementedError

    def within(self, subspace: Any) -> "Rows":
        """The matrix as it is seen from within a subspace. Of free bounds."""
        raise NotImplementedError
