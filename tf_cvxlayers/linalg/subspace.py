"""The subspace of the solutions of homogeneous equalities, kept as these equalities.

Where matrices are diagonal and equalities are few, a basis of the subspace would fill
the matrices. A system `H x = r` within it, `x` in the subspace and `H x - r` orthogonal
to it, is solved by the Schur complement of the equalities instead (Boyd and
Vandenberghe, "Convex optimization", 2004, section 10.4.2, without the block A):

    S = E H^-1 E',      x = H^-1 r - H^-1 E' S^-1 E H^-1 r.
"""

from typing import NamedTuple

import tensorflow as tf


class Subspace(NamedTuple):
    """`{x: E x = 0}`, for `E [B, p, n]` with orthonormal rows."""

    E: tf.Tensor

    def project(self, v: tf.Tensor) -> tf.Tensor:
        """The nearest point, for vectors `[B, n]` or `[B, k, n]`."""
        if len(v.shape) == 2:
            return self.project(v[:, None])[:, 0]
        return v - tf.matmul(tf.matmul(v, self.E, transpose_b=True), self.E)


class DiagonalFactor(NamedTuple):
    """The factor of a positive diagonal `[B, n]` within a subspace: `E H^-1`, and the
    Cholesky factor of `S`."""

    diagonal: tf.Tensor
    E: tf.Tensor
    E_inverse: tf.Tensor
    cholesky: tf.Tensor

    @classmethod
    def of(cls, diagonal: tf.Tensor, subspace: Subspace) -> "DiagonalFactor":
        """The factor."""
        E = subspace.E
        E_inverse = E / diagonal[:, None]
        S = tf.matmul(E_inverse, E, transpose_b=True)
        return cls(diagonal, E, E_inverse, tf.linalg.cholesky(S))

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        """The solutions for right-hand sides `[B, k, n]`."""
        x = self._corrected(right / self.diagonal[:, None])
        # Once more, for what rounding leaves: it would be multiplied by all of H.
        return self._corrected(x)

    def _corrected(self, x: tf.Tensor) -> tf.Tensor:
        """The point of the subspace that is nearest in the norm of `H`."""
        missing = tf.matmul(self.E, x, transpose_b=True)
        force = tf.linalg.cholesky_solve(self.cholesky, missing)
        return x - tf.matmul(force, self.E_inverse, transpose_a=True)
