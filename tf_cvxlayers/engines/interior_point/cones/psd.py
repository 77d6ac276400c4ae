"""Positive semidefinite matrices, as packed triangles. With `U`, `V` the matrices of
`u`, `v`,

    u o v = (U V + V U) / 2,     e = I

(Vandenberghe, "The CVXOPT linear and quadratic cone program solvers", 2010, section 4).
"""

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.protocol import by_columns
from tf_cvxlayers.linalg.eigenvalues import eigenvalues, smallest_eigenvalue
from tf_cvxlayers.optimality.cones.triangles import matrices_of, triangles_of
from tf_cvxlayers.program.cones import svec_indices, triangle


class SemidefiniteScaling(NamedTuple):
    """`W v` is `R' V R` for matrices of one order, and `lambda` is diagonal.

    Vectors are `[B, k, cones * rows]`; inside, matrices `[B, k, cones, order, order]`.

    Attributes:
        point: `lambda`.
        R, R_inverse: `[B, 1, cones, order, order]`.
        values: the diagonal of `lambda`, `[B, 1, cones, order]`.
    """

    point: tf.Tensor
    R: tf.Tensor
    R_inverse: tf.Tensor
    values: tf.Tensor

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W' v`, the matrix `R V R'`."""
        return self._congruent(self.R, v)

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`, the matrix `R^-T V R^-1`."""
        return self._congruent(self.R_inverse, v, transpose=True)

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`, the matrix `R^-1 V R^-T`."""
        return self._congruent(self.R_inverse, v)

    def scaled_columns(self, A: tf.Tensor) -> tf.Tensor:
        """`W^-T A`."""
        return by_columns(self.inverse_transposed, A)

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """The `u` with `lambda o u = ds o dz - mu e`."""
        both = tf.matmul(self._matrices(ds), self._matrices(dz))
        both = both + tf.linalg.matrix_transpose(both)
        centre = 2.0 * mu[..., None, None] * np.eye(self.values.shape[3])
        across, down = self.values[..., None, :], self.values[..., :, None]
        return _side_by_side((both - centre) / (across + down))

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The largest `t` with `lambda + d / t` on the boundary, `[B, 1, 1]`."""
        root = tf.sqrt(self.values)
        D = self._matrices(d) / (root[..., None, :] * root[..., :, None])
        return -tf.reduce_min(smallest_eigenvalue(D), axis=[1, 2])[:, None, None]

    def _matrices(self, v: tf.Tensor) -> tf.Tensor:
        return _matrices(v, self.values.shape[2], self.values.shape[3])

    def _congruent(self, R: tf.Tensor, v: tf.Tensor, transpose=False) -> tf.Tensor:
        """`R V R'`, or `R'V R`."""
        half = tf.matmul(R, self._matrices(v), transpose_a=transpose)
        return _side_by_side(tf.matmul(half, R, transpose_b=not transpose))


@dataclasses.dataclass(frozen=True)
class Semidefinite:
    """So many cones of positive semidefinite matrices of one order."""

    is_symmetric: ClassVar[bool] = True
    is_diagonal: ClassVar[bool] = False
    has_slack: ClassVar[bool] = True

    number: int
    order: int

    @property
    def rows(self) -> int:
        """The number of rows of all of them."""
        return self.number * triangle(self.order)

    @property
    def degree(self) -> int:
        """What their `s'z` is divided by to give the mean complementarity."""
        return self.number * self.order

    @property
    def identity(self) -> np.ndarray:
        """The identity of the algebra, `[rows]`."""
        rows, columns, _ = svec_indices(self.order)
        return np.tile((rows == columns).astype(np.float64), self.number)

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """How far each is outside, `[B, k, cones]`."""
        return -smallest_eigenvalue(_matrices(v, self.number, self.order))

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> SemidefiniteScaling:
        """The scaling at `s, z [B, 1, rows]`: with `S = L L'` and the eigenvalues
        `L'Z L = V diag(lambda)^2 V'`,

            R = L V diag(lambda)^-1/2,     R^-1 = diag(lambda)^-1 R'Z.

        Near the central path all `lambda` are near `sqrt(mu)`, so that their squares
        are as good as a singular value decomposition.
        """
        S, Z = (_matrices(part, self.number, self.order) for part in (s, z))
        L = tf.linalg.cholesky(S)
        squares, V = eigenvalues(tf.matmul(tf.matmul(L, Z, transpose_a=True), L))
        values = tf.sqrt(squares)
        R = tf.matmul(L, V) / tf.sqrt(values)[..., None, :]
        inverse = tf.matmul(R, Z, transpose_a=True) / values[..., :, None]
        point = _side_by_side(tf.linalg.diag(values))
        return SemidefiniteScaling(point, R, inverse, values)


def _matrices(v: tf.Tensor, number: int, order: int) -> tf.Tensor:
    """`[B, k, cones * rows]` to `[B, k, cones, order, order]`."""
    triangles = tf.reshape(v, [-1, v.shape[1], number, triangle(order)])
    return matrices_of(triangles, order)


def _side_by_side(matrices: tf.Tensor) -> tf.Tensor:
    """`[B, k, cones, order, order]` to `[B, k, cones * rows]`."""
    triangles = triangles_of(matrices, matrices.shape[-1])
    return tf.reshape(
        triangles, [-1, matrices.shape[1], triangles.shape[2] * triangles.shape[3]]
    )
