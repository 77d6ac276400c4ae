"""Newton's method on the optimality conditions, from a solver's point.

An interior-point method stops at complementarity `y's` of about its tolerance, which
leaves an error of its square root where the cone is flat (1e-5 at a tolerance of 1e-9
for a softmax as a problem). Refinement (Busseti, Moursi, Boyd, "Solution refinement at
regular points of conic problems", 2019) starts where the solver stopped and converges
quadratically. In the notation of `kkt`, a step solves `J (dx, dv) = -F`: with
`e = -U'D dv` it is the system (*) with right-hand side `(-F1, d U'F2)`, and

    dv = A dx - U e - F2,    dy = D dv = -U e,    ds = dy - dv.

A step is kept, for each element, only if it makes the residuals no larger than they
were, or than rounding leaves.
"""

import tensorflow as tf

from tf_cvxlayers.engines.kkt import kkt_system, times_transpose
from tf_cvxlayers.engines.projections import complementary_pair
from tf_cvxlayers.program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.residuals import residuals

# Where the cone is flat a residual of 1e-16 can hide an error of 1e-10 in x, so two
# steps are always made; a third only while the residual is more than rounding leaves.
_ALWAYS, _STEPS = 2, 3
_ROUNDING = 1e-14


def refined(
    structure: ConeStructure, data: ConeData, solution: ConeSolution
) -> ConeSolution:
    """The solution, closer where a step of Newton's method brings it closer."""
    y, s = complementary_pair(structure.cones, solution.y, solution.s)
    point = solution.x, y, s
    best = tuple(solution[:3])

    def residual(point):
        return residuals(structure, data, solution.at(*point)).largest()

    def not_done(step, _point, _best, best_residual):
        return (step < _ALWAYS) | tf.reduce_any(best_residual > _ROUNDING)

    def improve(step, point, best, best_residual):
        point = _newton_step(structure, data, point)
        new = residual(point)
        # An element that is done does not move: it must not depend on its neighbours.
        moving = (step < _ALWAYS) | (best_residual > _ROUNDING)
        better = moving & (new <= tf.maximum(best_residual, _ROUNDING))
        best = tuple(
            tf.where(better[:, None], *pair) for pair in zip(point, best, strict=True)
        )
        return step + 1, point, best, tf.where(better, new, best_residual)

    _, _, best, _ = tf.while_loop(
        not_done, improve, (0, point, best, residual(best)), maximum_iterations=_STEPS
    )
    return solution.at(*best)


def _newton_step(
    structure: ConeStructure,
    data: ConeData,
    point: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    x, y, s = point
    system = kkt_system(structure, data, y, s)
    F1 = tf.linalg.matvec(system.P, x) + times_transpose(system.A, y) + data.q
    F2 = data.b - tf.linalg.matvec(system.A, x) - s
    cone = system.cone
    right = -F1, cone.values * cone.into(F2[:, :, None])[:, :, 0]
    (dx, e), _ = system.solve(right, refinements=1)
    dy = -cone.out_of(e[:, :, None])[:, :, 0]
    ds = F2 - tf.linalg.matvec(system.A, dx)
    return x + dx, *complementary_pair(structure.cones, y + dy, s + ds)
