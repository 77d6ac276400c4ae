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

import numpy as np
import tensorflow as tf

from tf_cvxlayers.optimality.cones.product import Sides, are_inside
from tf_cvxlayers.optimality.kkt import (
    KKT,
    DecomposedKKT,
    FactoredKKT,
    Pair,
    kkt_system,
)
from tf_cvxlayers.optimality.matrices import Matrices, SparseMatrices
from tf_cvxlayers.optimality.newton_point import NewtonPoint, NewtonStep, Sizes, Steps
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.runtime.rarely import rarely

_STEPS = 4
# Relative to the terms of a residual, what rounding leaves of it.
_ROUNDING = 1e-13
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

# `(x, y, s)`.
Point = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
# From a complementary pair `(y, s)` to the steps of the system that is factored there;
# elements that are settled, bool `[B]`, need none.
Newton = Callable[[Pair, tf.Tensor], Steps]


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
    given = NewtonPoint.of(matrices, *point)
    start = NewtonPoint.at(dims, matrices, *given[:3])
    distances = Sides.of(dims, start.y, start.s).distances
    unsettled = tf.zeros_like(given.miss, tf.bool)

    def improve(point, before, best, least, settled):
        steps = newton((point.y, point.s), settled)
        first = NewtonStep.of(steps, matrices, (point.F1, point.F2))
        near = point.moved(dims, matrices, first)
        second = NewtonStep.of(steps, matrices, near.without_rounding())
        # Where a row has changed its side, another system has a say.
        same = before * Sides.of(dims, near.y, near.s).distances > 0
        made = tf.reduce_all(same, axis=1)
        new = near.moved(dims, matrices, second.where(made))
        sizes, sides, miss = Sizes.of(new), Sides.of(dims, new.y, new.s), new.miss
        length, error = sizes.relative(first), sizes.relative(second)
        short = tf.minimum(_SHRINKS * length, tf.sqrt(_LEFT * length))
        short = tf.where(made, tf.maximum(short, _SHORTEST), _SHORTEST)
        ends = (error <= short) & (new.miss_beside_terms(matrices) <= _ROUNDING)
        shrinks = tf.where(made, tf.math.divide_no_nan(error, length + error), 1.0)
        ends = ends & _keep(
            sides, same, second, tf.expand_dims(shrinks, 1), sizes, kink
        )
        inside = are_inside(dims, new.y, new.s)
        ends = ends if inside is None else ends & inside
        # An element that is done does not move: it must not depend on its neighbours.
        better = tf.logical_not(settled) & (ends | (miss <= least))
        best = tuple(
            tf.where(tf.expand_dims(better, 1), *pair)
            for pair in zip(new, best, strict=False)
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


def _keep(
    sides: Sides,
    same: tf.Tensor,
    step: NewtonStep,
    shrinks: tf.Tensor,
    sizes: Sizes,
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
    unit = tf.where(
        sides.distances > 0,
        tf.expand_dims(sizes.dual, 1),
        tf.expand_dims(sizes.primal, 1),
    )
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
    def at(pair: Pair, _settled: tf.Tensor) -> Steps:
        system = kkt_system(dims, matrices, *pair)
        cone, ready = system.cone, made_ready(system)

        def steps(F: Pair) -> Pair:
            right = -F[0], cone.values * cone.into(F[1])
            dx, e = ready.solve(right)
            return dx, -cone.out_of(e)

        return steps

    return at
