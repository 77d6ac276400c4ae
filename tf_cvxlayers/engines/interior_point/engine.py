"""The interior-point engine: everything in TensorFlow ops, for the whole batch at once."""

import dataclasses
from typing import Any, ClassVar

import tensorflow as tf

from tf_cvxlayers import cones
from tf_cvxlayers.cones import ConeDims
from tf_cvxlayers.engines.adjoint import direct_adjoint
from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.engines.interior_point.equilibration import equilibrated
from tf_cvxlayers.engines.interior_point.loop import RUNNING, iterated, started
from tf_cvxlayers.engines.interior_point.null_space import solve_in_null_space
from tf_cvxlayers.engines.refinement import dense_direction, refined
from tf_cvxlayers.errors import Status
from tf_cvxlayers.matrices import Matrices, dense_matrices
from tf_cvxlayers.program import ConeData, ConeSolution, ConeStructure

# Newton's method takes over from an iterate of this accuracy; where it does not
# converge, the iteration goes on to the tolerance that was asked for.
_HANDOVER = 1e-4
_EXACT = 1e-12


@dataclasses.dataclass(frozen=True)
class InteriorPoint(Engine):
    name: ClassVar[str] = "interior_point"
    portable: ClassVar[bool] = True
    supports_jit: ClassVar[bool] = True

    tolerance: float = 1e-9
    max_iterations: int = 50

    @property
    def cones(self) -> frozenset[str]:
        return frozenset({cones.ZERO, cones.NONNEGATIVE, cones.SECOND_ORDER})

    def solve(self, structure: ConeStructure, data: ConeData) -> ConeSolution:
        dims = structure.cones
        problem, (d, e) = equilibrated(dims, dense_matrices(structure, data))
        rest = dataclasses.replace(dims, zero=0)

        def solver(problem):
            return self._solve(rest, problem)

        if dims.zero:
            found = solve_in_null_space(problem, dims.zero, solver)
        else:
            found = solver(problem)
        x, y, s, status, iterations = found
        return ConeSolution(d * x, e * y, s / e, status, iterations)

    def _solve(self, dims: ConeDims, problem: Matrices) -> tuple[tf.Tensor, ...]:
        """The solution of a program without equalities."""
        cone = SymmetricCone.of(dims)
        batch = tf.shape(problem.q + problem.b[:, :1])[0]
        direction = dense_direction(dims, problem)

        def run(state, tolerance, refine):
            state = iterated(
                problem, cone, state, tolerance, self.max_iterations, refine
            )
            x, z, s = (part / state.point.tau for part in state.point[:3])
            status, iterations = state.status[:, 0], state.iterations[:, 0]
            found = ConeSolution(x, z, s, status, iterations)
            found, residual = refined(dims, problem, found, direction)
            return state, found, tf.where(residual <= _EXACT, True, False)

        state = started(problem, cone, batch)
        state, found, exact = run(state, _HANDOVER, refine=False)
        certified = (found.status == Status.PRIMAL_INFEASIBLE) | (
            found.status == Status.DUAL_INFEASIBLE
        )
        done = (exact | certified)[:, None]

        def continued():
            again = state._replace(status=tf.where(done, state.status, RUNNING))
            _, more, _ = run(again, self.tolerance, refine=True)
            return ConeSolution(
                *(
                    tf.where(done if new.shape.rank == 2 else done[:, 0], old, new)
                    for old, new in zip(found, more, strict=True)
                )
            )

        found = tf.cond(tf.reduce_all(done), lambda: found, continued)
        stopped = tf.where(
            found.status == RUNNING, Status.ITERATION_LIMIT, found.status
        )
        return tuple(found._replace(status=stopped))

    def adjoint(self, structure, data, solution, cotangent):
        return direct_adjoint(structure, data, solution, cotangent)
