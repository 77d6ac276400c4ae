"""Diagonal matrices, kept as the list of their numbers."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix
from tf_cvxlayers.linalg.vectors import times_each


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diagonal(SymmetricMatrix):
    """The diagonal matrices with these numbers, `[B, n]`."""

    is_diagonal: ClassVar[bool] = True

    numbers: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return times_each(self.numbers, x)

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (self.numbers,)

    def dense(self) -> tf.Tensor:
        return tf.linalg.diag(self.numbers)

    def plus(self, *others: SymmetricMatrix) -> SymmetricMatrix:
        diagonals = [M for M in others if M.is_diagonal]
        if len(diagonals) == len(others):
            return self.plus_diagonals(*others)
        first, *denses = [M for M in others if not M.is_diagonal]
        return first.plus(*denses, self, *diagonals)

    def plus_diagonals(self, *others: SymmetricMatrix) -> "Diagonal":
        """The sum with other diagonals."""
        return Diagonal(total(self.numbers, *(M.diagonal_part() for M in others)))

    def diagonal_part(self) -> tf.Tensor:
        return self.numbers

    def largest(self) -> tf.Tensor:
        return tf.reduce_max(tf.abs(self.numbers), axis=1, keepdims=True)

    def most_rank(self) -> tf.Tensor:
        return tf.reduce_sum(tf.abs(tf.sign(self.numbers)), axis=1, keepdims=True)

    def factored(self) -> Factor:
        return DiagonalFactor(self.numbers)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DiagonalFactor(Factor):
    """The numbers `[B, n]` of a diagonal matrix, which are all that it takes."""

    numbers: tf.Tensor

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        numbers = self.numbers
        return right / (
            numbers if len(right.shape) == 2 else tf.expand_dims(numbers, 1)
        )
