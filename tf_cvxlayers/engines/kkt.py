"""The linear system of the optimality conditions, at a solution.

With `v = y - s`, the projection `Pi` onto `K*`, and its derivative `D` at `v`, a point
solves the cone program when

    F1 = P x + A'Pi(v) + q = 0,     F2 = -A x + b - Pi(v) + v = 0

(Agrawal, Barratt, Boyd, Busseti, Moursi, "Differentiating through a cone program",
2019, with a quadratic objective). The Jacobian in `(x, v)` is
`J = [P, A'D; -A, I - D]`. In the eigenbasis `D = U diag(d) U'`, with `A~ = U'A`,
systems in `J` and in `J'` both become

    P r - A~'e = a,     diag(d) A~ r + diag(1 - d) e = c:                          (*)

a least-squares problem in which row i is an equality for d = 1, absent for d = 0, and a
penalty between. Adding `delta` to the diagonal blocks and eliminating `e` leaves one
positive definite matrix of order n,

    H = P + delta + A~' diag(d / (1 - d + delta)) A~,

factored once; iterative refinement against (*) removes the effect of `delta`.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.spectrum import Spectrum, spectrum
from tf_cvxlayers.program import ConeData, ConeStructure
from tf_cvxlayers.sparse import symmetric_to_dense, to_dense

_DELTA = 1e-8


class KKT(NamedTuple):
    """The system (*) of a batch: `P [B, n, n]`, `A [B, m, n]`, `A~`, and `D`."""

    P: tf.Tensor
    A: tf.Tensor
    turned: tf.Tensor
    cone: Spectrum

    def residual(
        self, right: tuple[tf.Tensor, tf.Tensor], r: tf.Tensor, e: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What is missing in (*) at `(r, e)`."""
        d = self.cone.values
        return (
            right[0] - tf.linalg.matvec(self.P, r) + times_transpose(self.turned, e),
            right[1] - d * tf.linalg.matvec(self.turned, r) - (1.0 - d) * e,
        )

    def solve(
        self, right: tuple[tf.Tensor, tf.Tensor], refinements: int
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor]:
        """`(r, e)` for `(a, c)`, and the relative residual `[B]` that is left.

        A large residual means that the system is singular, or nearly so.
        """
        d, A = self.cone.values, self.turned
        largest = tf.reduce_max(tf.abs(self.P), axis=[1, 2])[:, None]
        scale = tf.where(largest > 0, largest, tf.ones_like(largest))
        # delta is relative: to the objective, and to the row it belongs to.
        rows = tf.reduce_sum(A * A, axis=2)
        rows = tf.where(rows > 0, rows, tf.ones_like(rows))
        lower = 1.0 - d + _DELTA * d * rows / scale
        H = self.P + tf.matmul(A, (d / lower)[:, :, None] * A, transpose_a=True)
        H = tf.linalg.set_diag(H, tf.linalg.diag_part(H) + _DELTA**1.5 * scale)
        factor = tf.linalg.cholesky(H)

        def regularized(a, c):
            summed = a + times_transpose(A, c / lower)
            r = tf.linalg.cholesky_solve(factor, summed[:, :, None])[:, :, 0]
            return r, (c - d * tf.linalg.matvec(A, r)) / lower

        r, e = regularized(*right)
        for _ in range(refinements):
            more_r, more_e = regularized(*self.residual(right, r, e))
            r, e = r + more_r, e + more_e
        miss = _joint_norm(self.residual(right, r, e))
        size = _joint_norm(right)
        return (r, e), miss / tf.where(size > 0, size, tf.ones_like(size))

    def least_squares(
        self, right: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The `(r, e)` of least norm among those that solve (*) best."""
        d, n = self.cone.values, self.P.shape[1]
        top = tf.concat(
            [
                _for_batch(self.P, d),
                -tf.linalg.matrix_transpose(_for_batch(self.turned, d)),
            ],
            axis=2,
        )
        bottom = tf.concat(
            [d[:, :, None] * self.turned, tf.linalg.diag(1.0 - d)], axis=2
        )
        matrix = tf.concat([top, bottom], axis=1)
        both = tf.concat(right, axis=1)[:, :, None]
        solution = tf.linalg.lstsq(matrix, both, fast=False)[:, :, 0]
        return solution[:, :n], solution[:, n:]


def kkt_system(
    structure: ConeStructure, data: ConeData, y: tf.Tensor, s: tf.Tensor
) -> KKT:
    """The system at the point with dual `y` and slack `s`."""
    cone = spectrum(structure.cones, y, s)
    A = to_dense(structure.A, data.A)
    return KKT(symmetric_to_dense(structure.P, data.P), A, cone.into(A), cone)


def times_transpose(A: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`A'y` for each element."""
    return tf.linalg.matvec(A, y, transpose_a=True)


def _for_batch(matrix: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    shape = [tf.shape(d)[0], matrix.shape[1], matrix.shape[2]]
    return tf.broadcast_to(matrix, shape)


def _joint_norm(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    return tf.norm(tf.concat(pair, axis=1), axis=1)
