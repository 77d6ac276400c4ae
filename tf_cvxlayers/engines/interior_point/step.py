"""One step of the interior-point method: Mehrotra's predictor and corrector.

A step solves the linearized equations of the embedding with right-hand sides
`-eta rho`, and

    W dz + W^-T ds = -d

(Vandenberghe, "The CVXOPT linear and quadratic cone program solvers", 2010, section
5.3). In scaled coordinates `z~ = W dz`, `s~ = W^-T ds` the last one reads
`s~ = -(d + z~)`, and the solution is the sum of two vectors `(x, z~)`, one of them
times the scaled `dtau`, that need one factorization (`newton_system`).
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.product import (
    EmbeddingCone,
    EmbeddingScaling,
)
from tf_cvxlayers.engines.interior_point.embedding import (
    Embedding,
    Iterate,
    Residual,
    inner,
)
from tf_cvxlayers.engines.interior_point.newton_system import (
    NewtonSystem,
    Refinement,
)

# How far to go to the boundary; and how much less far for each unit of centring above
# what is usual. A short step that ends at the boundary leaves one of the pairs `(s, z)`
# far smaller than the others, and the steps after it are short too: of a hundred small
# programs one then takes twice the iterations, and its batch waits for it.
_BACK_OFF, _CAUTION, _USUAL = 0.99, 0.6, 0.1


def step(
    embedding: Embedding,
    cone: EmbeddingCone,
    point: Iterate,
    residual: Residual,
    refinement: Refinement,
) -> tuple[Iterate, tf.Tensor]:
    """The direction to go, and how far, `[B, 1, 1]`.

    Where anything in the direction is not finite, its `tau` is not.
    """
    scaling = cone.scaling(point.s, point.z)
    rows = scaling.inverse_rows(embedding.A)
    system = NewtonSystem.of(embedding.P, rows, refinement, cone.exact)
    equations = _Linearized.at(embedding, point, residual, scaling, system)

    d = scaling.point
    (_, dz), column = equations.predictor(d)
    ds = -(d + dz)

    # Not `** 3`, whose last bit depends on where in the batch a number is.
    remaining = 1.0 - _length(scaling, dz, ds, _BACK_OFF)
    centring = remaining * remaining * remaining
    mu = inner(scaling.point, scaling.point) / cone.degree
    d = scaling.point + scaling.correction(dz, ds, centring * mu)
    dx, dz = equations.corrector(d, 1.0 - centring, column)
    ds = -(d + dz)

    direction = Iterate(dx, scaling.inverse(dz), scaling.transposed(ds))
    share = _BACK_OFF - _CAUTION * tf.nn.relu(centring - _USUAL)
    return direction, _length(scaling, dz, ds, share)


def _length(
    scaling: EmbeddingScaling, dz: tf.Tensor, ds: tf.Tensor, share: tf.Tensor | float
) -> tf.Tensor:
    """How far to go in both directions, `[B, 1, 1]`: all the way, or this share of the
    way to the boundary."""
    t = scaling.steepness(tf.concat([dz, ds], axis=1))
    return share / tf.maximum(t, share)


class _Column(NamedTuple):
    """What a scaled `dtau` of one adds to a direction.

    Attributes:
        vector: `(x, dtau, z~) [B, 1, n + 1 + m]`.
        pivot: what the equation of the gap divides by for `dtau`, `[B, 1, 1]`.
    """

    vector: tf.Tensor
    pivot: tf.Tensor


class _Linearized(NamedTuple):
    """The linearized equations at a point, in its scaled coordinates.

    Attributes:
        embedding, point, system: what they are made of.
        minus_dual: `-rho_x [B, 1, n]`.
        rows: `W^-T` of the residuals of the gap and of the rows, `[B, 1, 1 + m]`.
        one_b: `W^-T (1, b) [B, 1, 1 + m]`; its first entry is the `dtau` of a scaled
            `dtau` of one.
        gradient: of the gap in `(x, z~)`, `[B, 1, n + 1 + m]`.
        scaled_tau: the entry of `lambda` for `(tau, kappa)`, `[B, 1, 1]`.
    """

    embedding: Embedding
    point: Iterate
    system: NewtonSystem
    minus_dual: tf.Tensor
    rows: tf.Tensor
    one_b: tf.Tensor
    gradient: tf.Tensor
    scaled_tau: tf.Tensor

    @classmethod
    def at(
        cls,
        embedding: Embedding,
        point: Iterate,
        residual: Residual,
        scaling: EmbeddingScaling,
        system: NewtonSystem,
    ) -> "_Linearized":
        """The equations at a point."""
        scaled = scaling.inverse_transposed(
            tf.concat([residual.rows, embedding.one_b], axis=1)
        )
        rows, one_b = tf.split(scaled, 2, axis=1)
        gradient = 2.0 * residual.Px / point.tau - embedding.minus_q
        return cls(
            embedding,
            point,
            system,
            -residual.dual,
            rows,
            one_b,
            tf.concat([gradient, one_b], axis=2),
            scaling.point[:, :, :1],
        )

    def predictor(self, d: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], _Column]:
        """The direction `(dx, z~)` for `d` and all of the residual; and the column of
        `dtau`, which is solved for along with it."""
        dtau = self.one_b[:, :, :1]
        minus_q = self.embedding.minus_q
        a = tf.concat([self.minus_dual, minus_q * dtau], axis=1)
        c = tf.concat([d - self.rows, self.one_b * dtau], axis=1)
        x, z = self.system.solve(a, c[:, :, 1:])
        both = tf.concat([x, self.embedding.zero_one, z], axis=2)
        vector, unit = tf.split(both, 2, axis=1)
        column = self._column(unit)
        return self._direction(vector, c, column), column

    def corrector(
        self, d: tf.Tensor, eta: tf.Tensor, column: _Column
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The direction `(dx, z~)` for `d` and a part `eta` of the residual."""
        c = d - eta * self.rows
        x, z = self.system.solve(eta * self.minus_dual, c[:, :, 1:])
        vector = tf.concat([x, self.embedding.zero, z], axis=2)
        return self._direction(vector, c, column)

    def _column(self, vector: tf.Tensor) -> _Column:
        """With its pivot `1 + x'Px / tau^2 - gradient'(x, z~)`, as a sum of squares."""
        x, z = self._parts(vector)
        away = x - self.point.x / self.scaled_tau
        Paway = self.embedding.P.times(away)
        weighted = tf.concat([Paway, self.system.added * x, z], axis=2)
        return _Column(vector, inner(tf.concat([away, vector], axis=2), weighted))

    def _direction(
        self, vector: tf.Tensor, c: tf.Tensor, column: _Column
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`(dx, z~)`: a vector, and the column times the `dtau` that closes the gap."""
        along = self.one_b[:, :, :1] * inner(self.gradient, vector)
        dtau = (along - c[:, :1, :1]) / column.pivot
        return self._parts(vector + dtau * column.vector)

    def _parts(self, vector: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        n = self.embedding.minus_q.shape[2]
        return tuple(tf.split(vector, [n, vector.shape[2] - n], axis=2))
