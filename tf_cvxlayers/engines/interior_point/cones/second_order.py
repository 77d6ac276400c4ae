"""Second-order cones. With `u = (u0, u1)`,

    u o v = (u'v, u0 v1 + v0 u1),     e = (1, 0),     |u|_J^2 = u0^2 - u1'u1

(Vandenberghe, "The CVXOPT linear and quadratic cone program solvers", 2010, section 4).
"""

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.protocol import by_columns


class SecondOrderScaling(NamedTuple):
    """`W = eta [w0, w1'; w1, I + w1 w1' / (1 + w0)]` for cones of one size
    (Vandenberghe, equations 23 and 24).

    All vectors are `[B, k, cones * size]`; inside, `[B, k, cones, size]`.
    """

    point: tf.Tensor
    eta: tf.Tensor
    w0: tf.Tensor
    w1: tf.Tensor
    size: int

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W'v`, as `W v`."""
        v0, v1 = self._parts(v)
        along = _inner(self.w1, v1)
        tail = v1 + (v0 + along / (1.0 + self.w0)) * self.w1
        top = self.w0 * v0 + along
        return _side_by_side(self.eta * tf.concat([top, tail], axis=-1))

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""
        v0, v1 = self._parts(v)
        along = _inner(self.w1, v1)
        tail = v1 + (along / (1.0 + self.w0) - v0) * self.w1
        both = tf.concat([self.w0 * v0 - along, tail], axis=-1)
        return _side_by_side(both / self.eta)

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`, as `W^-1 v`."""
        return self.inverse(v)

    def scaled_columns(self, A: tf.Tensor) -> tf.Tensor:
        """`W^-T A`."""
        return by_columns(self.inverse_transposed, A)

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """The `u` with `lambda o u = ds o dz - mu e`."""
        (u0, u1), (v0, v1) = self._parts(ds), self._parts(dz)
        v0, v1 = u0 * v0 + _inner(u1, v1) - mu[..., None], u0 * v1 + v0 * u1
        p0, p1 = self._parts(self.point)
        top = (p0 * v0 - _inner(p1, v1)) / _determinant(p0, p1)
        return _side_by_side(tf.concat([top, (v1 - top * p1) / p0], axis=-1))

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The largest `t` with `lambda + d / t` on the boundary, `[B, 1, 1]`."""
        (p0, p1), (d0, d1) = self._parts(self.point), self._parts(d)
        root = tf.sqrt(_determinant(p0, p1))
        p0, p1 = p0 / root, p1 / root
        r0 = (p0 * d0 - _inner(p1, d1)) / root
        r1 = (d1 / root) - (r0 + d0 / root) / (p0 + 1.0) * p1
        return tf.reduce_max(_length(r1) - r0, axis=[1, 2, 3])[:, None, None]

    def _parts(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _heads_and_tails(v, self.size)


@dataclasses.dataclass(frozen=True)
class SecondOrder:
    """So many second-order cones of one size."""

    is_symmetric: ClassVar[bool] = True
    is_diagonal: ClassVar[bool] = False
    has_slack: ClassVar[bool] = True

    number: int
    size: int

    @property
    def rows(self) -> int:
        """The number of rows of all of them."""
        return self.number * self.size

    @property
    def degree(self) -> int:
        """What their `s'z` is divided by to give the mean complementarity."""
        return self.number

    @property
    def identity(self) -> np.ndarray:
        """The identity of the algebra, `[rows]`."""
        return np.tile([1.0] + [0.0] * (self.size - 1), self.number)

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """How far each is outside, `[B, k, cones]`."""
        v0, v1 = _heads_and_tails(v, self.size)
        return (_length(v1) - v0)[:, :, :, 0]

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> SecondOrderScaling:
        """The scaling at `s, z [B, 1, rows]`: `w = (s~ + J z~) / (2 gamma)` for the
        normalized `s~` and `z~` (Vandenberghe, section 4.1)."""
        (s0, s1), (z0, z1) = (_heads_and_tails(part, self.size) for part in (s, z))
        s_root, z_root = tf.sqrt(_determinant(s0, s1)), tf.sqrt(_determinant(z0, z1))
        s0, s1, z0, z1 = s0 / s_root, s1 / s_root, z0 / z_root, z1 / z_root
        double_gamma = tf.sqrt(2.0 * (1.0 + (s0 * z0 + _inner(s1, z1))))
        w0, w1 = (s0 + z0) / double_gamma, (s1 - z1) / double_gamma
        eta = tf.sqrt(s_root / z_root)
        scaling = SecondOrderScaling(z, eta, w0, w1, self.size)
        return scaling._replace(point=scaling.transposed(z))


def _heads_and_tails(v: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The heads `[B, k, cones, 1]` and the tails `[B, k, cones, size - 1]`."""
    cones = tf.reshape(v, [-1, v.shape[1], v.shape[2] // size, size])
    return tuple(tf.split(cones, [1, size - 1], axis=-1))


def _side_by_side(cones: tf.Tensor) -> tf.Tensor:
    """`[B, k, cones, size]` to `[B, k, cones * size]`."""
    _, k, count, size = cones.shape
    return tf.reshape(cones, [-1, k, count * size])


def _inner(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(u * v, axis=-1, keepdims=True)


def _length(u: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(_inner(u, u))


def _determinant(u0: tf.Tensor, u1: tf.Tensor) -> tf.Tensor:
    """`u0^2 - u1'u1`, without cancellation."""
    size = _length(u1)
    return (u0 - size) * (u0 + size)
