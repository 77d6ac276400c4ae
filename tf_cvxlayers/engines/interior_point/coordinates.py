"""Two ways to see the null space of equalities `A x = b`, and their pseudo-inverse."""

import abc
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.diagonal_within import DiagonalWithin
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.singular_values import SingularValues
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.linalg.subspace import Subspace
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix

# Relative to a row, what rounding may leave of it in the null space.
_VANISHED = 1e-12


class PseudoInverse(NamedTuple):
    """The pseudo-inverse of `A [B, p, n]`.

    Attributes:
        least_squares: its product with `[B, p]`.
        multipliers: the product of its transpose with `[B, n]`.
    """

    least_squares: Callable[[tf.Tensor], tf.Tensor]
    multipliers: Callable[[tf.Tensor], tf.Tensor]


class Coordinates(abc.ABC):
    """The points of the null space, by coordinates `w`. Abstract."""

    @abc.abstractmethod
    def objective(
        self, P: SymmetricMatrix, q: tf.Tensor
    ) -> tuple[SymmetricMatrix, tf.Tensor]:
        """`P^` and `q^`, given `P x0 + q`."""

    @abc.abstractmethod
    def rows(self, G: Rows) -> tuple[Rows, tf.Tensor]:
        """`G^`, and which of its rows are zero but for rounding, bool `[B, m]`."""

    @abc.abstractmethod
    def step(self, w: tf.Tensor) -> tf.Tensor:
        """The point with these coordinates less `x0`, `[B, n]`."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Basis(Coordinates):
    """The null space as the combinations of the columns of `N [B, n, k]`, which are
    orthonormal."""

    N: tf.Tensor

    def objective(
        self, P: SymmetricMatrix, q: tf.Tensor
    ) -> tuple[SymmetricMatrix, tf.Tensor]:
        N = self.N
        PN = tf.matmul(P.times(tf.linalg.matrix_transpose(N)), N)
        return DenseSymmetric(PN), tf.linalg.matvec(N, q, transpose_a=True)

    def rows(self, G: Rows) -> tuple[Rows, tf.Tensor]:
        GN = tf.matmul(G.dense(), self.N)
        vanished = DenseRows(GN).row_norms() <= _VANISHED**2 * G.row_norms()
        GN = tf.where(tf.expand_dims(vanished, 2), tf.zeros_like(GN), GN)
        return DenseRows(GN), vanished

    def step(self, w: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(self.N, w)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Projector(Coordinates):
    """The null space as the combinations of the columns of the projector onto it, which
    depend on one another.

    Attributes:
        onto, outside: the projectors onto the null space and onto what is orthogonal to
            it, `[B, n, n]`. The latter in the objective keeps `w` in the null space.
    """

    onto: tf.Tensor
    outside: tf.Tensor

    def objective(
        self, P: SymmetricMatrix, q: tf.Tensor
    ) -> tuple[SymmetricMatrix, tf.Tensor]:
        within, q = self._basis.objective(P, q)
        PN = within.dense()
        size = tf.reduce_max(tf.abs(PN), axis=[1, 2], keepdims=True)
        return DenseSymmetric(PN + self.outside * tf.maximum(size, 1.0)), q

    def rows(self, G: Rows) -> tuple[Rows, tf.Tensor]:
        return self._basis.rows(G)

    def step(self, w: tf.Tensor) -> tf.Tensor:
        return self._basis.step(w)

    @property
    def _basis(self) -> Basis:
        return Basis(self.onto)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Within(Coordinates):
    """All of `R^n`, seen from within the null space: `w` is `x - x0` itself."""

    subspace: Subspace

    def objective(
        self, P: SymmetricMatrix, q: tf.Tensor
    ) -> tuple[SymmetricMatrix, tf.Tensor]:
        diagonal = Diagonal(P.diagonal_part())
        return DiagonalWithin(diagonal, self.subspace), self.subspace.project(q)

    def rows(self, G: Rows) -> tuple[Rows, tf.Tensor]:
        outside = tf.reduce_sum(tf.square(self.subspace.E), axis=1)
        fixed = take(outside, G.bounded_columns()) >= 1.0 - _VANISHED
        return G.within(self.subspace), fixed

    def step(self, w: tf.Tensor) -> tf.Tensor:
        return w


def by_qr(Q: tf.Tensor, R: tf.Tensor) -> tuple[PseudoInverse, Coordinates]:
    """From the factorization `A' = Q [R; 0]` of independent equalities.

    Args:
        Q: `[B, n, n]`, for a basis of the null space; or its first p columns, for the
            view from within it.
        R: `[B, p, p]`, not singular.
    """
    p = R.shape[1]
    Q1 = Q[:, :, :p]

    def least_squares(b):
        return tf.linalg.matvec(Q1, _triangular(R, b, adjoint=True))

    def multipliers(g):
        return _triangular(R, tf.linalg.matvec(Q1, g, transpose_a=True), adjoint=False)

    space: Coordinates
    if Q.shape[2] == p:
        space = Within(Subspace(tf.linalg.matrix_transpose(Q1)))
    else:
        space = Basis(Q[:, :, p:])
    return PseudoInverse(least_squares, multipliers), space


def by_single_row(A: tf.Tensor, from_within: bool) -> tuple[PseudoInverse, Coordinates]:
    """From one equality, which may be of zeros.

    Args:
        A: `[B, 1, n]`.
        from_within: whether to see the null space from within it.
    """
    squares = tf.reduce_sum(A * A, axis=2, keepdims=True)
    inverse = tf.math.divide_no_nan(A, squares)[:, 0]
    E = tf.math.divide_no_nan(A, tf.sqrt(squares))

    def multipliers(g):
        return tf.reduce_sum(inverse * g, axis=1, keepdims=True)

    space: Coordinates
    if from_within:
        space = Within(Subspace(E))
    else:
        outside = tf.matmul(E, E, transpose_a=True)
        space = Projector(tf.eye(A.shape[2], dtype=A.dtype) - outside, outside)
    return PseudoInverse(lambda b: inverse * b, multipliers), space


def by_singular_values(A: tf.Tensor, zero: float) -> tuple[PseudoInverse, Coordinates]:
    """From singular values, for equalities that may depend on one another.

    Args:
        A: `[B, p, n]`.
        zero: what counts as zero, relative to the largest singular value.
    """
    parts = SingularValues.of(A, zero)
    outside = tf.matmul(parts.V, parts.V, transpose_b=True)
    onto = tf.eye(A.shape[2], dtype=A.dtype) - outside
    inverse = PseudoInverse(parts.least_squares, parts.transposed_least_squares)
    return inverse, Projector(onto, outside)


def _triangular(R: tf.Tensor, v: tf.Tensor, adjoint: bool) -> tf.Tensor:
    """The solution of `R x = v`, or of `R'x = v`, for upper triangular `R`."""
    batch = tf.broadcast_dynamic_shape(tf.shape(R)[:1], tf.shape(v)[:1])
    R = tf.broadcast_to(R, tf.concat([batch, R.shape[1:]], axis=0))
    v = tf.broadcast_to(v, tf.concat([batch, v.shape[1:]], axis=0))
    solved = tf.linalg.triangular_solve(
        R, tf.expand_dims(v, 2), lower=False, adjoint=adjoint
    )
    return solved[:, :, 0]
