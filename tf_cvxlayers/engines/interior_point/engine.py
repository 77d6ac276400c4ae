"""The interior-point engine: everything in TensorFlow ops, the whole batch at once."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_cvxlayers import cones
from tf_cvxlayers.cones import ConeDims
from tf_cvxlayers.engines.adjoint import direct_adjoint
from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.chunks import in_chunks
from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.engines.interior_point.equilibration import equilibrated
from tf_cvxlayers.engines.interior_point.loop import RUNNING, iterated, started
from tf_cvxlayers.engines.interior_point.null_space import solve_in_null_space
from tf_cvxlayers.engines.refinement import dense_direction, refined
from tf_cvxlayers.errors import Status
from tf_cvxlayers.matrices import Matrices, dense_matrices, fits_dense
from tf_cvxlayers.program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.rows import all_general

# Newton's method takes over from an iterate of this accuracy. Where it does not
# converge, the iteration goes on to the tolerance that was asked for.
_HANDOVER = 1e-4
_CONVERGED = 1e-12


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
        problem, (d, e) = equilibrated(dims, dense_matrices(structure, data))
        problem, dims, order = _by_size(problem, dims)
        rest = dataclasses.replace(dims, zero=0)

        def solver(problem: Matrices) -> tuple[tf.Tensor, ...]:
            return self._solve(rest, problem)

        if dims.zero:
            x, y, s, *verdict = solve_in_null_space(problem, dims.zero, solver)
        else:
            x, y, s, *verdict = solver(problem)
        if order is not None:
            back = np.argsort(order)
            y, s = tf.gather(y, back, axis=1), tf.gather(s, back, axis=1)
        return ConeSolution(d * x, e * y, s / e, *verdict)

    def _solve(self, dims: ConeDims, problem: Matrices) -> tuple[tf.Tensor, ...]:
        """The solution of a program without equalities."""
        if dims.size == 0:
            # The iteration needs a boundary somewhere: 0 <= 1.
            x, z, s, *verdict = self._solve(ConeDims(nonnegative=1), _padded(problem))
            return x, z[:, :0], s[:, :0], *verdict
        cone = SymmetricCone.of(dims)
        direction = dense_direction(dims, problem)

        def unfinished(_phase, _state, _found, done):
            return ~tf.reduce_all(done)

        # First to the handover; what is not done after that, to the tolerance.
        def phase(k, state, found, done):
            state = state._replace(status=tf.where(done, state.status, RUNNING))
            tolerance = tf.where(k == 0, _constant(_HANDOVER), self.tolerance)
            state = iterated(
                problem, cone, state, tolerance, self.max_iterations, refine=k > 0
            )
            x, z, s = (part / state.point.tau for part in state.point[:3])
            point = ConeSolution(x, z, s, state.status, state.iterations)
            point, residual = refined(dims, problem, point, direction)
            certified = (state.status == Status.PRIMAL_INFEASIBLE) | (
                state.status == Status.DUAL_INFEASIBLE
            )
            converged = tf.where(residual[:, None] <= _CONVERGED, True, False)
            found = ConeSolution(
                *(tf.where(done, *pair) for pair in zip(found, point, strict=True))
            )
            return k + 1, state, found, done | certified | converged

        state = started(problem, cone)
        x, z, s, *_ = state.point
        found = ConeSolution(x, z, s, state.status, state.iterations)
        never = tf.zeros_like(state.status, tf.bool)
        _, _, found, _ = tf.while_loop(
            unfinished,
            phase,
            (tf.constant(0), state, found, never),
            maximum_iterations=2,
        )
        stopped = found.status == RUNNING
        status = tf.where(stopped, Status.ITERATION_LIMIT, found.status)
        return (*found[:3], status[:, 0], found.iterations[:, 0])

    def adjoint(
        self,
        structure: ConeStructure,
        data: ConeData,
        solution: ConeSolution,
        cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> ConeData:
        return direct_adjoint(structure, data, solution, cotangent)


def _constant(value: float) -> tf.Tensor:
    return tf.constant(value, tf.float64)


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


def _padded(problem: Matrices) -> Matrices:
    """The program with one row, `0'x + s = 1`."""
    n = problem.q.shape[1]
    zero = tf.zeros([1, 1, n], problem.q.dtype)
    return problem._replace(A=all_general(zero), b=tf.ones([1, 1], problem.q.dtype))
