"""What the interior-point method asks of a cone.

The cones are symmetric: each has a product `u o v` with an identity `e` (its Jordan
algebra), and for a pair `(s, z)` in its interior there is one Nesterov-Todd scaling,
the matrix `W` with `W z = W^-1 s = lambda`. In scaled coordinates both are the same
point, and steps, products and the boundary are seen from there (Vandenberghe, "The
CVXOPT linear and quadratic cone program solvers", 2010, section 4).

A kind of cone is a file in this folder with two classes that follow these protocols,
and a line in `table`. Vectors are `[B, k, rows]`, k of them for each element, and the
rows are those of all equal cones together. No operation may let one element see another
one, not in the last bit.
"""

from typing import ClassVar, Protocol

import numpy as np
import tensorflow as tf


class ScalingPoint(Protocol):
    """The Nesterov-Todd scaling of equal cones, and what is seen from its point."""

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


class SymmetricCone(Protocol):
    """Equal symmetric cones.

    Attributes:
        is_diagonal: whether `W` is.
        has_slack: whether `s` may be anything but zero.
    """

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
        """The identity `e` of the algebra, `[rows]`."""

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """How far each is outside: the least `t` with `v + t e` inside,
        `[B, k, cones]`."""

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> ScalingPoint:
        """The scaling at `s, z [B, 1, rows]`, both in the interior."""
