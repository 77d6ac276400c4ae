"""What the interior-point method asks of a cone.

For a pair `(s, z)` in the interiors of a cone and of its dual there is a matrix `W`
with `W z = W^-T s = lambda`, the scaling: `s` and `z` are the same point in scaled
coordinates, and from there steps and the boundary are seen. Of symmetric cones it is
the one of Nesterov and Todd, and `u o v` is the product of their Jordan algebra, with
the identity `e` (Vandenberghe, "The CVXOPT linear and quadratic cone program solvers",
2010, section 4). Cones that are not symmetric have neither; `nonsymmetric` says what
takes their place.

A kind of cone is a file in this folder with two classes that follow these protocols,
and a line in `table`. Vectors are `[B, k, rows]`, k of them for each element, and the
rows are those of all equal cones together. No operation may let one element see another
one, not in the last bit.
"""

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
import tensorflow as tf


class ScalingPoint(Protocol):
    """The scaling of equal cones, and what is seen from its point."""

    @property
    def point(self) -> tf.Tensor:
        """`lambda`."""

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W'v`."""

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`."""

    def scaled_columns(self, A: tf.Tensor) -> tf.Tensor:
        """`W^-T A`, for `A [1 or B, rows, n]`."""

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """What `d` is beyond `lambda` for a step that corrects another one for its
        curvature, and is centred.

        Of symmetric cones, the `u` with `lambda o u = ds o dz - mu e`.

        Args:
            dz, ds: the step, in scaled coordinates.
            mu: the complementarity to aim at, `[B, 1, 1]`.
        """

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The `t` such that `lambda + d / t` is on the boundary, for the vector where
        it is largest, `[B, 1, 1]`; not positive where all point to the inside. The
        first of two vectors is a step of `z`, the second one of `s`."""


class InteriorCone(Protocol):
    """Equal cones.

    Attributes:
        is_symmetric: whether they are their own duals, so that what is far from both
            can be moved along `identity` to be inside of both.
        is_diagonal: whether `W` is.
        has_slack: whether `s` may be anything but zero.
    """

    is_symmetric: ClassVar[bool]
    is_diagonal: ClassVar[bool]
    has_slack: ClassVar[bool]

    @property
    def rows(self) -> int:
        """The number of rows of all of them."""

    @property
    def degree(self) -> int:
        """What their `s'z` is divided by to give the mean complementarity."""

    @property
    def identity(self) -> np.ndarray:
        """The `s = z` that is on the central path at `mu = 1`, `[rows]`: `e` of the
        algebra, where there is one."""

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """How far each is outside: the least `t` with `v + t e` inside,
        `[B, k, cones]`. Of symmetric cones."""

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> ScalingPoint:
        """The scaling at `s, z [B, 1, rows]`, both in the interior."""


def by_columns(function: Callable[[tf.Tensor], tf.Tensor], A: tf.Tensor) -> tf.Tensor:
    """A function of vectors `[B, k, rows]`, of the columns of `A [B, rows, n]`."""
    return tf.linalg.matrix_transpose(function(tf.linalg.matrix_transpose(A)))
