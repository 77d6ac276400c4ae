"""Cones of three rows that are not symmetric, by the barrier of their duals.

The central path is `s = -mu grad f*(z)`, where `f*` is a barrier of the dual cone, of
degree three, and `f` its conjugate. With the shadows `s^ = -grad f*(z)` and
`z^ = -grad f(s)` of a pair, `mu = s'z / 3`, `a = s - mu s^`, and `c = z - mu z^`, the
matrix

    H = s s' / s'z + a a' / a'c + mu v v' / v'M^-1 v,   v = z x c,   M = hess f*(z)

takes `z` to `s` and `z^` to `s^`, and is next to `mu M` among those that do (Dahl and
Andersen, "A primal-dual interior-point algorithm for nonsymmetric exponential-cone
optimization", 2021, section 4; Goulart and Chen, "Clarabel", arXiv 2405.12762, section
on nonsymmetric cones). Since `z, c, s x a` are orthogonal to two each of `s, a, v`,
both `H = W'W` and `W^-1` are written down. Where a pair is on the central path `a` and
`c` are rounding, and `H = mu M`.

What the product of an algebra does for the second order of a step `(ds, dz)`, the third
derivative does here: the `s` of the path is beyond the linear one by half of

    f*'''(z) [dz, M^-1 ds].

Vectors and matrices are those of `linalg.three_rows` inside.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.barrier import Barrier, Terms
from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.three_rows import (
    cholesky,
    components,
    cross,
    dot,
    side_by_side,
    times,
    transposed_times,
)

# How far `mu s^'z^ / 3` is above one where the directions away from the path are more
# than rounding.
_AWAY = 1e-9
# What is looked at of a way to the boundary, in steps; how far a row that has to be
# positive may go towards zero; and steps of Newton's method to the boundary.
_FARTHEST, _TOWARDS_ZERO, _STEPS = 2.5, 0.999, 6


class NonsymmetricScaling(NamedTuple):
    """A `W` with `W'W = H`, and what a step needs of the barrier.

    Attributes:
        barrier, cones: which cones they are, and how many.
        s, z: the pair.
        shadow: `s^`.
        terms: the barrier at `z`.
        root, inverse_root: `W'` and its inverse.
        M_root: an `R` with `M^-1 = R'R`.
    """

    barrier: Barrier
    cones: int
    s: tf.Tensor
    z: tf.Tensor
    shadow: tf.Tensor
    terms: Terms
    root: tf.Tensor
    inverse_root: tf.Tensor
    M_root: tf.Tensor

    @property
    def point(self) -> tf.Tensor:
        """`lambda`."""
        return side_by_side(times(self.inverse_root, self.s))

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W'v`."""
        return side_by_side(times(self.root, components(v, self.cones)))

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""
        return side_by_side(
            transposed_times(self.inverse_root, components(v, self.cones))
        )

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`."""
        return side_by_side(times(self.inverse_root, components(v, self.cones)))

    def scaled_columns(self, A: tf.Tensor) -> tf.Tensor:
        """`W^-T A`, by a product of a block for each cone."""
        blocks = tf.transpose(self.inverse_root[:, :, :, 0], [2, 3, 0, 1])
        rows = tf.reshape(A, [-1, self.cones, 3, A.shape[2]])
        return tf.reshape(tf.matmul(blocks, rows), [-1, 3 * self.cones, A.shape[2]])

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """`W^-T (-f*'''(z) [dz, M^-1 ds] / 2 - mu s^)`."""
        dz = transposed_times(self.inverse_root, components(dz, self.cones))
        ds = times(self.root, components(ds, self.cones))
        ds = transposed_times(self.M_root, times(self.M_root, ds))
        curved = 0.5 * self._third(dz, ds) + mu * self.shadow
        return side_by_side(times(self.inverse_root, -curved))

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The largest `t` with `lambda + d / t` on the boundary, `[B, 1, 1]`."""
        dz, ds = tf.split(components(d, self.cones), 2, axis=2)
        dz = transposed_times(self.inverse_root, dz)
        ds = times(self.root, ds)
        to_cone = tf.constant(self.barrier.from_dual)[:, :, None, None, None]
        points = tf.concat([times(to_cone, self.z), self.s], axis=2)
        steps = tf.concat([times(to_cone, dz), ds], axis=2)
        nearest = tf.reduce_min(_to_boundary(self.barrier, points, steps), axis=[1, 2])
        return (1.0 / nearest)[:, None, None]

    def _third(self, u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """`f*'''(z) [u, v]`."""
        psi, p, Q = self.terms
        Qu, Qv = times(Q, u), times(Q, v)
        pu, pv = dot(p, u) / psi, dot(p, v) / psi
        third = self.barrier.third(self.z, u, v)
        along = (dot(u, Qv) / psi - 2.0 * pu * pv) * p
        of_psi = total(Qu * pv, Qv * pu, along, -third) / psi
        weights = tf.constant(self.barrier.weights, tf.float64)[:, None, None, None]
        z = tf.where(weights > 0, self.z, 1.0)
        return of_psi - 2.0 * weights * u * v / (z * z * z)


@dataclasses.dataclass(frozen=True)
class Nonsymmetric:
    """So many equal cones of three rows."""

    is_symmetric: ClassVar[bool] = False
    is_diagonal: ClassVar[bool] = False
    has_slack: ClassVar[bool] = True

    barrier: Barrier
    number: int

    @property
    def rows(self) -> int:
        """The number of rows of all of them."""
        return 3 * self.number

    @property
    def degree(self) -> int:
        """What their `s'z` is divided by to give the mean complementarity."""
        return 3 * self.number

    @property
    def identity(self) -> np.ndarray:
        """The pair on the central path, `[rows]`."""
        return np.tile(self.barrier.identity, self.number)

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """No two duals are moved inside along one direction."""
        raise NotImplementedError

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> NonsymmetricScaling:
        """The scaling at `s, z [B, 1, rows]`, both in the interior."""
        s, z = components(s, self.number), components(z, self.number)
        weights = tf.constant(self.barrier.weights, tf.float64)[:, None, None, None]
        terms = self.barrier.terms(z)
        psi, p, Q = terms
        # Of a row without a weight nothing is divided by, as it may be zero.
        each = tf.where(weights > 0, z, 1.0)
        scaled = p / psi
        shadow = scaled + weights / each
        M = scaled[:, None] * scaled[None] - Q / psi
        diagonal = weights / (each * each)
        M = M + tf.eye(3, dtype=M.dtype)[:, :, None, None, None] * diagonal
        L, L_inverse = cholesky(M)

        mu = dot(s, z) / 3.0
        other = self.barrier.shadow(s)
        a, c = s - mu * shadow, z - mu * other
        v, w = cross(z, c), cross(s, a)
        Rv = times(L_inverse, v)
        along = tf.sqrt(mu / dot(Rv, Rv))
        one, two = tf.sqrt(3.0 * mu), tf.sqrt(dot(a, c))
        root = tf.stack([s / one, a / two, v * along], axis=1)
        inverse = tf.stack([z / one, c / two, w / (along * dot(v, w))], axis=0)

        is_away = mu * dot(shadow, other) / 3.0 > 1.0 + _AWAY
        finite = tf.math.is_finite(tf.reduce_sum(root, axis=[0, 1]))
        finite = finite & tf.math.is_finite(tf.reduce_sum(inverse, axis=[0, 1]))
        is_away = is_away & finite
        small = tf.sqrt(mu)
        return NonsymmetricScaling(
            self.barrier,
            self.number,
            s,
            z,
            shadow,
            terms,
            tf.where(is_away, root, small * L),
            tf.where(is_away, inverse, L_inverse / small),
            L_inverse,
        )


def _to_boundary(barrier: Barrier, v: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    """How far it is from points inside the cone to its boundary, in steps `d`:
    `[B, k, cones]`. No more than it is; and no more than is looked at.

    The function that is zero there is concave on the way. So Newton's method, from
    outside, stays outside, and a chord from inside ends inside.
    """
    rows = list(barrier.positive_rows)
    ways = tf.gather(v, rows) / tf.nn.relu(-tf.gather(d, rows))
    t = tf.minimum(_TOWARDS_ZERO * tf.reduce_min(ways, axis=0), _FARTHEST)
    start, _ = barrier.surface(v)
    for _ in range(_STEPS):
        value, gradient = barrier.surface(v + t * d)
        # Inside, it is far enough.
        beyond = value < 0.0
        t = tf.where(beyond, t - value / dot(gradient, d), t)
    value, _ = barrier.surface(v + t * d)
    return tf.where(value < 0.0, t * (start / (start - value)), t)
