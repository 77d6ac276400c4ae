"""What every kind of cone has to say about a solution.

At a solution `v = y - s` has the projections `y` onto the dual cone `K*` and `-s` onto
the polar of it (Moreau), so no projection has to be computed: its derivative
`D = DPi(v)` follows from `y` and `s` alone. `D` is symmetric with eigenvalues in
[0, 1], block diagonal, and every block has a known eigenbasis `U`:

    D = U diag(d) U'.

In that basis each cone looks like the nonnegative orthant: `d = 1` is an active
constraint, `d = 0` an inactive one, and between them lies the curvature of the cone.

A kind of cone is a file in this folder with a class that follows `ConeGeometry`, and a
line in `table`. Equal cones are elements of one batch: vectors are `[C, rows]`, where
`C` is the size of the batch times the number of equal cones. No operation may let one
element see another one, not in the last bit.
"""

import abc
from collections.abc import Sequence

import tensorflow as tf


class ConeGeometry(abc.ABC):
    """A kind of cone, of one size, at a solution. Abstract."""

    @property
    @abc.abstractmethod
    def keeps_axes(self) -> bool:
        """Whether `D` is diagonal in the coordinates that vectors come in, so that
        there is no basis to turn into."""

    @property
    def rows_are_apart(self) -> bool:
        """Whether each row is a cone of its own."""
        return False

    @property
    def mixes_rows(self) -> bool:
        """Whether an eigenbasis is any of many where eigenvalues of a point are equal,
        so that a row has no size of its own in it."""
        return False

    @property
    def leading_eigenvalues(self) -> int:
        """After how many of the eigenvalues of `D` all others are equal, where that is
        far fewer than there are; else zero."""
        return 0

    @property
    def milliseconds(self) -> float:
        """About what its own decompositions take in a solve with its adjoint, for each
        element and cone; where it has none, or next to none, zero."""
        return 0.0

    @property
    def compiled_milliseconds(self) -> float:
        """The same in machine code, one element after another."""
        return 0.0

    @property
    def nonnegative_rows(self) -> Sequence[int]:
        """The rows of a curved cone that are nowhere negative in it."""
        return ()

    @property
    def increasing_rows(self) -> Sequence[int]:
        """The rows of a curved cone that may grow by themselves, without an end, and
        never leave it."""
        return self.nonnegative_rows

    @property
    def has_hyperbolic_rotations(self) -> bool:
        """Whether rotations of its first two rows as `pipeline.hyperbolic` makes them
        are automorphisms."""
        return False

    @abc.abstractmethod
    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The complementary pair next to a point: `y` in `K*`, `s` in `K`, `y's = 0`.

        A solver's `y` and `s` are complementary up to its tolerance. Where there is a
        closed form the pair is the projection of `v = y - s`, `y = Pi(v)` and
        `s = Pi(v) - v` (Parikh and Boyd, "Proximal algorithms", 2014, section 6.3);
        where not, it agrees with that to first order.
        """

    @abc.abstractmethod
    def spectrum(
        self, y: tf.Tensor, s: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The eigenvalues `d [C, rows]` of `D` at a complementary pair, in [0, 1], and
        the eigenbasis, a tensor `[C, ...]` that `turned` knows how to read; None if
        `keeps_axes`.

        Where `D` does not exist, one of its limits takes its place.
        """

    @abc.abstractmethod
    def sides(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        """How far a complementary pair is from the places where `D` jumps, `[C, k]`.

        The sign says on which side of each of them it is; `k` is zero where `D` is
        constant, and the number of rows if `keeps_axes`.
        """

    def distances(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        """How far a complementary pair is from where `D` jumps, at least zero: for each
        row, `[C, rows]`, if `keeps_axes`, otherwise for the cone, `[C, 1]`. Infinite
        where `D` never does."""
        away = tf.abs(self.sides(y, s))
        return away if self.keeps_axes else tf.reduce_min(away, axis=1, keepdims=True)

    def lengths(self, dv: tf.Tensor) -> tf.Tensor:
        """How far a change of `v` may move it from its sides, `[C, 1 or k]`."""
        return tf.norm(dv, axis=1, keepdims=True)

    def are_inside(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor | None:
        """Whether what `pair` made lies in the cones, bool `[C]`; None where that is
        certain."""
        return None

    @abc.abstractmethod
    def turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        """`U M`, or `U'M`, of the same shape or broadcast to the batch of the basis.

        Args:
            basis: what `spectrum` gave, `[B, number, ...]`.
            part: the rows `M [1 or B, number, rows, k]` that belong to the cones.
            transpose: whether it is `U'M`.
        """
