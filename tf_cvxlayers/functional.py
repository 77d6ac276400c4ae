"""The stages in order: parameters, problem data, cone solve, variables.

Everything but the solve is plain TensorFlow and differentiated by TensorFlow. The solve
has the one rule that is written by hand, in `solve_cone_program`.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.affine import problem_data
from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.errors import Status
from tf_cvxlayers.program import ConeData, ConeProgram, ConeSolution, ConeStructure
from tf_cvxlayers.recovery import recover
from tf_cvxlayers.reduction import Reduction
from tf_cvxlayers.residuals import Residuals, residuals

try:
    from tensorflow.python.eager.forwardprop_util import pack_tangents
except ImportError:  # pragma: no cover - another TensorFlow
    pack_tangents = None

# A point whose relative residual is above this is no solution at all.
_USABLE = 1e-5
_ONCE = (
    "tf_cvxlayers layers can be differentiated once, in reverse mode. Second "
    "derivatives and forward mode (tf.autodiff.ForwardAccumulator) of the solution of "
    "an optimization problem are not implemented. For a Hessian-vector product, take "
    "differences of gradients at two nearby points."
)


class Solved(NamedTuple):
    """The variables `[B, *shape]` of a batch, and how the solve of each element went.

    Elements without a solution hold zeros. `status` and `iterations` are int32 `[B]`.
    """

    variables: tuple[tf.Tensor, ...]
    status: tf.Tensor
    iterations: tf.Tensor
    residuals: Residuals

    def only_where(self, valid: tf.Tensor) -> "Solved":
        """The same, with elements that are not `valid [1 or B]` counted as failed."""
        status = tf.where(valid, self.status, Status.NUMERICAL_ERROR)
        return self._replace(status=tf.ensure_shape(status, self.status.shape))

    def variables_or_nan(self) -> list[tf.Tensor]:
        """The variables, NaN for failed elements, to which no gradient flows."""
        solved = self.status <= Status.INACCURATE
        values = []
        for value in self.variables:
            mask = tf.reshape(solved, [-1] + [1] * (value.shape.rank - 1))
            nan = tf.constant(float("nan"), value.dtype)
            values.append(tf.where(mask, value, nan))
        return values


@dataclasses.dataclass(frozen=True, eq=False)
class Pipeline:
    """The stages for one program and one engine: parameters in, variables out.

    Attributes:
        program: the cone program.
        reduction: its reduction.
        engine: what solves it.
    """

    program: ConeProgram
    reduction: Reduction
    engine: Engine
    _graphs: dict[tuple[bool, ...], Callable[..., Solved]] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    def __call__(self, parameters: list[tf.Tensor]) -> Solved:
        """Solve a batch.

        Args:
            parameters: float64 `[1 or B, size]`, in the program's order.
        """
        if not tf.executing_eagerly():
            return self._stages(*parameters)
        # The stages are hundreds of small ops; as a graph they run at once. One graph
        # serves every batch size, but not what is shared by the batch.
        shared = tuple(value.shape[0] == 1 for value in parameters)
        if shared not in self._graphs:
            self._graphs[shared] = self._as_graph(shared)
        return self._graphs[shared](*parameters)

    def _stages(self, *parameters: tf.Tensor) -> Solved:
        structure = self.reduction.structure
        stages = self.reduction.apply(problem_data(self.program, parameters))
        solution = solve_cone_program(self.engine, structure, stages[-1])
        return Solved(
            variables=recover(self.program, self.reduction.expand(stages, solution)),
            status=solution.status,
            iterations=solution.iterations,
            residuals=residuals(structure, stages[-1], solution),
        )

    def _as_graph(self, shared: tuple[bool, ...]) -> Callable[..., Solved]:
        signature = [
            tf.TensorSpec([1 if alone else None, spec.size], tf.float64)
            for alone, spec in zip(shared, self.program.parameters, strict=True)
        ]
        return tf.function(self._stages, input_signature=signature, autograph=False)


def solve_cone_program(
    engine: Engine, structure: ConeStructure, data: ConeData
) -> ConeSolution:
    """The engine's solution, with the engine's adjoint as its gradient.

    What the backward pass needs is tensors: the data and `(x, y, s)`. So it may run
    twice, later, elsewhere, or in a loaded model.
    """
    _refuse_forward_mode(data)

    @tf.custom_gradient
    def solve_and_adjoint(*data):
        data = ConeData(*data)
        solution = judged(engine, structure, data, engine.solve(structure, data))

        def adjoint(*cotangent):
            # A nested rule, so that differentiating the adjoint meets a refusal;
            # TensorFlow would take the solution in it for a constant.
            @tf.custom_gradient
            def once(*tensors):
                gradient = engine.adjoint(
                    structure,
                    ConeData(*tensors[:4]),
                    solution.at(*tensors[4:7]),
                    tensors[7:],
                )
                return tuple(gradient), _refuse

            given = [tf.convert_to_tensor(g) for g in cotangent[:3]]
            return once(*data, solution.x, solution.y, solution.s, *given)

        return tuple(solution), adjoint

    return ConeSolution(*solve_and_adjoint(*data))


def judged(
    engine: Engine, structure: ConeStructure, data: ConeData, solution: ConeSolution
) -> ConeSolution:
    """The solution with statuses that its residuals bear out.

    A solver's word is not proof. A point is solved if its residuals say so, whatever
    stopped the solver; without that it is inaccurate or a failure, whatever it claims.
    """
    residual = residuals(structure, data, solution).largest()
    claimed = solution.status
    infeasible = (claimed == Status.PRIMAL_INFEASIBLE) | (
        claimed == Status.DUAL_INFEASIBLE
    )
    stopped = claimed == Status.ITERATION_LIMIT
    failure = tf.where(infeasible | stopped, claimed, Status.NUMERICAL_ERROR)
    status = tf.where(residual <= _USABLE, Status.INACCURATE, failure)
    status = tf.where(residual <= 10.0 * engine.tolerance, Status.SOLVED, status)
    status = tf.where(infeasible, claimed, status)
    solved = (status <= Status.INACCURATE)[:, None]
    point = [tf.where(solved, part, tf.zeros_like(part)) for part in solution[:3]]
    return solution.at(*point)._replace(status=status)


def _refuse(*_cotangent):
    raise NotImplementedError(_ONCE)


def _refuse_forward_mode(data: ConeData) -> None:
    """Forward mode inside a graph would give zeros without a word."""
    if pack_tangents is not None and pack_tangents(list(data)).tangents:
        raise NotImplementedError(_ONCE)
