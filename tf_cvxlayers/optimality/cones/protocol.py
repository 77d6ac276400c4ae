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

import tensorflow as tf


class ConeGeometry(abc.ABC):
    """A kind of cone, of one size, at a solution. Abstract."""

    @property
    @abc.abstractmethod
    def keeps_axes(self) -> bool:
        """Whether `D` is diagonal in the coordinates that vectors come in, so that
        there is no basis to turn into."""

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
    def turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        """`U M`, or `U'M`, of the same shape or broadcast to the batch of the basis.

        Args:
            basis: what `spectrum` gave, `[B, number, ...]`.
            part: the rows `M [1 or B, number, rows, k]` that belong to the cones.
            transpose: whether it is `U'M`.
        """
