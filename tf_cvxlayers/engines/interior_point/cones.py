"""The symmetric cones of the interior-point method, in their Jordan algebra.

For rows in the nonnegative orthant `u o v` is the product entry by entry; for a
second-order cone, with `u = (u0, u1)`,

    u o v = (u'v, u0 v1 + v0 u1),     e = (1, 0),     |u|_J^2 = u0^2 - u1'u1

(Vandenberghe, "The CVXOPT linear and quadratic cone program solvers", 2010, section 4).
The Nesterov-Todd scaling of a pair `(s, z)` in the interior is the matrix `W` with
`W z = W^-1 s = lambda` (his equations 23 and 24); in scaled coordinates both are the
same point, and steps, products and the boundary are seen from there.

Vectors are `[B, k, rows]`, k of them for each element.
"""

import dataclasses
import functools
import itertools
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.rows_and_bounds import all_general
from tf_cvxlayers.program.cones import ConeDims


class Scaling(Protocol):
    """The Nesterov-Todd scaling of some cones, and what is seen from its point."""

    @property
    def point(self) -> tf.Tensor:
        """`lambda`."""

    def times(self, v: tf.Tensor) -> tf.Tensor:
        """`W v`."""

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""

    def product(self, u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """`u o v`."""

    def divide(self, v: tf.Tensor) -> tf.Tensor:
        """The `u` with `lambda o u = v`."""

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The `t` such that `lambda + d / t` is on the boundary, for the vector where
        it is largest, `[B, 1, 1]`; not positive where all point to the inside."""


class OrthantScaling(NamedTuple):
    """`W = diag(w)`, `w = sqrt(s / z)`."""

    point: tf.Tensor
    w: tf.Tensor
    w_inverse: tf.Tensor

    def times(self, v):
        return self.w * v

    def inverse(self, v):
        return self.w_inverse * v

    def product(self, u, v):
        return u * v

    def divide(self, v):
        return v / self.point

    def steepness(self, d):
        return -tf.reduce_min(d / self.point, axis=[1, 2], keepdims=True)

    def inverse_rows(self, A):
        """`W^-1 A`, for a matrix without the first row."""
        return A.scaled(self.w_inverse[:, 0, 1:])


class SecondOrderScaling(NamedTuple):
    """`W = eta [w0, w1'; w1, I + w1 w1' / (1 + w0)]` for cones of one size.

    All vectors are `[B, k, cones * size]`; inside, `[B, k, cones, size]`.
    """

    point: tf.Tensor
    eta: tf.Tensor
    w0: tf.Tensor
    w1: tf.Tensor
    size: int

    def times(self, v):
        v0, v1 = self._parts(v)
        along = _dot(self.w1, v1)
        tail = v1 + (v0 + along / (1.0 + self.w0)) * self.w1
        top = self.w0 * v0 + along
        return _flat(self.eta * tf.concat([top, tail], axis=-1))

    def inverse(self, v):
        v0, v1 = self._parts(v)
        along = _dot(self.w1, v1)
        tail = v1 + (along / (1.0 + self.w0) - v0) * self.w1
        return _flat(tf.concat([self.w0 * v0 - along, tail], axis=-1) / self.eta)

    def product(self, u, v):
        (u0, u1), (v0, v1) = self._parts(u), self._parts(v)
        return _flat(tf.concat([u0 * v0 + _dot(u1, v1), u0 * v1 + v0 * u1], axis=-1))

    def divide(self, v):
        (p0, p1), (v0, v1) = self._parts(self.point), self._parts(v)
        top = (p0 * v0 - _dot(p1, v1)) / _determinant(p0, p1)
        return _flat(tf.concat([top, (v1 - top * p1) / p0], axis=-1))

    def steepness(self, d):
        (p0, p1), (d0, d1) = self._parts(self.point), self._parts(d)
        root = tf.sqrt(_determinant(p0, p1))
        p0, p1 = p0 / root, p1 / root
        r0 = (p0 * d0 - _dot(p1, d1)) / root
        r1 = (d1 / root) - (r0 + d0 / root) / (p0 + 1.0) * p1
        return tf.reduce_max(_norm(r1) - r0, axis=[1, 2, 3])[:, None, None]

    def _parts(self, v):
        return _parts(v, self.size)


class ProductScaling(NamedTuple):
    """The scalings of several blocks of rows."""

    blocks: tuple[Scaling, ...]
    rows: tuple[int, ...]

    @property
    def point(self):
        return tf.concat([block.point for block in self.blocks], axis=-1)

    def times(self, v):
        return self._each("times", v)

    def inverse(self, v):
        return self._each("inverse", v)

    def product(self, u, v):
        return self._each("product", u, v)

    def divide(self, v):
        return self._each("divide", v)

    def steepness(self, d):
        parts = tf.split(d, self.rows, axis=-1)
        return functools.reduce(
            tf.maximum,
            [b.steepness(part) for b, part in zip(self.blocks, parts, strict=True)],
        )

    def inverse_rows(self, A):
        """`W^-1 A`, for a matrix without the first row."""
        columns = tf.linalg.matrix_transpose(A.general)
        columns = self.inverse(tf.pad(columns, [[0, 0], [0, 0], [1, 0]]))[:, :, 1:]
        return all_general(tf.linalg.matrix_transpose(columns))

    def _each(self, name, *vectors):
        parts = zip(*(tf.split(v, self.rows, axis=-1) for v in vectors), strict=True)
        return tf.concat(
            [
                getattr(block, name)(*own)
                for block, own in zip(self.blocks, parts, strict=True)
            ],
            axis=-1,
        )


@dataclasses.dataclass(frozen=True)
class SymmetricCone:
    """A product of the orthant and second-order cones; those of one size follow one
    another."""

    orthant: int
    second_order: tuple[int, ...]

    @classmethod
    def embedding(cls, dims: ConeDims) -> "SymmetricCone":
        """The cone of the homogeneous embedding of a program without equalities: first
        a row for `(tau, kappa)`, then those of the program."""
        return cls(1 + dims.nonnegative, dims.second_order)

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.orthant + sum(self.second_order)

    @property
    def degree(self) -> int:
        """What `s'z` is divided by to give the mean complementarity."""
        return self.orthant + len(self.second_order)

    @functools.cached_property
    def _groups(self) -> list[tuple[int, int]]:
        """How many second-order cones of which size, in order."""
        return [
            (len(list(same)), size)
            for size, same in itertools.groupby(self.second_order)
        ]

    @functools.cached_property
    def identity(self) -> np.ndarray:
        """The identity `e` of the algebra, `[size]`."""
        tails = [[1.0] + [0.0] * (size - 1) for size in self.second_order]
        return np.array([1.0] * self.orthant + list(itertools.chain(*tails)))

    def distance(self, v: tf.Tensor) -> tf.Tensor:
        """How far outside it is: the least `t` with `v + t e` inside, `[B, 1, 1]`."""
        parts = []
        if self.orthant:
            parts.append(-v[:, :, : self.orthant])
        start = self.orthant
        for count, size in self._groups:
            v0, v1 = _parts(v[:, :, start : start + count * size], size)
            parts.append((_norm(v1) - v0)[:, :, :, 0])
            start += count * size
        return tf.reduce_max(tf.concat(parts, axis=2), axis=2, keepdims=True)

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> "OrthantScaling | ProductScaling":
        """The scaling at `s, z [B, 1, rows]`, both in the interior."""
        if not self.second_order:
            return _orthant(s, z)
        blocks: list[Scaling] = []
        rows: list[int] = []
        if self.orthant:
            blocks.append(_orthant(s[:, :, : self.orthant], z[:, :, : self.orthant]))
            rows.append(self.orthant)
        start = self.orthant
        for count, size in self._groups:
            stop = start + count * size
            own = s[:, :, start:stop], z[:, :, start:stop]
            blocks.append(_second_order(*own, size))
            rows.append(count * size)
            start = stop
        return ProductScaling(tuple(blocks), tuple(rows))


def _orthant(s: tf.Tensor, z: tf.Tensor) -> OrthantScaling:
    root_s, root_z = tf.sqrt(s), tf.sqrt(z)
    return OrthantScaling(root_s * root_z, root_s / root_z, root_z / root_s)


def _second_order(s: tf.Tensor, z: tf.Tensor, size: int) -> SecondOrderScaling:
    """Vandenberghe's section 4.1: `w = (s~ + J z~) / (2 gamma)` for the normalized `s~`
    and `z~`."""
    (s0, s1), (z0, z1) = _parts(s, size), _parts(z, size)
    s_root, z_root = tf.sqrt(_determinant(s0, s1)), tf.sqrt(_determinant(z0, z1))
    s0, s1, z0, z1 = s0 / s_root, s1 / s_root, z0 / z_root, z1 / z_root
    double_gamma = tf.sqrt(2.0 * (1.0 + (s0 * z0 + _dot(s1, z1))))
    w0, w1 = (s0 + z0) / double_gamma, (s1 - z1) / double_gamma
    eta = tf.sqrt(s_root / z_root)
    scaling = SecondOrderScaling(z, eta, w0, w1, size)
    return scaling._replace(point=scaling.times(z))


def _parts(v: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The heads `[B, k, cones, 1]` and the tails `[B, k, cones, size - 1]`."""
    cones = tf.reshape(v, [-1, v.shape[1], v.shape[2] // size, size])
    return cones[..., :1], cones[..., 1:]


def _flat(cones: tf.Tensor) -> tf.Tensor:
    _, k, count, size = cones.shape
    return tf.reshape(cones, [-1, k, count * size])


def _dot(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(u * v, axis=-1, keepdims=True)


def _norm(u: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(_dot(u, u))


def _determinant(u0: tf.Tensor, u1: tf.Tensor) -> tf.Tensor:
    """`u0^2 - u1'u1`, without cancellation."""
    size = _norm(u1)
    return (u0 - size) * (u0 + size)
