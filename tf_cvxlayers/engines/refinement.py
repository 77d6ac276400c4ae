"""Newton's method on the optimality conditions, from a solver's point.

An interior-point method stops at complementarity `y's` of about its tolerance, which
leaves an error of its square root where the cone is flat (1e-5 at a tolerance of 1e-9
for a softmax as a problem). Refinement (Busseti, Moursi, Boyd, "Solution refinement at
regular points of conic problems", 2019) starts where the solver stopped and converges
quadratically. In the notation of `kkt`, a step solves `J (dx, dv) = -F`: with
`e = -U'D dv` it is the system (*) with right-hand side `(-F1, d U'F2)`, and

    dv = A dx - U e - F2,    dy = D dv = -U e,    ds = dy - dv.

A step is kept, for each element, only if it makes the residuals no larger.
"""

import tensorflow as tf

from tf_cvxlayers.engines.kkt import kkt_system, times_transpose
from tf_cvxlayers.engines.projections import complementary_pair
from tf_cvxlayers.program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.residuals import residuals

_STEPS = 3


def refined(
    structure: ConeStructure, data: ConeData, solution: ConeSolution
) -> ConeSolution:
    """The solution, closer where a step of Newton's method brings it closer."""
    y, s = complementary_pair(structure.cones, solution.y, solution.s)
    point = solution._replace(y=y, s=s)
    best, best_residual = solution, residuals(structure, data, solution).largest()
    for _ in range(_STEPS):
        point = _newton_step(structure, data, point)
        residual = residuals(structure, data, point).largest()
        better = residual <= best_residual
        best_residual = tf.where(better, residual, best_residual)
        best = best._replace(
            **{
                name: tf.where(
                    better[:, None], getattr(point, name), getattr(best, name)
                )
                for name in ("x", "y", "s")
            }
        )
    return best


def _newton_step(
    structure: ConeStructure, data: ConeData, point: ConeSolution
) -> ConeSolution:
    x, y, s = point.x, point.y, point.s
    system = kkt_system(structure, data, y, s)
    F1 = tf.linalg.matvec(system.P, x) + times_transpose(system.A, y) + data.q
    F2 = data.b - tf.linalg.matvec(system.A, x) - s
    cone = system.cone
    (dx, e), _ = system.solve((-F1, cone.values * cone.into(F2[:, :, None])[:, :, 0]))
    dy = -cone.out_of(e[:, :, None])[:, :, 0]
    ds = F2 - tf.linalg.matvec(system.A, dx)
    y, s = complementary_pair(structure.cones, y + dy, s + ds)
    return point._replace(x=x + dx, y=y, s=s)
