"""Equalities eliminated: what is left to choose is a point of their null space.

With `A x = b` for the equalities, `G x + s = h` for the rest, and the factorization
`A' = [Q1, N] [R; 0]`,

    x = x0 + N w,      x0 = Q1 R^-T b,

the program in `w` has `P^ = N'P N`, `q^ = N'(P x0 + q)`, `G^ = G N`, `h^ = h - G x0`,
and the multipliers of the equalities are `-R^-1 Q1'(P x + q + G'z)` (Nocedal and
Wright, "Numerical optimization", 2006, section 16.2). `N` has orthonormal columns, so
nothing gets worse conditioned, and every iteration works in `n - p` variables.

Where the equalities are few and everything else is diagonal a basis would fill it, and
there `w` is `x - x0` itself, and all is seen from within the subspace (`subspace`).

Where equalities depend on one another, `R` is singular. Such elements are solved with
the projector onto the null space in the place of `N`, from singular values, and a term
in the objective that keeps `w` in it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.rows_and_bounds import Rows, all_general
from tf_cvxlayers.linalg.singular_values import SingularValues
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.linalg.subspace import Subspace
from tf_cvxlayers.linalg.symmetric import Symmetric
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.program.cones import ConeDims

# Relative to the largest, what counts as zero in R, and among the singular values.
_DEPENDENT = 1e-9
# Equalities are few where there are so many times as many variables.
_FEW = 4
# Relative to a row, what rounding may leave of it in the null space.
_VANISHED = 1e-12
# Relative residual above which equalities contradict one another.
_CONTRADICTION = 1e-8

# Solves a program without equalities: x, z, s, status, iterations.
Solver = Callable[[Matrices], tuple[tf.Tensor, ...]]


class _Inverse(NamedTuple):
    """The pseudo-inverse of `A`.

    Attributes:
        least_squares, multipliers: its product with `[B, p]`, and that of its transpose
            with `[B, n]`.
    """

    least_squares: Callable[[tf.Tensor], tf.Tensor]
    multipliers: Callable[[tf.Tensor], tf.Tensor]


class _Spanned(NamedTuple):
    """The null space as the columns of `N [B, n, k]`.

    Attributes:
        N: they.
        penalty: where they depend on one another, what keeps `w` in the null space.
    """

    N: tf.Tensor
    penalty: tf.Tensor | None

    def objective(self, P: Symmetric, q: tf.Tensor) -> tuple[Symmetric, tf.Tensor]:
        """`P^` and `q^`."""
        N = self.N
        PN = tf.matmul(P.times(tf.linalg.matrix_transpose(N)), N)
        if self.penalty is not None:
            PN = PN + self.penalty * tf.maximum(_largest(PN), 1.0)
        return Symmetric(None, PN), tf.linalg.matvec(N, q, transpose_a=True)

    def rows(self, G: Rows) -> tuple[Rows, tf.Tensor]:
        """`G^`, and which of its rows are zero but for rounding, `[B, m]`."""
        GN = tf.matmul(G.dense(), self.N)
        vanished = all_general(GN).row_norms() <= _VANISHED**2 * G.row_norms()
        GN = tf.where(vanished[:, :, None], tf.zeros_like(GN), GN)
        return all_general(GN), vanished

    def step(self, w: tf.Tensor) -> tf.Tensor:
        """`x - x0`."""
        return tf.linalg.matvec(self.N, w)


class _Within(NamedTuple):
    """All of `R^n`, seen from within the null space."""

    subspace: Subspace

    def objective(self, P: Symmetric, q: tf.Tensor) -> tuple[Symmetric, tf.Tensor]:
        """`P^` and `q^`."""
        return P._replace(within=self.subspace), self.subspace.project(q)

    def rows(self, G: Rows) -> tuple[Rows, tf.Tensor]:
        """`G^`, and which of its rows are zero but for rounding, `[B, m]`."""
        outside = tf.reduce_sum(tf.square(self.subspace.E), axis=1)
        fixed = take(outside, G.split.columns) >= 1.0 - _VANISHED
        return G._replace(within=self.subspace), fixed

    def step(self, w: tf.Tensor) -> tf.Tensor:
        """`x - x0`."""
        return w


def solve_in_null_space(
    problem: Matrices, dims: ConeDims, solver: Solver
) -> tuple[tf.Tensor, ...]:
    """The solution of a program whose first rows are equalities.

    Args:
        problem: the program.
        dims: its cones.
        solver: of programs that have none.
    """
    n, p = problem.q.shape[1], dims.zero
    is_orthant = np.arange(dims.size - p) < dims.nonnegative
    if _stays_diagonal(problem, p):
        A, G = problem.A.general, problem.A.bounds_only()
    else:
        dense = problem.A.dense()
        A, G = dense[:, :p], all_general(dense[:, p:])
    b, h = problem.b[:, :p], problem.b[:, p:]

    def through(inverse: _Inverse, space: _Spanned | _Within):
        x0 = inverse.least_squares(b)
        offset = tf.linalg.matvec(A, x0) - b
        size = tf.maximum(
            tf.reduce_max(tf.abs(b), axis=1), tf.reduce_max(tf.abs(x0), axis=1)
        )
        GN, vanished = space.rows(G)
        slack = h - G.times(x0)
        # Where a row is zero, rounding must not decide whether 0 <= 0 holds.
        rounding = _CONTRADICTION * (1.0 + tf.maximum(size[:, None], tf.abs(h)))
        held = vanished & (slack >= -rounding) & is_orthant
        slack = tf.where(held, tf.maximum(slack, 0.0), slack)
        objective = space.objective(problem.P, problem.P.times(x0) + problem.q)
        w, z, s, status, iterations = solver(Matrices(*objective, GN, slack))
        x = x0 + space.step(w)
        gradient = total(problem.P.times(x), problem.q, G.transposed(z))
        y = inverse.multipliers(-gradient)
        false = tf.reduce_max(tf.abs(offset), axis=1) > _CONTRADICTION * (1.0 + size)
        status = tf.where(false, Status.PRIMAL_INFEASIBLE, status)
        return (
            x,
            tf.concat([y, z], axis=1),
            tf.concat([tf.zeros_like(y), s], axis=1),
            status,
            iterations,
        )

    if p >= n:
        return through(*_from_singular_values(A))
    in_all = G.bounds is not None
    Q, R = tf.linalg.qr(tf.linalg.matrix_transpose(A), full_matrices=not in_all)
    R = R[:, :p]
    diagonal = tf.abs(tf.linalg.diag_part(R))
    least = tf.reduce_min(diagonal, axis=1)
    dependent = least <= _DEPENDENT * tf.reduce_max(diagonal, axis=1)
    # For dependent elements any R that is not singular will do: they are replaced.
    R = tf.where(dependent[:, None, None], tf.eye(p, dtype=R.dtype), R)
    found = through(*_from_qr(Q, R, p))

    def repaired():
        other = through(*_from_singular_values(A))
        return tuple(
            tf.where(tf.reshape(dependent, [-1] + [1] * (new.shape.rank - 1)), new, old)
            for new, old in zip(other, found, strict=True)
        )

    return tf.cond(tf.reduce_any(dependent), repaired, lambda: found)


def _stays_diagonal(problem: Matrices, equalities: int) -> bool:
    """Whether the equalities are few and all else is diagonal. Every variable needs a
    bound: without curvature of its own it would have infinite room there."""
    P, A = problem.P, problem.A
    if P.diagonal is None or A.bounds is None:
        return False
    others = np.array_equal(A.split.general, np.arange(equalities))
    bounded = np.unique(A.split.columns).size == A.split.n
    return others and bounded and _FEW * equalities <= A.split.n


def _from_qr(Q: tf.Tensor, R: tf.Tensor, p: int) -> tuple[_Inverse, _Spanned | _Within]:
    Q1 = Q[:, :, :p]

    def least_squares(b):
        return tf.linalg.matvec(Q1, _triangular(R, b, adjoint=True))

    def multipliers(g):
        return _triangular(R, tf.linalg.matvec(Q1, g, transpose_a=True), adjoint=False)

    space: _Spanned | _Within
    if Q.shape[2] == p:
        space = _Within(Subspace(tf.linalg.matrix_transpose(Q1)))
    else:
        space = _Spanned(Q[:, :, p:], penalty=None)
    return _Inverse(least_squares, multipliers), space


def _from_singular_values(A: tf.Tensor) -> tuple[_Inverse, _Spanned]:
    parts = SingularValues.of(A, _DEPENDENT)
    outside = tf.matmul(parts.V, parts.V, transpose_b=True)
    N = tf.eye(A.shape[2], dtype=A.dtype) - outside
    inverse = _Inverse(parts.least_squares, parts.transposed_least_squares)
    return inverse, _Spanned(N, penalty=outside)


def _triangular(R: tf.Tensor, v: tf.Tensor, adjoint: bool) -> tf.Tensor:
    batch = tf.broadcast_dynamic_shape(tf.shape(R)[:1], tf.shape(v)[:1])
    R = tf.broadcast_to(R, tf.concat([batch, R.shape[1:]], axis=0))
    v = tf.broadcast_to(v, tf.concat([batch, v.shape[1:]], axis=0))
    solved = tf.linalg.triangular_solve(R, v[:, :, None], lower=False, adjoint=adjoint)
    return solved[:, :, 0]


def _largest(P: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.abs(P), axis=[1, 2], keepdims=True)
