"""Equalities eliminated: what is left to choose is a point of their null space.

With `A x = b` for the equalities, `G x + s = h` for the rest, and the factorization
`A' = [Q1, N] [R; 0]`,

    x = x0 + N w,      x0 = Q1 R^-T b,

the program in `w` has `P^ = N'P N`, `q^ = N'(P x0 + q)`, `G^ = G N`, `h^ = h - G x0`,
and the multipliers of the equalities are `-R^-1 Q1'(P x + q + G'z)` (Nocedal and
Wright, "Numerical optimization", 2006, section 16.2). `N` has orthonormal columns, so
nothing gets worse conditioned, and every iteration works in `n - p` variables.

Where the equalities are few and everything else is diagonal a basis would fill it, and
there `w` is `x - x0` itself, and all is seen from within the subspace
(`linalg.subspace`). `coordinates` has both ways to see a null space.

Where equalities depend on one another, `R` is singular. Such elements are solved with
the projector onto the null space in the place of `N`, from singular values, and a term
in the objective that keeps `w` in it. A single equality always has its projector.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.coordinates import (
    Coordinates,
    PseudoInverse,
    by_qr,
    by_single_row,
    by_singular_values,
)
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.runtime.rarely import rarely

# Relative to the largest, what counts as zero in R.
_DEPENDENT = 1e-9
# Equalities are few where there are so many times as many variables.
_FEW = 4
# Relative residual above which equalities contradict one another.
_CONTRADICTION = 1e-8

# Solves a program without equalities: x, z, s, status, iterations.
Solver = Callable[[Matrices], tuple[tf.Tensor, ...]]


def solve_in_null_space(
    matrices: Matrices, dims: ConeDims, solver: Solver
) -> tuple[tf.Tensor, ...]:
    """The solution of a program whose first rows are equalities.

    Args:
        matrices: the program.
        dims: its cones.
        solver: of programs that have none.

    Returns:
        `x`, `y` and `s` of all rows, the status and the iterations.
    """
    n, p = matrices.q.shape[1], dims.zero
    divided = _Divided.of(matrices, dims)
    if p == 1:
        # With as many coordinates as variables a row of zeros is no other case: there
        # is one solver in the graph, not two.
        return divided.solved(*by_single_row(divided.A, divided.is_diagonal), solver)
    if p >= n:
        return divided.solved(*by_singular_values(divided.A, _DEPENDENT), solver)
    Q, R = tf.linalg.qr(
        tf.linalg.matrix_transpose(divided.A), full_matrices=not divided.is_diagonal
    )
    R = R[:, :p]
    dependent = _are_dependent(R)
    # For dependent elements any R that is not singular will do: they are replaced.
    R = tf.where(dependent[:, None, None], tf.eye(p, dtype=R.dtype), R)
    found = divided.solved(*by_qr(Q, R), solver)

    def repaired():
        other = divided.solved(*by_singular_values(divided.A, _DEPENDENT), solver)
        return tuple(
            tf.where(tf.reshape(dependent, [-1] + [1] * (new.shape.rank - 1)), new, old)
            for new, old in zip(other, found, strict=True)
        )

    return rarely(tf.reduce_any(dependent), repaired, lambda: found)


def _are_dependent(R: tf.Tensor) -> tf.Tensor:
    """Which elements have equalities that depend on one another, bool `[B]`."""
    diagonal = tf.abs(tf.linalg.diag_part(R))
    least = tf.reduce_min(diagonal, axis=1)
    return least <= _DEPENDENT * tf.reduce_max(diagonal, axis=1)


class _Divided(NamedTuple):
    """A program whose equalities `A x = b` are apart from the rest, `G x + s = h`.

    Attributes:
        P, q: of the objective.
        A, b: `[B, p, n]` and `[B, p]`.
        G, h: the other rows, and `[B, m - p]`.
        is_orthant: which of the other rows are inequalities, bool `[m - p]`.
        is_diagonal: whether `P` and `G` are to stay the diagonals that they are.
    """

    P: SymmetricMatrix
    q: tf.Tensor
    A: tf.Tensor
    b: tf.Tensor
    G: Rows
    h: tf.Tensor
    is_orthant: np.ndarray
    is_diagonal: bool

    @classmethod
    def of(cls, matrices: Matrices, dims: ConeDims) -> "_Divided":
        """The parts of a program whose first rows are equalities."""
        P, q, rows, b = matrices
        p = dims.zero
        A, G = rows.divided(p)
        is_diagonal = P.is_diagonal and _are_enough_bounds(G, p, q.shape[1])
        if not is_diagonal:
            G = DenseRows(G.dense())
        is_orthant = np.arange(dims.size - p) < dims.nonnegative
        return cls(P, q, A, b[:, :p], G, b[:, p:], is_orthant, is_diagonal)

    def solved(
        self, inverse: PseudoInverse, space: Coordinates, solver: Solver
    ) -> tuple[tf.Tensor, ...]:
        """The solution of the program, by coordinates of the null space."""
        x0 = inverse.least_squares(self.b)
        offset = tf.linalg.matvec(self.A, x0) - self.b
        size = tf.maximum(
            tf.reduce_max(tf.abs(self.b), axis=1), tf.reduce_max(tf.abs(x0), axis=1)
        )
        w, z, s, status, iterations = solver(self._reduced(x0, size, space))
        # Of certificates neither the offset nor the objective is a part.
        recedes = tf.expand_dims(status == Status.DUAL_INFEASIBLE, 1)
        separates = tf.expand_dims(status == Status.PRIMAL_INFEASIBLE, 1)
        step = space.step(w)
        x = tf.where(recedes, step, x0 + step)
        Gz = self.G.transposed(z)
        gradient = total(self.P.times(x), self.q, Gz)
        y = inverse.multipliers(-tf.where(separates, Gz, gradient))
        miss = tf.reduce_max(tf.abs(offset), axis=1)
        contradict = tf.expand_dims(miss > _CONTRADICTION * (1.0 + size), 1)
        # What is left of least squares is orthogonal to all columns.
        y = tf.where(
            contradict, offset / tf.expand_dims(tf.maximum(miss, 1e-300), 1), y
        )
        z = tf.where(contradict, tf.zeros_like(z), z)
        return (
            x,
            tf.concat([y, z], axis=1),
            tf.concat([tf.zeros_like(y), s], axis=1),
            tf.where(contradict[:, 0], Status.PRIMAL_INFEASIBLE, status),
            iterations,
        )

    def _reduced(self, x0: tf.Tensor, size: tf.Tensor, space: Coordinates) -> Matrices:
        """The program in `w`; `size [B]` is that of the numbers in `A x0 = b`."""
        rows, vanished = space.rows(self.G)
        slack = self.h - self.G.times(x0)
        # Where a row is zero, rounding must not decide whether 0 <= 0 holds.
        rounding = _CONTRADICTION * (
            1.0 + tf.maximum(tf.expand_dims(size, 1), tf.abs(self.h))
        )
        held = vanished & (slack >= -rounding) & self.is_orthant
        slack = tf.where(held, tf.maximum(slack, 0.0), slack)
        P, q = space.objective(self.P, self.P.times(x0) + self.q)
        return Matrices(P, q, rows, slack)


def _are_enough_bounds(G: Rows, equalities: int, n: int) -> bool:
    """Whether the rows are bounds, on every variable, and the equalities are few.

    A variable without a bound and without curvature of its own would have infinite room
    within the subspace.
    """
    if not G.are_bounds:
        return False
    return np.unique(G.bounded_columns()).size == n and _FEW * equalities <= n
