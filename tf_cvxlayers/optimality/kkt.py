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

from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.singular_values import SingularValues
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.optimality.cones.product import Spectrum
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.program.cones import ConeDims

Pair = tuple[tf.Tensor, tf.Tensor]

_DELTA = 1e-8
# Relative to the largest singular value, what counts as zero.
_RANK = 1e-13
# Of rounding in a factorization, for each variable.
_EPSILON = 1e-15


class KKT(NamedTuple):
    """The system (*) of a batch: `P`, `A`, `A~`, and `D`."""

    P: SymmetricMatrix
    A: Rows
    turned: Rows
    cone: Spectrum

    def residual(self, right: Pair, r: tf.Tensor, e: tf.Tensor) -> Pair:
        """What is missing in (*) at `(r, e)`."""
        d = self.cone.values
        return (
            right[0] - (self.P.times(r) - self.turned.transposed(e)),
            right[1] - d * self.turned.times(r) - (1.0 - d) * e,
        )

    def solve(self, right: Pair, refinements: int) -> tuple[Pair, tf.Tensor]:
        """`(r, e)` for `(a, c)`, and the relative residual `[B]` that is left.

        A large residual means that the system is singular, or nearly so.
        """
        d, A = self.cone.values, self.turned
        largest = self.P.largest()
        scale = tf.where(largest > 0, largest, tf.ones_like(largest))
        # delta is relative: to the objective, and to the row it belongs to.
        rows = A.row_norms()
        rows = tf.where(rows > 0, rows, tf.ones_like(rows))
        lower = 1.0 - d + _DELTA * d * rows / scale
        gram = A.gram(A.scaled(d / lower))
        small = tf.ones_like(right[0]) * (_DELTA**1.5 * scale)
        # A diagonal always has a factor.
        if not (self.P.is_diagonal and gram.is_diagonal):
            small = tf.maximum(small, self._rounding(gram))
        factor = self.P.plus(gram, Diagonal(small)).factored()

        def regularized(a, c):
            summed = a + A.transposed(c / lower)
            r = factor.solve(summed[:, None])[:, 0]
            return r, (c - d * A.times(r)) / lower

        r, e = regularized(*right)
        for _ in range(refinements):
            more_r, more_e = regularized(*self.residual(right, r, e))
            r, e = r + more_r, e + more_e
        miss = _joint_norm(self.residual(right, r, e))
        size = _joint_norm(right)
        return (r, e), miss / tf.where(size > 0, size, tf.ones_like(size))

    def _rounding(self, gram: SymmetricMatrix) -> tf.Tensor:
        """What rounding may take from the diagonal of a matrix that is singular since
        it has fewer curvatures and rows than variables; for others zero. `[B, n]`.

        TensorFlow writes a line to the log for each matrix that has no factor.
        """
        diagonal = self.P.diagonal_part() + gram.diagonal_part()
        n = diagonal.shape[1]
        rows = tf.reduce_sum(tf.sign(self.cone.values), axis=1, keepdims=True)
        too_few = rows + self.P.most_rank() < n
        return tf.where(too_few, _EPSILON * n * diagonal, tf.zeros_like(diagonal))

    def least_squares(self, right: Pair) -> Pair:
        """The `(r, e)` of least norm among those that solve (*) best."""
        d = self.cone.values
        P, A = _for_batch(self.P.dense(), d), _for_batch(self.turned.dense(), d)
        n = P.shape[1]
        top = tf.concat([P, -tf.linalg.matrix_transpose(A)], axis=2)
        bottom = tf.concat([d[:, :, None] * A, tf.linalg.diag(1.0 - d)], axis=2)
        matrix = tf.concat([top, bottom], axis=1)
        parts = SingularValues.of(matrix, _RANK)
        solution = parts.least_squares(tf.concat(right, axis=1))
        return solution[:, :n], solution[:, n:]


def kkt_system(dims: ConeDims, matrices: Matrices, y: tf.Tensor, s: tf.Tensor) -> KKT:
    """The system at the point with dual `y` and slack `s`."""
    cone = Spectrum.at(dims, y, s)
    P, A = matrices.P, matrices.A
    if cone.is_identity:
        return KKT(P, A, A, cone)
    return KKT(P, A, DenseRows(cone.into(A.dense())), cone)


def _for_batch(matrix: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    shape = [tf.shape(d)[0], matrix.shape[1], matrix.shape[2]]
    return tf.broadcast_to(matrix, shape)


def _joint_norm(pair: Pair) -> tf.Tensor:
    return tf.norm(tf.concat(pair, axis=1), axis=1)
