"""The homogeneous embedding of a cone program, and Newton's step in it.

For the program without equalities the embedding looks for `(x, z, s, tau, kappa)` with

    P x + A'z + q tau = 0,      A x + s - b tau = 0,
    x'P x / tau + q'x + b'z + kappa = 0,
    s in K, z in K*, tau, kappa >= 0, s'z = 0, tau kappa = 0

(Goulart and Chen, "Clarabel", arXiv 2405.12762, equation (H)). Where `tau > 0`,
`(x, z, s) / tau` solves the program; where `kappa > 0`, `(x, z)` is a certificate that
it has no solution.

A step solves for the linearized equations with right-hand sides `-eta rho` and

    lambda o (W dz + W^-1 ds) = -d,      kappa dtau + tau dkappa = -d_kappa.

In scaled coordinates `z~ = W dz`, `s~ = W^-1 ds`, `F = W^-1 A`, the two right-hand
sides `(a, c)` that occur, one of them for `dtau`, need one factorization:

    (P + F'F) dx = a + F'c,      z~ = F dx - c.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.matrices import Matrices
from tf_cvxlayers.rows import Rows
from tf_cvxlayers.symmetric import Factor, Symmetric

# Added to the diagonal, relative to it, with and without refinement; and the least that
# is added, in the units of an equilibrated program. A singular matrix then has a
# factor, and what a step misses for it the next one mends.
_PROXIMAL = 1e-13, 1e-11
_LEAST = 1e-12
# How far to go to the boundary.
_BACK_OFF = 0.99


class Iterate(NamedTuple):
    """A point of the embedding: `x [B, n]`, `z, s [B, m]`, `tau, kappa [B, 1]`."""

    x: tf.Tensor
    z: tf.Tensor
    s: tf.Tensor
    tau: tf.Tensor
    kappa: tf.Tensor


class Residual(NamedTuple):
    """What is missing in the three equations.

    Attributes:
        dual: `rho_x [B, n]`. primal: `rho_z [B, m]`. gap: `rho_tau [B, 1]`.
        Px: `P x`, which a step needs too.
    """

    dual: tf.Tensor
    primal: tf.Tensor
    gap: tf.Tensor
    Px: tf.Tensor


class Terms(NamedTuple):
    """The products that the residual at a point is the sum of: `P x`, `A x`, `A'z`, and
    `x'P x`, `q'x`, `b'z`, `[B, 1]`."""

    Px: tf.Tensor
    Ax: tf.Tensor
    Atz: tf.Tensor
    xPx: tf.Tensor
    qx: tf.Tensor
    bz: tf.Tensor

    @classmethod
    def at(cls, problem: Matrices, point: Iterate) -> "Terms":
        """The terms at a point."""
        x, z = point.x, point.z
        Px = problem.P.times(x)
        return cls(
            Px,
            problem.A.times(x),
            problem.A.transposed(z),
            _dot(x, Px),
            _dot(problem.q, x),
            _dot(problem.b, z),
        )

    def residual(self, problem: Matrices, point: Iterate) -> Residual:
        """Their sums."""
        tau = point.tau
        return Residual(
            dual=self.Px + self.Atz + problem.q * tau,
            primal=self.Ax + point.s - problem.b * tau,
            gap=point.kappa + self.xPx / tau + self.qx + self.bz,
            Px=self.Px,
        )


Column = tuple[tf.Tensor, tf.Tensor]


class KKT(NamedTuple):
    """The factored system at a scaling: `P`, `F`, and the factor of `P + F'F`.

    refine: bool tensor, whether it is solved with a step of refinement, to more than
    half of the digits where it is badly conditioned.
    """

    P: Symmetric
    F: Rows
    factor: Factor
    refine: tf.Tensor

    @classmethod
    def of(cls, problem: Matrices, F: Rows, refine: tf.Tensor) -> "KKT":
        """The system of a program, given `F = W^-1 A`."""
        H = problem.P.plus(F.gram(F))
        part = tf.where(refine, *(tf.constant(p, tf.float64) for p in _PROXIMAL))
        factor = H.raised(part, _LEAST).factored()
        return cls(problem.P, F, factor, refine)

    def solve(self, *right: Column) -> list[Column]:
        """`(dx, z~)` for each `(a, c)`."""
        a, c = (tf.stack(side, axis=2) for side in zip(*right, strict=True))
        dx = self.factor.solve(a + self.F.transposed(c))
        z = self.F.times(dx) - c

        def refined():
            more = self.factor.solve(a - self.P.times(dx) - self.F.transposed(z))
            return dx + more, z + self.F.times(more)

        dx, z = tf.cond(self.refine, refined, lambda: (dx, z))
        pairs = zip(tf.unstack(dx, axis=2), tf.unstack(z, axis=2), strict=True)
        return list(pairs)


def stepped(
    problem: Matrices,
    cone: SymmetricCone,
    point: Iterate,
    residual: Residual,
    refine: tf.Tensor,
) -> tuple[Iterate, tf.Tensor]:
    """The direction of Mehrotra's predictor and corrector, and how far to go, `[B, 1]`.

    Where anything in the direction is not finite, its `tau` is not.
    """
    x, z, s, tau, kappa = point
    scaling = cone.scaling(s, z)
    kkt = KKT.of(problem, scaling.inverse_rows(problem.A), refine)
    primal, b = scaling.inverse(residual.primal), scaling.inverse(problem.b)
    kappa_tau = kappa * tau

    # The predictor, and the column of dtau.
    one = tf.ones_like(tau)
    (x1, z1), (x2, z2) = kkt.solve(
        (-residual.dual, scaling.point - primal), (tf.zeros_like(x) - problem.q, b)
    )
    # Its pivot is equal to a sum of squares as far as the system is not singular.
    gradient = 2.0 * residual.Px / tau + problem.q
    away = x2 - x / tau
    squares = _dot(away, problem.P.times(away)) + _dot(z2, z2)
    direct = _dot(x, residual.Px) / (tau * tau) - _dot(gradient, x2) - _dot(b, z2)
    pivot = kappa / tau + tf.maximum(squares, direct)

    def direction(x1, z1, eta, d, d_kappa):
        """For `d` that is divided by lambda already."""
        gap = eta * residual.gap - d_kappa / tau
        dtau = (gap + _dot(gradient, x1) + _dot(b, z1)) / pivot
        dz = z1 + dtau * z2
        dkappa = -(d_kappa + kappa * dtau) / tau
        return Iterate(x1 + dtau * x2, dz, -(d + dz), dtau, dkappa)

    def length(direction):
        t = tf.maximum(scaling.steepness(direction.z), scaling.steepness(direction.s))
        t = tf.maximum(t, tf.maximum(-direction.tau / tau, -direction.kappa / kappa))
        return _BACK_OFF / tf.maximum(t, _BACK_OFF)

    predictor = direction(x1, z1, one, scaling.point, kappa_tau)
    # Not `** 3`, whose last bit depends on where in the batch a number is.
    remaining = one - length(predictor)
    eta = one - remaining * remaining * remaining
    mu = (_dot(s, z) + kappa_tau) / (cone.degree + 1)
    centre = (one - eta) * mu
    curvature = scaling.product(predictor.s, predictor.z)
    identity = tf.constant([cone.identity], x.dtype)
    d = scaling.point + scaling.divide(curvature - centre * identity)
    ((x1, z1),) = kkt.solve((-eta * residual.dual, d - eta * primal))
    d_kappa = kappa_tau + predictor.kappa * predictor.tau - centre
    final = direction(x1, z1, eta, d, d_kappa)
    unscaled = final._replace(z=scaling.inverse(final.z), s=scaling.times(final.s))
    return unscaled, length(final)


def _dot(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(u * v, axis=1, keepdims=True)
