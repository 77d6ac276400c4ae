"""Newton's method on the optimality conditions, from a solver's point, and whether it
has settled.

An interior-point method stops at complementarity `y's` of about its tolerance, which
leaves an error of its square root where the cone is flat (1e-5 at a tolerance of 1e-9
for a softmax as a matrices). Refinement (Busseti, Moursi, Boyd, "Solution refinement at
regular points of conic problems", 2019) starts where the solver stopped and converges
quadratically. In the notation of `kkt`, a step solves `J (dx, dv) = -F`: with
`e = -U'D dv` it is the system (*) with right-hand side `(-F1, d U'F2)`, and

    dv = A dx - U e - F2,    dy = D dv = -U e,    ds = dy - dv.

Each factorization serves for two steps. The second one is the error of where the first
one leads, and what is left after it is shorter by as much as it is shorter than the
first. What is settled is derived in `docs/accuracy.md`: the residual is rounding, the
error is short beside the solution, and no row can change its side within it.
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
from tf_cvxlayers.optimality.kkt import (
    KKT,
    DecomposedKKT,
    FactoredKKT,
    Pair,
    kkt_system,
)
from tf_cvxlayers.optimality.matrices import Matrices, SparseMatrices
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.runtime.rarely import rarely

_STEPS = 4
# Relative to the terms of a residual, what rounding leaves of it; and what it may leave
# of any entry, which is no error: where nothing holds a variable, it would be a long
# one.
_ROUNDING, _NOTHING = 1e-13, 1e-14
# And what it leaves within `A'y`, relative to the largest of `y`, over `_ROUNDING`.
_INNER = 1e-2
# Relative to the solution, a second step that is too short to look at how steps shrink;
# what may be left after one if they do; and to what part of the first they have to.
_SHORTEST, _LEFT, _SHRINKS = 1e-10, 1e-11, 0.1
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

# `(x, y, s)`.
Point = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
# From `(F1, F2)` to `(dx, dy)`.
Steps = Callable[[Pair], Pair]
# From a complementary pair `(y, s)` to the steps of the system that is factored there.
Newton = Callable[[Pair], Steps]


class _Step(NamedTuple):
    """A step of Newton's method."""

    dx: tf.Tensor
    dy: tf.Tensor
    ds: tf.Tensor

    @classmethod
    def of(cls, steps: Steps, matrices: Matrices | SparseMatrices, F: Pair) -> "_Step":
        """The step that leaves nothing of `F`, but for what is curved."""
        dx, dy = steps(F)
        return cls(dx, dy, F[1] - matrices.A.times(dx))

    def where(self, made: tf.Tensor) -> "_Step":
        """The step for those elements that make it, bool `[B]`."""
        made = made[:, None]
        return _Step(*(tf.where(made, part, tf.zeros_like(part)) for part in self))


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

    def moved(self, dims, matrices, step: _Step) -> "_Point":
        """The point after a step."""
        x = matrices.P.confined(self.x + step.dx)
        return _Point.at(dims, matrices, x, self.y + step.dy, self.s + step.ds)


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

    def relative(self, step: _Step) -> tf.Tensor:
        """The length of a step, `[B]`."""
        return tf.maximum(largest(step.dx) / self.primal, largest(step.dy) / self.dual)


