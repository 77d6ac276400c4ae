"""Newton's method on the optimality conditions, from a solver's point, and whether it
has settled.

An interior-point method stops at complementarity `y's` of about its tolerance, which
leaves an error of its square root where the cone is flat (1e-5 at a tolerance of 1e-9
for a softmax as a matrices). Refinement (Busseti, Moursi, Boyd, "Solution refinement at
regular points of conic problems", 2019) starts where the solver stopped and converges
quadratically. In the notation of `kkt`, a step solves `J (dx, dv) = -F`: with
`e = -U'D dv` it is the system (*) with right-hand side `(-F1, d U'F2)`, and

    dv = A dx - U e - F2,    dy = D dv = -U e,    ds = dy - dv.

Each factorization serves twice: for the step, and for the error of where it leads,
which is the step that would come next. What is settled is derived in
`docs/accuracy.md`: the residual is rounding, the error is short beside the solution,
and no row can change its side within it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.cones.product import (
    Sides,
    are_inside,
    complementary_pair,
)
from tf_cvxlayers.optimality.kkt import Pair, kkt_system
from tf_cvxlayers.optimality.matrices import Matrices, SparseMatrices
from tf_cvxlayers.program.cone_program import ConeSolution
from tf_cvxlayers.program.cones import ConeDims

_STEPS = 4
# Relative to the terms of a residual, what rounding leaves of it; and what it may leave
# of any entry, which is no error: where nothing holds a variable, it would be a long
# one.
_ROUNDING, _NOTHING = 1e-13, 1e-14
# And what it leaves within `A'y`, relative to the largest of `y`, over `_ROUNDING`.
_INNER = 1e-2
# Relative to the solution, an error that is too short to look at how it shrinks; and
# one that is short enough if it does, to this part of the step.
_SHORTEST, _SHORT, _SHRINKS = 1e-10, 1e-9, 0.1
# Relative to its distance from changing its side, what the error of a row may be. On
# flat sides the derivative does not depend on where on them a row is.
_FLAT, _CURVED = 0.1, 1e-7
# Relative to the solution, the distance at which a row is on both of its sides: where
# units are good, and where they need not be.
_KINK, _ROUNDED = 1e-9, 1e-14
# The largest order of a system that singular values are taken of.
_THOROUGH = 200
# The least size of a solution, in units in which the program has numbers near one.
_LEAST = 1e-3

# From `(F1, F2)`, and how often the answer is refined, to `(dx, dy)`.
Steps = Callable[[Pair, int], Pair]
# From a complementary pair `(y, s)` to the steps of the system that is factored there.
Newton = Callable[[Pair], Steps]


class _Point(NamedTuple):
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
    def at(cls, dims, matrices, x, y, s) -> "_Point":
        """The point next to this one whose pair is complementary."""
        return cls.of(matrices, x, *complementary_pair(dims, y, s))

    @classmethod
    def of(cls, matrices, x, y, s) -> "_Point":
        """This point."""
        Px, Ax, Aty = (
            matrices.P.times(x),
            matrices.A.times(x),
            matrices.A.transposed(y),
        )
        F1, F2 = total(Px, Aty, matrices.q), matrices.b - Ax - s
        # Of terms that nearly cancel, all but one give the size; in the units of a
        # program some of its numbers are near one.
        size1 = 1.0 + tf.abs(Px) + tf.abs(Aty) + _INNER * largest(y)[:, None]
        size2 = 1.0 + tf.abs(Ax) + tf.abs(s)
        return cls(x, y, s, F1, F2, size1, size2)

    @property
    def miss(self) -> tf.Tensor:
        """The larger of the residuals, relative to their terms, `[B]`."""
        return largest(self.F1 / self.size1, self.F2 / self.size2)

    def without_rounding(self) -> Pair:
        """`F1` and `F2` without what rounding may have left there."""
        return (
            _without(self.F1, _NOTHING * self.size1),
            _without(self.F2, _NOTHING * self.size2),
        )

    def moved(self, dims, matrices, dx, dy) -> "_Point":
        """The point after a step."""
        ds = self.F2 - matrices.A.times(dx)
        x = matrices.P.confined(self.x + dx)
        return _Point.at(dims, matrices, x, self.y + dy, self.s + ds)


class _Sizes(NamedTuple):
    """Of `x` and `s`, and of `y`, `[B]`: what counts as one."""

    primal: tf.Tensor
    dual: tf.Tensor

    @classmethod
    def of(cls, point: _Point) -> "_Sizes":
        """The sizes at a point.

        Slacks are distances from the solution, wherever the origin is; but a bound that
        is far away says nothing.
        """
        x, s = largest(point.x), largest(point.s)
        slack = tf.minimum(s, 1.0 + x)
        return cls(tf.where(s > 0, slack, x) + _LEAST, largest(point.y) + _LEAST)

    def relative(self, dx: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
        """The size of a step, `[B]`."""
        return tf.maximum(largest(dx) / self.primal, largest(dy) / self.dual)


def refined(
    dims: ConeDims,
    matrices: Matrices | SparseMatrices,
    solution: ConeSolution,
    newton: Newton,
    thoroughly: tf.Tensor | bool,
) -> tuple[ConeSolution, tf.Tensor, tf.Tensor]:
    """The solution, closer where steps of Newton's method bring it closer; whether it
    is settled, bool `[B]`; and what it misses of the conditions, relative to their
    terms, `[B]`.

    Args:
        dims, matrices: the programs.
        solution: where to start.
        newton: the steps.
        thoroughly: whether they are in units in which a row that is nearly on both of
            its sides can be told from one of small numbers.
    """
    kink = tf.where(thoroughly, tf.constant(_KINK, tf.float64), _ROUNDED)
    given = _Point.of(matrices, *solution[:3])
    start = _Point.at(dims, matrices, *given[:3])
    unsettled = tf.zeros_like(start.miss, tf.bool)

    def improve(k, point, best, least, settled):
        steps = newton((point.y, point.s))
        dx, dy = steps((point.F1, point.F2), 1)
        new = point.moved(dims, matrices, dx, dy)
        rest = new.without_rounding()
        ex, ey = steps(rest, 0)
        es = rest[1] - matrices.A.times(ex)
        sizes, miss = _Sizes.of(new), new.miss
        step, error = sizes.relative(dx, dy), sizes.relative(ex, ey)
        shrinks = (error <= _SHORT) & (error <= _SHRINKS * step) & (k > 0)
        ends = ((error <= _SHORTEST) | shrinks) & (miss <= _ROUNDING)
        ends = ends & _keeps_sides(dims, point, new, ey - es, sizes, kink)
        # An element that is done does not move: it must not depend on its neighbours.
        better = tf.logical_not(settled) & (ends | (miss <= least))
        best = tuple(
            tf.where(better[:, None], *pair) for pair in zip(new, best, strict=False)
        )
        return k + 1, new, best, tf.where(better, miss, least), settled | ends

    _, _, best, missed, settled = tf.while_loop(
        lambda _k, _point, _best, _least, settled: ~tf.reduce_all(settled),
        improve,
        (0, start, tuple(given[:3]), given.miss, unsettled),
        maximum_iterations=_STEPS,
    )
    return solution.at(*best), settled, missed


def _without(F: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.abs(F) <= rounding, tf.zeros_like(F), F)


def _keeps_sides(
    dims: ConeDims,
    before: _Point,
    point: _Point,
    error: tf.Tensor,
    sizes: _Sizes,
    kink: tf.Tensor,
) -> tf.Tensor:
    """Whether no row can change its side by an error of this size, `[B, m]`, and none
    has done so in the step, but for kinks: bool `[B]`."""
    sides = Sides.of(dims, point.y, point.s)
    distance = sides.distances
    sure = tf.constant(np.where(sides.are_flat, _FLAT, _CURVED), distance.dtype)
    stays = Sides.of(dims, before.y, before.s).distances * distance > 0
    far = stays & (sides.lengths(error) <= sure * tf.abs(distance))
    unit = tf.where(distance > 0, sizes.dual[:, None], sizes.primal[:, None])
    kept = tf.reduce_all(far | (tf.abs(distance) <= kink * unit), axis=1)
    inside = are_inside(dims, point.y, point.s)
    return kept if inside is None else kept & inside


def dense_newton(
    dims: ConeDims, matrices: Matrices, thoroughly: tf.Tensor | bool
) -> Newton:
    """Newton's steps by dense factorization; thoroughly, by singular values."""
    small = dims.size + matrices.q.shape[1] <= _THOROUGH
    can_be_thorough = small and thoroughly is not False
    if can_be_thorough:
        thoroughly = tf.convert_to_tensor(thoroughly)

    def at(pair: Pair) -> Steps:
        system = kkt_system(dims, matrices, *pair)
        cone, factored = system.cone, system.factored()
        decomposed = (
            tf.cond(thoroughly, system.decomposed, system.not_decomposed)
            if can_be_thorough
            else None
        )

        def steps(F: Pair, refinements: int) -> Pair:
            right = -F[0], cone.values * cone.into(F[1][:, :, None])[:, :, 0]

            def by_elimination():
                return factored.solve(right, refinements)

            dx, e = (
                by_elimination()
                if decomposed is None
                else tf.cond(
                    thoroughly,
                    lambda: decomposed.least_squares(right),
                    by_elimination,
                )
            )
            return dx, -cone.out_of(e[:, :, None])[:, :, 0]

        return steps

    return at
