"""What a symmetric matrix can do, whatever kind it is.

Each kind keeps as few numbers as it can, in a file of its own: `diagonal`,
`dense_symmetric`, `diagonal_within`, and `sparse_matrices` for products alone. All are
batches, and a batch axis of length 1 broadcasts. Vectors are `[B, n]`, or `[B, k, n]`,
k of them for each element.
"""

import abc
from typing import ClassVar

import tensorflow as tf


class SymmetricOperator(abc.ABC):
    """A symmetric matrix that can be multiplied. Abstract."""

    @abc.abstractmethod
    def times(self, x: tf.Tensor) -> tf.Tensor:
        """The product with vectors."""

    def confined(self, x: tf.Tensor) -> tf.Tensor:
        """Vectors without what rounding has left outside of its subspace, if it is seen
        from within one."""
        return x


class SymmetricMatrix(SymmetricOperator):
    """A symmetric matrix that can be added to others, and factored. Abstract.

    Attributes:
        is_diagonal: whether it is kept as the numbers of a diagonal.
    """

    is_diagonal: ClassVar[bool]

    @abc.abstractmethod
    def tensors(self) -> tuple[tf.Tensor, ...]:
        """The tensors that it is made of, with a batch axis each."""

    @abc.abstractmethod
    def dense(self) -> tf.Tensor:
        """The matrix, `[B, n, n]`."""

    def everywhere(self) -> tf.Tensor:
        """The matrix as a map of all vectors, `[B, n, n]`: where it is seen from within
        a subspace, with a multiple of the identity outside of it."""
        return self.dense()

    @abc.abstractmethod
    def plus(self, *others: "SymmetricMatrix") -> "SymmetricMatrix":
        """The sum with others, in a fixed order."""

    @abc.abstractmethod
    def diagonal_part(self) -> tf.Tensor:
        """The numbers on the diagonal, `[B, n]`."""

    @abc.abstractmethod
    def largest(self) -> tf.Tensor:
        """The largest absolute value of the numbers that are kept, `[B, 1]`."""

    @abc.abstractmethod
    def most_rank(self) -> tf.Tensor:
        """What its rank is at most, `[B, 1]`."""

    @abc.abstractmethod
    def factored(self) -> "Factor":
        """The factorization of a positive definite matrix."""


class Factor(abc.ABC):
    """A positive definite matrix, factored. Abstract."""

    @abc.abstractmethod
    def solve(self, right: tf.Tensor) -> tf.Tensor:
        """The solutions for right-hand sides `[B, n]` or `[B, k, n]`."""