def refined(
    dims: ConeDims,
    matrices: Matrices | SparseMatrices,
    point: Point,
    newton: Newton,
    thoroughly: tf.Tensor | bool,
) -> tuple[Point, tf.Tensor, tf.Tensor]:
    """The point, closer where steps of Newton's method bring it closer; whether it is
    settled, bool `[B]`; and what it misses of the conditions, relative to their terms,
    `[B]`.

    Args:
        dims, matrices: the programs.
        point: where to start.
        newton: the steps.
        thoroughly: whether they are in units in which a row that is nearly on both of
            its sides can be told from one of small numbers.
    """
    kink = tf.where(thoroughly, tf.constant(_KINK, tf.float64), _ROUNDED)
    given = _Point.of(matrices, *point)
    start = _Point.at(dims, matrices, *given[:3])
    distances = Sides.of(dims, start.y, start.s).distances
    unsettled = tf.zeros_like(given.miss, tf.bool)

    def improve(point, before, best, least, settled):
        steps = newton((point.y, point.s))
        first = _Step.of(steps, matrices, (point.F1, point.F2))
        near = point.moved(dims, matrices, first)
        second = _Step.of(steps, matrices, near.without_rounding())
        # Where a row has changed its side, another system has a say.
        same = before * Sides.of(dims, near.y, near.s).distances > 0
        new = near.moved(dims, matrices, second.where(tf.reduce_all(same, axis=1)))
        sizes, sides, miss = _Sizes.of(new), Sides.of(dims, new.y, new.s), new.miss
        length, error = sizes.relative(first), sizes.relative(second)
        short = tf.minimum(_SHRINKS * length, tf.sqrt(_LEFT * length))
        ends = (error <= tf.maximum(short, _SHORTEST)) & (miss <= _ROUNDING)
        shrinks = tf.math.divide_no_nan(error, length + error)
        ends = ends & _keep(sides, same, second, shrinks[:, None], sizes, kink)
        inside = are_inside(dims, new.y, new.s)
        ends = ends if inside is None else ends & inside
        # An element that is done does not move: it must not depend on its neighbours.
        better = tf.logical_not(settled) & (ends | (miss <= least))
        best = tuple(
            tf.where(better[:, None], *pair) for pair in zip(new, best, strict=False)
        )
        least = tf.where(better, miss, least)
        return new, sides.distances, best, least, settled | ends

    *_, best, missed, settled = tf.while_loop(
        lambda *state: ~tf.reduce_all(state[-1]),
        improve,
        (start, distances, tuple(given[:3]), given.miss, unsettled),
        maximum_iterations=_STEPS,
    )
    return best, settled, missed


def _without(F: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.abs(F) <= rounding, tf.zeros_like(F), F)


def _keep(
    sides: Sides,
    same: tf.Tensor,
    step: _Step,
    shrinks: tf.Tensor,
    sizes: _Sizes,
    kink: tf.Tensor,
) -> tf.Tensor:
    """Whether no row has changed its side, nor can do so, but for kinks: bool `[B]`.

    Args:
        sides: where the rows are.
        same: which of them are where they were, bool `[B, k]`.
        step: the last one; and `shrinks [B, 1]`, to what part of it what is left does.
        sizes, kink: in what units, and how near, a row is on both of its sides.
    """
    distance = tf.abs(sides.distances)
    moved, flat = sides.lengths(step.dy - step.ds), sides.are_flat
    if not flat.all():
        moved = moved * (flat + ~flat * shrinks)
    far = same & (moved <= np.where(flat, _FLAT, _CURVED) * distance)
    unit = tf.where(sides.distances > 0, sizes.dual[:, None], sizes.primal[:, None])
    return tf.reduce_all(far | (distance <= kink * unit), axis=1)


def refined_densely(
    dims: ConeDims,
    matrices: Matrices,
    point: Point,
    thoroughly: tf.Tensor | bool,
) -> tuple[Point, tf.Tensor, tf.Tensor]:
    """`refined` with dense factorizations; thoroughly, with singular values."""

    def by_elimination(thoroughly=False):
        newton = _newton(dims, matrices, KKT.factored)
        return refined(dims, matrices, point, newton, thoroughly)

    def by_singular_values():
        newton = _newton(dims, matrices, KKT.decomposed)
        return refined(dims, matrices, point, newton, True)

    small = dims.size + matrices.q.shape[1] <= _THOROUGH
    if not small or thoroughly is False:
        return by_elimination(thoroughly)
    thoroughly = tf.convert_to_tensor(thoroughly)
    return rarely(thoroughly, by_singular_values, by_elimination)


def _newton(
    dims: ConeDims,
    matrices: Matrices,
    made_ready: Callable[[KKT], FactoredKKT | DecomposedKKT],
) -> Newton:
    def at(pair: Pair) -> Steps:
        system = kkt_system(dims, matrices, *pair)
        cone, ready = system.cone, made_ready(system)

        def steps(F: Pair) -> Pair:
            right = -F[0], cone.values * cone.into(F[1])
            dx, e = ready.solve(right)
            return dx, -cone.out_of(e)

        return steps

    return at
