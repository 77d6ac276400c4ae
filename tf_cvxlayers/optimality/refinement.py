"""Newton's method on the optimality conditions, from a solver's point.

An interior-point method stops at complementarity `y's` of about its tolerance, which
leaves an error of its square root where the cone is flat (1e-5 at a tolerance of 1e-9
for a softmax as a matrices). Refinement (Busseti, Moursi, Boyd, "Solution refinement at
regular points of conic problems", 2019) starts where the solver stopped and converges
quadratically. In the notation of `kkt`, a step solves `J (dx, dv) = -F`: with
`e = -U'D dv` it is the system (*) with right-hand side `(-F1, d U'F2)`, and

    dv = A dx - U e - F2,    dy = D dv = -U e,    ds = dy - dv.

A step is kept, for each element, only if it makes the residuals no larger than they
were, or than rounding leaves.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.optimality.cones.product import complementary_pair
from tf_cvxlayers.optimality.kkt import Pair, kkt_system
from tf_cvxlayers.optimality.matrices import Matrices, SparseMatrices
from tf_cvxlayers.optimality.residuals import residuals
from tf_cvxlayers.program.cone_program import ConeSolution
from tf_cvxlayers.program.cones import ConeDims

# Steps are made while the residual is more than rounding leaves, and one at least.
# Where a cone is curved, a residual of 1e-16 can hide an error of 1e-10 in x: two.
_STEPS = 3
_ROUNDING = 1e-14

# From a complementary pair `(y, s)` and `(F1, F2)` to `(dx, dy)`.
Direction = Callable[[Pair, Pair], Pair]


def refined(
    dims: ConeDims,
    matrices: Matrices | SparseMatrices,
    solution: ConeSolution,
    direction: Direction,
) -> tuple[ConeSolution, tf.Tensor]:
    """The solution, closer where a step of Newton's method brings it closer; and its
    largest relative residual, `[B]`."""
    always = 1 if dims.is_polyhedral else 2
    start = complementary_pair(dims, solution.y, solution.s)
    best = tuple(solution[:3])

    def residual(point):
        return residuals(matrices, *point).largest()

    def not_done(step, _point, _best, best_residual):
        return (step < always) | tf.reduce_any(best_residual > _ROUNDING)

    def improve(step, point, best, best_residual):
        point = _newton_step(dims, matrices, point, direction)
        new = residual(point)
        # An element that is done does not move: it must not depend on its neighbours.
        moving = (step < always) | (best_residual > _ROUNDING)
        better = moving & (new <= tf.maximum(best_residual, _ROUNDING))
        best = tuple(
            tf.where(better[:, None], *pair) for pair in zip(point, best, strict=True)
        )
        return step + 1, point, best, tf.where(better, new, best_residual)

    _, _, best, residual_of_best = tf.while_loop(
        not_done,
        improve,
        (0, (solution.x, *start), best, residual(best)),
        maximum_iterations=_STEPS,
    )
    return solution.at(*best), residual_of_best


def dense_direction(dims: ConeDims, matrices: Matrices) -> Direction:
    """The Newton direction by dense factorization."""

    def direction(pair: Pair, F: Pair) -> Pair:
        system = kkt_system(dims, matrices, *pair)
        cone = system.cone
        right = -F[0], cone.values * cone.into(F[1][:, :, None])[:, :, 0]
        (dx, e), _ = system.solve(right, refinements=1)
        return dx, -cone.out_of(e[:, :, None])[:, :, 0]

    return direction


def _newton_step(
    dims: ConeDims,
    matrices: Matrices | SparseMatrices,
    point: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    direction: Direction,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    x, y, s = point
    F1 = total(matrices.P.times(x), matrices.A.transposed(y), matrices.q)
    F2 = matrices.b - matrices.A.times(x) - s
    dx, dy = direction((y, s), (F1, F2))
    ds = F2 - matrices.A.times(dx)
    return x + dx, *complementary_pair(dims, y + dy, s + ds)
