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

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.powers_of_two import exponent, two_to
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.singular_values import SingularValues
from tf_cvxlayers.linalg.slices import exact_residual
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.cones.product import Spectrum
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.program.cones import ConeDims

Pair = tuple[tf.Tensor, tf.Tensor]

_DELTA = 1e-8
# Relative to the largest singular value, what counts as zero.
_RANK = 1e-13
# And where the numbers of the system are exact; and refinements by exact residuals.
_LEAST_RANK, _REFINEMENTS = 1e-14, 4
# Relative to the largest in its column, what counts for units.
_COUNTED = 1e-9
# Units that differ by a higher power of two are far apart; and passes that make them.
_FAR_APART, _UNITS = 6.0, 8
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

    def factored(self) -> "FactoredKKT":
        """The system, ready to be solved."""
        d, A = self.cone.values, self.turned
        most = self.P.largest()
        scale = tf.where(most > 0, most, tf.ones_like(most))
        # delta is relative: to the objective, and to the row it belongs to.
        rows = self.cone.together(A.row_norms(), tf.reduce_max)
        rows = tf.where(rows > 0, rows, tf.ones_like(rows))
        lower = 1.0 - d + _DELTA * d * rows / scale
        gram = A.gram(A.scaled(d / lower))
        small = tf.ones_like(gram.diagonal_part()) * (_DELTA**1.5 * scale)
        # A diagonal always has a factor.
        if not (self.P.is_diagonal and gram.is_diagonal):
            small = tf.maximum(small, self._rounding(gram))
        H = self.P.plus(gram, Diagonal(small))
        return FactoredKKT(self, scale, lower, H.diagonal_part(), H.factored())

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

    def decomposed(self, zero: float = _RANK) -> "DecomposedKKT":
        """The system by its singular values; where its numbers are far apart, in units
        in which they are not. `zero` is what counts as that, relative to the largest.
        """
        d = self.cone.values
        P = _for_batch(self.P.everywhere(), d)
        A = _for_batch(self.turned.dense(), d)
        if not self.cone.is_identity:
            # Before `d` leaves nothing but rounding of what is in inactive rows alone.
            A = _without_rounding(A)
        top = tf.concat([P, -tf.linalg.matrix_transpose(A)], axis=2)
        bottom = tf.concat([tf.expand_dims(d, 2) * A, tf.linalg.diag(1.0 - d)], axis=2)
        matrix = tf.concat([top, bottom], axis=1)
        matrix = _without_rounding(matrix)
        n = P.shape[1]

        def together(units):
            own = self.cone.together(units[:, n:], tf.reduce_mean)
            return tf.concat([units[:, :n], own], axis=1)

        rows, columns = _units(matrix, together)
        matrix = tf.expand_dims(rows, 2) * matrix * tf.expand_dims(columns, 1)
        parts = SingularValues.of(matrix, zero)
        return DecomposedKKT(matrix, rows, columns, parts)

    def by_all_digits(self, right: Pair) -> Pair:
        """The `(r, e)` of least norm among those that solve (*) best, where it is badly
        conditioned: refined, without rounding in what is missed."""
        # An eigenbasis is known up to rounding.
        zero = _LEAST_RANK if self.cone.is_identity else _RANK
        return self.decomposed(zero).solve(right, refinements=_REFINEMENTS)


class DecomposedKKT(NamedTuple):
    """A system (*) by its singular values.

    Attributes:
        matrix: of the system, in units of its own, `[B, n + m, n + m]`.
        rows, columns: these, `[B, n + m]`.
        parts: the singular values of the matrix.
    """

    matrix: tf.Tensor
    rows: tf.Tensor
    columns: tf.Tensor
    parts: SingularValues

    def solve(self, right: Pair, refinements: int = 0) -> Pair:
        """The `(r, e)` of least norm among those that solve (*) best."""
        scaled = self.rows * tf.concat(right, axis=1)
        solution = self.parts.least_squares(scaled)
        for _ in range(refinements):
            left = exact_residual(self.matrix, solution, scaled)
            solution = solution + self.parts.least_squares(left)
        solution = self.columns * solution
        n = right[0].shape[1]
        return solution[:, :n], solution[:, n:]


