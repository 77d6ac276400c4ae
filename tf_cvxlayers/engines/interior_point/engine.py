"""The interior-point engine: everything in TensorFlow ops, the whole batch at once."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.engines.interior_point.embedding import Iterate, Program, Refinement
from tf_cvxlayers.engines.interior_point.equilibration import equilibrated
from tf_cvxlayers.engines.interior_point.loop import Verdict, iterated, started
from tf_cvxlayers.engines.interior_point.null_space import solve_in_null_space
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.rows_and_bounds import all_general
from tf_cvxlayers.optimality.adjoint import direct_adjoint
from tf_cvxlayers.optimality.matrices import Matrices, dense_matrices, fits_dense
from tf_cvxlayers.optimality.refinement import dense_direction, refined
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.runtime.chunks import in_chunks

# Newton's method takes over from iterates of this accuracy. Where it does not converge,
# the iteration goes on to the next one, and last to the tolerance that was asked for.
_HANDOVERS = 1e-3, 1e-6
_CONVERGED = 1e-12

# By what the iteration ends with. No element waits in the last phase.
_STATUS = {
    Verdict.RUNNING: Status.ITERATION_LIMIT,
    Verdict.WAITING: Status.ITERATION_LIMIT,
    Verdict.LOST: Status.NUMERICAL_ERROR,
    Verdict.DUAL_INFEASIBLE: Status.DUAL_INFEASIBLE,
    Verdict.PRIMAL_INFEASIBLE: Status.PRIMAL_INFEASIBLE,
    Verdict.SOLVED: Status.SOLVED,
    Verdict.STUCK: Status.NUMERICAL_ERROR,
}


@dataclasses.dataclass(frozen=True)
class InteriorPoint(Engine):
    """Solves the whole batch at once by an interior-point method in TensorFlow ops.

    Handles quadratic and linear objectives with equalities, inequalities and
    second-order cones, of a size at which dense matrices are the right ones (up to a
    few hundred variables). No Python runs in it: a model that uses it is served by
    anything that runs TensorFlow.

    The homogeneous embedding (Goulart and Chen, "Clarabel", arXiv 2405.12762) is
    followed from a well-centred start by Mehrotra's predictor and corrector steps with
    Nesterov-Todd scaling; every element stops by itself and is not moved by its
    neighbours. Newton's method on the optimality conditions finishes to rounding.

    Args:
        tolerance: the relative residual up to which an element is iterated, where
            Newton's method does not get to the solution before.
        max_iterations: of the interior-point method, for each element.

    Raises:
        ValueError: a setting that is not one of these.

    Example:

    ```python
    engine = tf_cvxlayers.engines.InteriorPoint(max_iterations=100)
    layer = CvxpyLayer(problem, parameters=[x], variables=y, engine=engine)
    ```
    """

    name: ClassVar[str] = "interior_point"
    portable: ClassVar[bool] = True
    supports_jit: ClassVar[bool] = True

    tolerance: float = 1e-9
    max_iterations: int = 50

    def __post_init__(self) -> None:
        self.check_settings(self.tolerance, {"max_iterations": self.max_iterations})

    @property
    def cones(self) -> frozenset[str]:
        return frozenset({cones.ZERO, cones.NONNEGATIVE, cones.SECOND_ORDER})

    def objection(self, structure: ConeStructure) -> str | None:
        return None if fits_dense(structure) else "large and sparse"

    def solve(self, structure: ConeStructure, data: ConeData) -> ConeSolution:
        n, m = structure.n, structure.m
        widths = [tf.TensorSpec([size], tf.float64) for size in (n, m, m)]
        number = tf.TensorSpec([], tf.int32)
        found = in_chunks(
            lambda *data: self._solve_chunk(structure, ConeData(*data)),
            data,
            [*widths, number, number],
            structure.P.size + structure.A.size,
        )
        return ConeSolution(*found)

    def _solve_chunk(self, structure: ConeStructure, data: ConeData) -> ConeSolution:
        dims = structure.cones
        # A diagonal objective may stay the diagonal that it is.
        matrices = dense_matrices(structure, data, structure.P.is_diagonal)
        problem, (d, e) = equilibrated(dims, matrices)
        problem, dims, order = _by_size(problem, dims)
        rest = dataclasses.replace(dims, zero=0)

        def solver(problem: Matrices) -> tuple[tf.Tensor, ...]:
            return self._solve(rest, problem)

        if dims.zero:
            x, y, s, *verdict = solve_in_null_space(problem, dims, solver)
        else:
            x, y, s, *verdict = solver(problem)
        if order is not None:
            back = np.argsort(order)
            y, s = tf.gather(y, back, axis=1), tf.gather(s, back, axis=1)
        return ConeSolution(d * x, e * y, s / e, *verdict)

    def _solve(self, dims: ConeDims, problem: Matrices) -> tuple[tf.Tensor, ...]:
        """The solution of a program without equalities."""
        cone = SymmetricCone.embedding(dims)
        program = Program.of(problem)
        direction = dense_direction(dims, problem)

        def unfinished(_phase, _state, _found, done):
            return ~tf.reduce_all(done)

        # To a handover; what is not done after that, to the next.
        def phase(k, state, found, done):
            finished = tf.cast(done, tf.int32)[:, None]
            state = state._replace(verdict=state.verdict * finished)
            tolerance = tf.gather(tolerances, k)
            state = iterated(
                program,
                cone,
                state,
                tolerance,
                self.max_iterations,
                Refinement.of(k > 0),
            )
            verdict = state.verdict[:, 0]
            point = ConeSolution(
                *_divided(state.point), verdict, state.iterations[:, 0]
            )
            point, residual = refined(dims, problem, point, direction)
            certified = (verdict == Verdict.DUAL_INFEASIBLE) | (
                verdict == Verdict.PRIMAL_INFEASIBLE
            )
            converged = tf.where(residual[:, None] <= _CONVERGED, True, False)
            found = ConeSolution(
                *(tf.where(done, *pair) for pair in zip(found, point, strict=True))
            )
            return k + 1, state, found, done | certified | converged

        tolerances = tf.constant([*_HANDOVERS, self.tolerance], tf.float64)
        state = started(program, cone)
        none = state.verdict[:, 0]
        _, _, found, _ = tf.while_loop(
            unfinished,
            phase,
            (
                tf.constant(0),
                state,
                ConeSolution(*_divided(state.point), none, none),
                tf.zeros_like(none, tf.bool),
            ),
            maximum_iterations=len(_HANDOVERS) + 1,
        )
        status = tf.gather(
            [_STATUS[verdict] for verdict in Verdict], found.status[:, 0]
        )
        return (*found[:3], status, found.iterations[:, 0])

    def adjoint(
        self,
        structure: ConeStructure,
        data: ConeData,
        solution: ConeSolution,
        cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> ConeData:
        return direct_adjoint(structure, data, solution, cotangent)


def _divided(point: Iterate) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """`(x, z, s) / tau`, vectors `[B, size]`."""
    tau = point.tau[:, :, 0]
    x, z, s = (part[:, 0] for part in point)
    return x / tau, z[:, 1:] / tau, s[:, 1:] / tau


def _by_size(
    problem: Matrices, dims: ConeDims
) -> tuple[Matrices, ConeDims, np.ndarray | None]:
    """The program with second-order cones of one size next to each other, and the order
    of its rows, None where they were so already."""
    sizes = dims.second_order
    if list(sizes) == sorted(sizes):
        return problem, dims, None
    before = dims.zero + dims.nonnegative
    edges = before + np.concatenate([[0], np.cumsum(sizes)])
    cones_in_order = np.argsort(sizes, kind="stable")
    rows = [np.arange(edges[k], edges[k + 1]) for k in cones_in_order]
    order = np.concatenate([np.arange(before), *rows])
    A = all_general(tf.gather(problem.A.dense(), order, axis=1))
    b = tf.gather(problem.b, order, axis=1)
    dims = dataclasses.replace(dims, second_order=tuple(sorted(sizes)))
    return problem._replace(A=A, b=b), dims, order
