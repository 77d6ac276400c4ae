"""A point on the way of Newton's method: what it misses, a step from it, its size."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.cones.product import complementary_pair
from tf_cvxlayers.optimality.kkt import Pair
from tf_cvxlayers.optimality.matrices import Matrices, SparseMatrices
from tf_cvxlayers.program.cones import ConeDims

# Relative to the terms of a residual, what rounding may leave of any entry, which is no
# error: where nothing holds a variable, it would be a long one.
_NOTHING = 1e-14
# What rounding leaves within `A'y`, relative to the largest of `y`, over what it leaves
# of sums.
_INNER = 1e-2
# The least size of a solution, in units in which the program has numbers near one.
_LEAST = 1e-3

# From `(F1, F2)` to `(dx, dy)`.
Steps = Callable[[Pair], Pair]


class NewtonStep(NamedTuple):
    """A step of Newton's method."""

    dx: tf.Tensor
    dy: tf.Tensor
    ds: tf.Tensor

    @classmethod
    def of(
        cls, steps: Steps, matrices: Matrices | SparseMatrices, F: Pair
    ) -> "NewtonStep":
        """The step that leaves nothing of `F`, but for what is curved."""
        dx, dy = steps(F)
        return cls(dx, dy, F[1] - matrices.A.times(dx))

    def where(self, made: tf.Tensor) -> "NewtonStep":
        """The step for those elements that make it, bool `[B]`."""
        made = tf.expand_dims(made, 1)
        return NewtonStep(*(tf.where(made, part, tf.zeros_like(part)) for part in self))


class NewtonPoint(NamedTuple):
    """A point with a complementary pair, and what it misses.

    Attributes:
        x, y, s: the point.
        F1, F2: what is missing in the conditions.
        size1, size2: of the terms that they are the sums of, entry by entry.
    """

    x: tf.Tensor
    y: tf.Tensor
    s: tf.Tensor
    F1: tf.Tensor
    F2: tf.Tensor
    size1: tf.Tensor
    size2: tf.Tensor

    @classmethod
    def at(cls, dims, matrices, x, y, s) -> "NewtonPoint":
        """The point next to this one whose pair is complementary."""
        return cls.of(matrices, x, *complementary_pair(dims, y, s))

    @classmethod
    def of(cls, matrices, x, y, s) -> "NewtonPoint":
        """This point."""
        Px, Ax, Aty = (
            matrices.P.times(x),
            matrices.A.times(x),
            matrices.A.transposed(y),
        )
        F1, F2 = total(Px, Aty, matrices.q), matrices.b - Ax - s
        # Of terms that nearly cancel, all but one give the size; in the units of a
        # program some of its numbers are near one.
        size1 = 1.0 + tf.abs(Px) + tf.abs(Aty) + _INNER * tf.expand_dims(largest(y), 1)
        size2 = 1.0 + tf.abs(Ax) + tf.abs(s)
        return cls(x, y, s, F1, F2, size1, size2)

    @property
    def miss(self) -> tf.Tensor:
        """The larger of the residuals, relative to their terms, `[B]`."""
        return largest(self.F1 / self.size1, self.F2 / self.size2)

    def miss_beside_terms(self, matrices: Matrices | SparseMatrices) -> tf.Tensor:
        """`miss`, relative to the terms within `A x` too, where these are known: one
        says what the next of many states is, with terms that are large where their sum
        is not. How far a point is from a solution that does not say."""
        terms = matrices.A.sizes_of_terms(self.x)
        if terms is None:
            return self.miss
        return largest(self.F1 / self.size1, self.F2 / (self.size2 + terms))

    def without_rounding(self) -> Pair:
        """`F1` and `F2` without what rounding may have left there."""
        return (
            _without(self.F1, _NOTHING * self.size1),
            _without(self.F2, _NOTHING * self.size2),
        )

    def moved(self, dims: ConeDims, matrices, step: NewtonStep) -> "NewtonPoint":
        """The point after a step."""
        x = matrices.P.confined(self.x + step.dx)
        return NewtonPoint.at(dims, matrices, x, self.y + step.dy, self.s + step.ds)


class Sizes(NamedTuple):
    """Of `x` and `s`, and of `y`, `[B]`: what counts as one."""

    primal: tf.Tensor
    dual: tf.Tensor

    @classmethod
    def of(cls, point: NewtonPoint) -> "Sizes":
        """The sizes at a point.

        Slacks are distances from the solution, wherever the origin is; but a bound that
        is far away says nothing.
        """
        x, s = largest(point.x), largest(point.s)
        slack = tf.minimum(s, 1.0 + x)
        return cls(tf.where(s > 0, slack, x) + _LEAST, largest(point.y) + _LEAST)

    def relative(self, step: NewtonStep) -> tf.Tensor:
        """The length of a step, `[B]`."""
        return tf.maximum(largest(step.dx) / self.primal, largest(step.dy) / self.dual)


def _without(F: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.abs(F) <= rounding, tf.zeros_like(F), F)
