"""The homogeneous embedding of a cone program, and Newton's step in it.

For the program without equalities the embedding looks for `(x, z, s, tau, kappa)` with

    P x + A'z + q tau = 0,      A x + s - b tau = 0,
    x'P x / tau + q'x + b'z + kappa = 0,
    s in K, z in K*, tau, kappa >= 0, s'z = 0, tau kappa = 0

(Goulart and Chen, "Clarabel", arXiv 2405.12762, equation (H)). Where `tau > 0`,
`(x, z, s) / tau` solves the program; where `kappa > 0`, `(x, z)` is a certificate that
it has no solution. The pair `(kappa, tau)` is one more row of the orthant, and is kept
as the first row of `(s, z)`; `lambda`, `d`, `W` include it.

A step solves the linearized equations with right-hand sides `-eta rho` and

    lambda o (W dz + W^-1 ds) = -lambda o d

(Vandenberghe, section 5.3). In scaled coordinates `z~ = W dz`, `s~ = W^-1 ds`,
`F = W^-1 A` it is the sum of two vectors `(x, z~)`, one of them times the scaled
`dtau`, that need one factorization:

    (P + F'F) dx = a + F'c,      z~ = F dx - c.

Vectors are `[B, k, size]`, k of them for each element.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.linalg.rows_and_bounds import Rows
from tf_cvxlayers.linalg.subspace import DiagonalFactor
from tf_cvxlayers.linalg.symmetric import Factor, Symmetric
from tf_cvxlayers.optimality.matrices import Matrices

# Added to the diagonal, relative to it, with and without refinement; and the least that
# is added, in the units of an equilibrated program. A singular matrix then has a
# factor, and what a step misses for it the next one mends.
_PROXIMAL = 1e-13, 1e-11
_LEAST = 1e-12
# How far to go to the boundary.
_BACK_OFF = 0.99


class Iterate(NamedTuple):
    """A point of the embedding: `x [B, 1, n]`; `z` and `s [B, 1, 1 + m]`, of which the
    first entries are `tau` and `kappa`."""

    x: tf.Tensor
    z: tf.Tensor
    s: tf.Tensor

    @property
    def tau(self) -> tf.Tensor:
        """`[B, 1, 1]`."""
        return self.z[:, :, :1]

    @property
    def kappa(self) -> tf.Tensor:
        """`[B, 1, 1]`."""
        return self.s[:, :, :1]


class Program(NamedTuple):
    """The data of the embedding, the vectors for each element.

    Attributes:
        P, A: the matrices.
        minus_q: `-q [B, 1, n]`. Sums here have two terms, and differences: three that
            are added TensorFlow adds in an order that depends on the time of day.
        one_b: `(1, b) [B, 1, 1 + m]`.
        b: `[B, 1, m]`.
        zero, zero_one: `0 [B, 1, 1]`, `(0, 1) [B, 2, 1]`.
        largest_q, largest_b: of the absolute values, `[B, 1, 1]`.
    """

    P: Symmetric
    A: Rows
    minus_q: tf.Tensor
    one_b: tf.Tensor
    b: tf.Tensor
    zero: tf.Tensor
    zero_one: tf.Tensor
    largest_q: tf.Tensor
    largest_b: tf.Tensor

    @classmethod
    def of(cls, problem: Matrices) -> "Program":
        """The data of a program without equalities."""
        zero = tf.zeros([problem.batch(), 1, 1], problem.q.dtype)
        minus_q, b = zero - problem.q[:, None], zero + problem.b[:, None]
        return cls(
            problem.P,
            problem.A,
            minus_q,
            tf.concat([zero + 1.0, b], axis=2),
            b,
            zero,
            tf.concat([zero, zero + 1.0], axis=1),
            largest(minus_q),
            largest(b),
        )

    def within_its_space(self, point: Iterate) -> Iterate:
        """The point where rounding has left the subspace, if it is confined to one."""
        space = self.P.within
        return point if space is None else point._replace(x=space.project(point.x))


class Residual(NamedTuple):
    """What is missing in the three equations.

    Attributes:
        dual: `rho_x [B, 1, n]`.
        rows: of the gap, and of the primal equations, `[B, 1, 1 + m]`.
        Px: `P x`, which a step needs too.
    """

    dual: tf.Tensor
    rows: tf.Tensor
    Px: tf.Tensor


class Terms(NamedTuple):
    """The products that the residual at a point is the sum of: `P x`, `A x`, `A'z`, and
    `x'P x`, `-q'x`, `b'z`, `[B, 1, 1]`."""

    Px: tf.Tensor
    Ax: tf.Tensor
    Atz: tf.Tensor
    xPx: tf.Tensor
    minus_qx: tf.Tensor
    bz: tf.Tensor

    @classmethod
    def at(cls, program: Program, point: Iterate) -> "Terms":
        """The terms at a point."""
        x, z = point.x, point.z[:, :, 1:]
        Px = program.P.times(x)
        return cls(
            Px,
            program.A.times(x),
            program.A.transposed(z),
            _dot(x, Px),
            _dot(program.minus_q, x),
            _dot(program.b, z),
        )

    def residual(self, program: Program, point: Iterate) -> Residual:
        """Their sums."""
        tau = point.tau
        gap = self.xPx / tau - (self.minus_qx - self.bz)
        missing = tf.concat([gap, self.Ax - program.b * tau], axis=2)
        return Residual(
            dual=self.Px - (program.minus_q * tau - self.Atz),
            rows=missing + point.s,
            Px=self.Px,
        )


class Refinement(NamedTuple):
    """Whether systems are solved with a step of refinement, a bool tensor; and what is
    added to their diagonals, relative to these."""

    is_made: tf.Tensor
    proximal: tf.Tensor

    @classmethod
    def of(cls, is_made: tf.Tensor) -> "Refinement":
        """With, or without."""
        both = (tf.constant(part, tf.float64) for part in _PROXIMAL)
        return cls(is_made, tf.where(is_made, *both))


class KKT(NamedTuple):
    """The factored system at a scaling: `P`, `F`, and the factor of `P + F'F`.

    added: `[B, 1, n]`, what was added to the diagonal.
    refine: bool tensor, whether it is solved with a step of refinement, to more than
        half of the digits where it is badly conditioned.
    """

    P: Symmetric
    F: Rows
    factor: Factor | DiagonalFactor
    added: tf.Tensor
    refine: tf.Tensor

    @classmethod
    def of(cls, P: Symmetric, F: Rows, refinement: Refinement) -> "KKT":
        """The system of a program, given `F = W^-1 A`."""
        H = P.plus(F.gram(F))
        added = tf.maximum(refinement.proximal * H.diagonal_part(), _LEAST)
        factor = H.plus(Symmetric(added, None)).factored()
        return cls(P, F, factor, added[:, None], refinement.is_made)

    def solve(self, a: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`(dx, z~)` for `(a, c)`, `[B, k, n]` and `[B, k, m]`."""
        dx = self.factor.solve(a + self.F.transposed(c))
        z = self.F.times(dx) - c

        def refined():
            more = a - self.P.times(dx) - self.F.transposed(z)
            more = self.factor.solve(more)
            return dx + more, z + self.F.times(more)

        return tf.cond(self.refine, refined, lambda: (dx, z))