class FactoredKKT(NamedTuple):
    """A system (*) with `delta` on its diagonal blocks, eliminated and factored.

    Attributes:
        system: without `delta`.
        scale: of the objective, `[B, 1]`.
        lower: the diagonal block of `e`, `[B, m]`.
        diagonal: of `H`, `[B, n]`.
        factor: of `H`.
    """

    system: KKT
    scale: tf.Tensor
    lower: tf.Tensor
    diagonal: tf.Tensor
    factor: Factor

    def solve(self, right: Pair) -> Pair:
        """`(r, e)` for `(a, c)`, but for the effect of `delta`."""
        a, c = right
        d, A = self.system.cone.values, self.system.turned
        summed = a + A.transposed(c / self.lower)
        r = self.factor.solve(summed)
        return r, (c - d * A.times(r)) / self.lower

    def solve_until(
        self, right: Pair, accepted: float, refinements: int
    ) -> tuple[Pair, tf.Tensor]:
        """`(r, e)`, and whether little of it, and of what it has to meet, is missed.

        Much is missed where the system is singular, or so nearly that `delta` is not
        small beside it and refinement crawls.

        Args:
            right: `(a, c)`.
            accepted: how much may be missed.
            refinements: how many there are at most.

        Returns:
            `(r, e)`, and bool `[B]`.
        """
        # In units of their own; and the residual, where nothing holds a variable. Where
        # all of `r` should be zero, as at a vertex, rounding is not small beside it: it
        # is enough in the end if `r` changes as little as it does for a change of the
        # right-hand side by what is accepted.
        units = tf.sqrt(self.diagonal), tf.sqrt(self.lower)
        unseen = accepted * largest(*right) / self.scale[:, 0]

        def in_units(pair):
            return [part * unit for part, unit in zip(pair, units, strict=True)]

        def refined(r, e, kept, _enough):
            left = self.system.residual(right, r, e)
            more = self.solve(left)
            size = in_units((r, e))
            of_r, of_e = (_relative([part], size) for part in in_units(more))
            # NaN, from a matrix that is not positive definite, counts as missed.
            met = (_relative(left, right) <= accepted) & (of_e <= accepted)
            little = met & (of_r <= accepted)
            enough = met & (largest(more[0]) <= unseen)
            # An element that is done does not move: it must not depend on others.
            moved = zip((r, e), more, strict=True)
            r, e = (
                tf.where(tf.expand_dims(kept, 1), part, part + step)
                for part, step in moved
            )
            return r, e, kept | little, enough

        r, e = self.solve(right)
        no = tf.zeros_like(r[:, 0], tf.bool)
        r, e, kept, enough = tf.while_loop(
            lambda _r, _e, kept, _enough: ~tf.reduce_all(kept),
            refined,
            (r, e, no, no),
            maximum_iterations=refinements,
        )
        return (r, e), kept | enough


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


def _without_rounding(matrix: tf.Tensor) -> tf.Tensor:
    """The matrix without what a change of basis has left in its columns, which would be
    taken for numbers."""
    size = tf.abs(matrix)
    rounding = _RANK * tf.reduce_max(size, axis=1, keepdims=True)
    return tf.where(size > rounding, matrix, tf.zeros_like(matrix))


def _units(
    matrix: tf.Tensor, together: Callable[[tf.Tensor], tf.Tensor]
) -> list[tf.Tensor]:
    """Units of rows and columns `[B, k]` in which the logarithms of the numbers in each
    of them have a mean of zero; ones where they are not far apart as they are. Some
    have one unit `together`."""
    size = tf.abs(matrix)
    # What the rounding of a solution leaves in a basis is no number to go by.
    counted = size > _COUNTED * tf.reduce_max(size, axis=1, keepdims=True)
    logarithms, ones = exponent(size), tf.cast(counted, size.dtype)
    in_rows, in_columns = (
        tf.maximum(tf.reduce_sum(ones, axis=axis), 1.0) for axis in (2, 1)
    )

    def balanced(k, _rows, columns):
        on_rows = ones * (logarithms + tf.expand_dims(columns, 1))
        rows = together(-tf.reduce_sum(on_rows, axis=2) / in_rows)
        on_columns = ones * (logarithms + tf.expand_dims(rows, 2))
        return k + 1, rows, together(-tf.reduce_sum(on_columns, axis=1) / in_columns)

    _, rows, columns = tf.while_loop(
        lambda k, *_: k < _UNITS,
        balanced,
        (0, tf.zeros_like(in_rows), tf.zeros_like(in_columns)),
    )
    far = _are_far_apart(rows) | _are_far_apart(columns)
    return [
        tf.where(tf.expand_dims(far, 1), two_to(unit), tf.ones_like(unit))
        for unit in (rows, columns)
    ]


def _are_far_apart(exponents: tf.Tensor) -> tf.Tensor:
    spread = tf.reduce_max(exponents, axis=1) - tf.reduce_min(exponents, axis=1)
    return spread > _FAR_APART


def _relative(part: Sequence[tf.Tensor], whole: Sequence[tf.Tensor]) -> tf.Tensor:
    missed, size = largest(*part), largest(*whole)
    return missed / tf.where(size > 0, size, tf.ones_like(size))
