"""Diagonal matrices that are seen from within a subspace.

Where matrices are diagonal and equalities are few, a basis of the subspace would fill
the matrices. A system `H x = r` within it, `x` in the subspace and `H x - r` orthogonal
to it, is solved by the Schur complement of the equalities instead (Boyd and
Vandenberghe, "Convex optimization", 2004, section 10.4.2, without the block A):

    S = E H^-1 E',      x = H^-1 r - H^-1 E' S^-1 E H^-1 r.
"""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.subspace import Subspace
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DiagonalWithin(SymmetricMatrix):
    """Diagonal matrices seen from within a subspace: as the maps of it to itself that
    they are, followed by the projection.

    Attributes:
        free: the matrices in the coordinates of their vectors.
        subspace: from within which they are seen.
    """

    is_diagonal: ClassVar[bool] = True

    free: Diagonal
    subspace: Subspace

    def times(self, x: tf.Tensor) -> tf.Tensor:
        return self.subspace.project(self.free.times(x))

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return self.free.tensors()

    def dense(self) -> tf.Tensor:
        transposed = self.subspace.project(self.free.dense())
        return tf.linalg.matrix_transpose(transposed)

    def everywhere(self) -> tf.Tensor:
        within = self.subspace.project(self.dense())
        E = self.subspace.E
        outside = tf.matmul(E, E, transpose_a=True)
        return within + tf.expand_dims(self.largest(), 2) * outside

    def plus(self, *others: SymmetricMatrix) -> SymmetricMatrix:
        """The sum with diagonals, within the same subspace."""
        if not all(M.is_diagonal for M in others):
            raise NotImplementedError
        return DiagonalWithin(self.free.plus_diagonals(*others), self.subspace)

    def diagonal_part(self) -> tf.Tensor:
        """The numbers before the projection, `[B, n]`."""
        return self.free.diagonal_part()

    def largest(self) -> tf.Tensor:
        return self.free.largest()

    def most_rank(self) -> tf.Tensor:
        return self.free.most_rank()

    def factored(self) -> Factor:
        return FactorWithin.of(self.free.numbers, self.subspace)

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
        E_inverse = E / tf.expand_dims(numbers, 1)
        S = tf.matmul(E_inverse, E, transpose_b=True)
        return cls(numbers, E, E_inverse, tf.linalg.cholesky(S))

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        if len(right.shape) == 2:
            return self.solve(tf.expand_dims(right, 1))[:, 0]
        x = self._corrected(right / tf.expand_dims(self.numbers, 1))
        # Once more, for what rounding leaves: it would be multiplied by all of H.
        return self._corrected(x)

    def _corrected(self, x: tf.Tensor) -> tf.Tensor:
        """The point of the subspace that is nearest in the norm of `H`."""
        missing = tf.matmul(self.E, x, transpose_b=True)
        force = tf.linalg.cholesky_solve(self.cholesky, missing)
        return x - tf.matmul(force, self.E_inverse, transpose_a=True)
