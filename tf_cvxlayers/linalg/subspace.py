"""The subspace of the solutions of homogeneous equalities, kept as these equalities.

Where matrices are diagonal and equalities are few, a basis of the subspace would fill
the matrices. A system `H x = r` within it, `x` in the subspace and `H x - r` orthogonal
to it, is solved by the Schur complement of the equalities instead (Boyd and
Vandenberghe, "Convex optimization", 2004, section 10.4.2, without the block A):

    S = E H^-1 E',      x = H^-1 r - H^-1 E' S^-1 E H^-1 r.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix
from tf_cvxlayers.linalg.vectors import times_each


class Subspace(NamedTuple):
    """`{x: E x = 0}`, for `E [B, p, n]` with orthonormal rows."""

    E: tf.Tensor

    def project(self, v: tf.Tensor) -> tf.Tensor:
        """The nearest point, for vectors `[B, n]` or `[B, k, n]`."""
        if len(v.shape) == 2:
            return self.project(v[:, None])[:, 0]
        return v - tf.matmul(tf.matmul(v, self.E, transpose_b=True), self.E)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DiagonalWithin(SymmetricMatrix):
    """Diagonal matrices with these numbers, `[B, n]`, seen from within a subspace: as
    the maps of it to itself that they are, followed by the projection."""

    is_diagonal: ClassVar[bool] = True
    is_free: ClassVar[bool] = False

    numbers: tf.Tensor
    subspace: Subspace

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return self.subspace.project(times_each(self.numbers, x))

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (self.numbers,)

    def dense(self) -> tf.Tensor:
        transposed = self.subspace.project(tf.linalg.diag(self.numbers))
        return tf.linalg.matrix_transpose(transposed)

    def plus(self, *others: SymmetricMatrix) -> SymmetricMatrix:
        """The sum with diagonals, within the same subspace."""
        if not all(M.is_diagonal for M in others):
            raise NotImplementedError
        parts = (M.diagonal_part() for M in others)
        return DiagonalWithin(total(self.numbers, *parts), self.subspace)

    def diagonal_part(self) -> tf.Tensor:
        """The numbers, before the projection."""
        return self.numbers

    def largest(self) -> tf.Tensor:
        return tf.reduce_max(tf.abs(self.numbers), axis=1, keepdims=True)

    def most_rank(self) -> tf.Tensor:
        return tf.reduce_sum(tf.abs(tf.sign(self.numbers)), axis=1, keepdims=True)

    def factored(self) -> Factor:
        return FactorWithin.of(self.numbers, self.subspace)

    def confined(self, x: tf.Tensor) -> tf.Tensor:
        return self.subspace.project(x)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FactorWithin(Factor):
    """The factor of positive numbers `[B, n]` within a subspace: `E H^-1`, and the
    Cholesky factor of `S`."""

    numbers: tf.Tensor
    E: tf.Tensor
    E_inverse: tf.Tensor
    cholesky: tf.Tensor

    @classmethod
    def of(cls, numbers: tf.Tensor, subspace: Subspace) -> "FactorWithin":
        """The factor of a diagonal."""
        E = subspace.E
        E_inverse = E / numbers[:, None]
        S = tf.matmul(E_inverse, E, transpose_b=True)
        return cls(numbers, E, E_inverse, tf.linalg.cholesky(S))

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        x = self._corrected(right / self.numbers[:, None])
        # Once more, for what rounding leaves: it would be multiplied by all of H.
        return self._corrected(x)

    def _corrected(self, x: tf.Tensor) -> tf.Tensor:
        """The point of the subspace that is nearest in the norm of `H`."""
        missing = tf.matmul(self.E, x, transpose_b=True)
        force = tf.linalg.cholesky_solve(self.cholesky, missing)
        return x - tf.matmul(force, self.E_inverse, transpose_a=True)