def stepped(
    program: Program,
    cone: SymmetricCone,
    point: Iterate,
    residual: Residual,
    refinement: Refinement,
) -> tuple[Iterate, tf.Tensor]:
    """The direction of Mehrotra's predictor and corrector, and how far to go,
    `[B, 1, 1]`.

    Where anything in the direction is not finite, its `tau` is not.
    """
    n = program.minus_q.shape[2]
    scaling = cone.scaling(point.s, point.z)
    kkt = KKT.of(program.P, scaling.inverse_rows(program.A), refinement)
    scaled = scaling.inverse(tf.concat([residual.rows, program.one_b], axis=1))
    rows, one_b = scaled[:, :1], scaled[:, 1:]
    # dtau, for a scaled one of one.
    unit = one_b[:, :, :1]
    minus_dual = -residual.dual
    gradient = 2.0 * residual.Px / point.tau - program.minus_q
    gradient = tf.concat([gradient, one_b], axis=2)

    # The predictor, and the vector that belongs to dtau.
    d = scaling.point
    a = tf.concat([minus_dual, program.minus_q * unit], axis=1)
    c = tf.concat([d - rows, one_b * unit], axis=1)
    x, z = kkt.solve(a, c[:, :, 1:])
    both = tf.concat([x, program.zero_one, z], axis=2)
    first, of_tau = both[:, :1], both[:, 1:]

    # Its pivot, 1 + x'Px / tau^2 - gradient'(x, z~), is a sum of squares.
    x, z = of_tau[:, :, :n], of_tau[:, :, n:]
    away = x - point.x / scaling.point[:, :, :1]
    weighted = tf.concat([program.P.times(away), kkt.added * x, z], axis=2)
    pivot = _dot(tf.concat([away, of_tau], axis=2), weighted)

    def direction(vector, c):
        """`(dx, z~)`."""
        dtau = (unit * _dot(gradient, vector) - c[:, :1, :1]) / pivot
        return vector + dtau * of_tau

    def length(dz, ds):
        t = scaling.steepness(tf.concat([dz, ds], axis=1))
        return _BACK_OFF / tf.maximum(t, _BACK_OFF)

    dz = direction(first, c)[:, :, n:]
    ds = -(d + dz)
    # Not `** 3`, whose last bit depends on where in the batch a number is.
    remaining = 1.0 - length(dz, ds)
    centring = remaining * remaining * remaining
    eta = 1.0 - centring
    mu = _dot(scaling.point, scaling.point) / cone.degree
    curvature = scaling.product(ds, dz) - centring * mu * cone.identity
    d = scaling.point + scaling.divide(curvature)
    c = d - eta * rows
    x, z = kkt.solve(eta * minus_dual, c[:, :, 1:])
    final = direction(tf.concat([x, program.zero, z], axis=2), c)
    dz = final[:, :, n:]
    ds = -(d + dz)
    step = Iterate(final[:, :, :n], scaling.inverse(dz), scaling.times(ds))
    return step, length(dz, ds)


def _dot(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(u * v, axis=2, keepdims=True)


def largest(vector: tf.Tensor) -> tf.Tensor:
    """The largest absolute value, `[B, k, 1]`; of none, zero."""
    if vector.shape[2] == 0:
        return tf.reduce_sum(vector, axis=2, keepdims=True)
    return tf.reduce_max(tf.abs(vector), axis=2, keepdims=True)
