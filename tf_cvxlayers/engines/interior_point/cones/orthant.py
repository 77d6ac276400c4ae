"""The nonnegative orthant: `u o v` is the product entry by entry, `W` is diagonal."""

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.rows import Rows


class OrthantScaling(NamedTuple):
    """`W = diag(w)`, `w = sqrt(s / z)`."""

    point: tf.Tensor
    w: tf.Tensor
    w_inverse: tf.Tensor

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W'v`, as `W v`."""
        return self.w * v

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""
        return self.w_inverse * v

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`, as `W^-1 v`."""
        return self.inverse(v)

    def scaled_columns(self, A: tf.Tensor) -> tf.Tensor:
        """`W^-T A`."""
        return tf.linalg.matrix_transpose(self.w_inverse) * A

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """The `u` with `lambda o u = ds o dz - mu e`."""
        return (ds * dz - mu) / self.point

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The largest `t` with `lambda + d / t` on the boundary, `[B, 1, 1]`."""
        return -tf.reduce_min(d / self.point, axis=[1, 2], keepdims=True)

    def inverse_rows(self, A: Rows) -> Rows:
        """`W^-T A`, for a matrix without the first row."""
        return A.scaled(self.w_inverse[:, 0, 1:])


@dataclasses.dataclass(frozen=True)
class Orthant:
    """The nonnegative orthant of so many rows."""

    is_symmetric: ClassVar[bool] = True
    is_diagonal: ClassVar[bool] = True
    has_slack: ClassVar[bool] = True

    rows: int

    @property
    def degree(self) -> int:
        """What `s'z` is divided by to give the mean complementarity."""
        return self.rows

    @property
    def identity(self) -> np.ndarray:
        """The identity of the algebra, `[rows]`."""
        return np.ones(self.rows)

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """How far each row is below zero, `[B, k, rows]`."""
        return -v

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> OrthantScaling:
        """The scaling at `s, z [B, 1, rows]`."""
        root_s, root_z = tf.sqrt(s), tf.sqrt(z)
        return OrthantScaling(root_s * root_z, root_s / root_z, root_z / root_s)
