"""The homogeneous embedding of a cone program: its equations, and points of it.

For the program without equalities the embedding looks for `(x, z, s, tau, kappa)` with

    P x + A'z + q tau = 0,      A x + s - b tau = 0,
    x'P x / tau + q'x + b'z + kappa = 0,
    s in K, z in K*, tau, kappa >= 0, s'z = 0, tau kappa = 0

(Goulart and Chen, "Clarabel", arXiv 2405.12762, equation (H)). Where `tau > 0`,
`(x, z, s) / tau` solves the program; where `kappa > 0`, `(x, z)` is a certificate that
it has no solution. The pair `(kappa, tau)` is one more row of the orthant, and is kept
as the first row of `(s, z)`; `lambda`, `d`, `W` include it.

Vectors are `[B, k, size]`, k of them for each element.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.optimality.matrices import Matrices


class Iterate(NamedTuple):
    """A point of the embedding: `x [B, 1, n]`; `z` and `s [B, 1, 1 + m]`, of which the
    first entries are `tau` and `kappa`."""

    x: tf.Tensor
    z: tf.Tensor
    s: tf.Tensor

    @property
    def tau(self) -> tf.Tensor:
        """What the point is divided by for a solution, `[B, 1, 1]`."""
        return self.z[:, :, :1]

    @property
    def kappa(self) -> tf.Tensor:
        """What stays positive where there is no solution, `[B, 1, 1]`."""
        return self.s[:, :, :1]


class Embedding(NamedTuple):
    """The data of the embedding of a program; vectors have a batch axis of their own.

    Attributes:
        P, A: the matrices.
        minus_q: `-q [B, 1, n]`. Sums here have two terms, and differences: three that
            are added TensorFlow adds in an order that depends on the time of day.
        one_b: `(1, b) [B, 1, 1 + m]`.
        b: `[B, 1, m]`.
        zero, zero_one: `0 [B, 1, 1]`, `(0, 1) [B, 2, 1]`.
        largest_q, largest_b: of the absolute values, `[B, 1, 1]`.
    """

    P: SymmetricMatrix
    A: Rows
    minus_q: tf.Tensor
    one_b: tf.Tensor
    b: tf.Tensor
    zero: tf.Tensor
    zero_one: tf.Tensor
    largest_q: tf.Tensor
    largest_b: tf.Tensor

    @classmethod
    def of(cls, matrices: Matrices) -> "Embedding":
        """The embedding of a program without equalities."""
        zero = tf.zeros([matrices.batch(), 1, 1], matrices.q.dtype)
        minus_q, b = (
            zero - tf.expand_dims(matrices.q, 1),
            zero + tf.expand_dims(matrices.b, 1),
        )
        return cls(
            matrices.P,
            matrices.A,
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
        return point._replace(x=self.P.confined(point.x))


class Residual(NamedTuple):
    """What is missing in the three equations.

    Attributes:
        dual: `rho_x [B, 1, n]`.
        primal, gap: `[B, 1, m]`, `[B, 1, 1]`.
        Px: `P x`, which a step needs too.
    """

    dual: tf.Tensor
    primal: tf.Tensor
    gap: tf.Tensor
    Px: tf.Tensor

    @property
    def rows(self) -> tf.Tensor:
        """Of the gap, and of the primal equations, `[B, 1, 1 + m]`."""
        return tf.concat([self.gap, self.primal], axis=2)


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
    def at(cls, embedding: Embedding, point: Iterate) -> "Terms":
        """The terms at a point of the embedding."""
        x, z = point.x, point.z[:, :, 1:]
        Px = embedding.P.times(x)
        return cls(
            Px,
            embedding.A.times(x),
            embedding.A.transposed(z),
            inner(x, Px),
            inner(embedding.minus_q, x),
            inner(embedding.b, z),
        )

    def residual(self, embedding: Embedding, point: Iterate) -> Residual:
        """What is missing in the equations: the sums of the terms."""
        tau = point.tau
        gap = self.xPx / tau - (self.minus_qx - self.bz)
        return Residual(
            dual=self.Px - (embedding.minus_q * tau - self.Atz),
            primal=(self.Ax - embedding.b * tau) + point.s[:, :, 1:],
            gap=gap + point.kappa,
            Px=self.Px,
        )


def inner(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The inner products of vectors, `[B, k, 1]`."""
    return tf.reduce_sum(u * v, axis=2, keepdims=True)


def largest(vector: tf.Tensor) -> tf.Tensor:
    """The largest absolute value in each vector, `[B, k, 1]`; of no entries, zero."""
    if vector.shape[2] == 0:
        return tf.reduce_sum(vector, axis=2, keepdims=True)
    return tf.reduce_max(tf.abs(vector), axis=2, keepdims=True)
