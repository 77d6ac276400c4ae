"""The stages in order: parameters, problem data, cone solve, variables.

Everything but the solve is plain TensorFlow and differentiated by TensorFlow. The solve
has the one rule that is written by hand, in `solve_cone_program`.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_cvxlayers.affine import computed, problem_data
from tf_cvxlayers.batching import Batch, common_batch_shape, flattened
from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.errors import Status
from tf_cvxlayers.matrices import sparse_matrices
from tf_cvxlayers.program import (
    ConeData,
    ConeProgram,
    ConeSolution,
    ConeStructure,
    ParameterSpec,
)
from tf_cvxlayers.recovery import recover
from tf_cvxlayers.reduction import Reduction
from tf_cvxlayers.residuals import Residuals, residuals
from tf_cvxlayers.scaling import scaling_of
from tf_cvxlayers.validation import Check, checked, checks_of, tolerance_of

try:
    from tensorflow.python.eager.forwardprop_util import pack_tangents
    from tensorflow.python.ops import gradients_util

    possible_types = gradients_util.PossibleTapeGradientTypes
except (ImportError, AttributeError):  # pragma: no cover - another TensorFlow
    pack_tangents = possible_types = None

# A point whose relative residual is above this is no solution at all.
_USABLE = 1e-5
_ONCE = (
    "tf_cvxlayers layers can be differentiated once, in reverse mode. Second "
    "derivatives and forward mode (tf.autodiff.ForwardAccumulator) of the solution of "
    "an optimization problem are not implemented. For a Hessian-vector product, take "
    "differences of gradients at two nearby points."
)


class Solved(NamedTuple):
    """The variables of a batch, and how the solve of each element went.

    Attributes:
        variables: float64 `[*batch, *shape]` each; NaN for elements without a solution,
            to which no gradient flows.
        status, iterations: int32 `[*batch]`.
        residuals: float64 `[*batch]` each.
        passed: bool `[1 or B]` for each of the pipeline's checks.
    """

    variables: tuple[tf.Tensor, ...]
    status: tf.Tensor
    iterations: tf.Tensor
    residuals: Residuals
    passed: tuple[tf.Tensor, ...]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Pipeline:
    """The stages for one program and one engine: parameters in, variables out.

    Attributes:
        program: the cone program.
        reduction: its reduction.
        engine: what solves it.
        fed: how many of its parameters are fed: the first ones; their values are
            checked.
    """

    program: ConeProgram
    reduction: Reduction
    engine: Engine
    fed: int
    _graphs: dict[Any, Callable[..., Solved]] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    @functools.cached_property
    def checks(self) -> list[Check]:
        """What is checked of the fed values."""
        fed = self.program.parameters[: self.fed]
        return [check for spec in fed for check in checks_of(spec)]

    def __call__(self, values: list[tf.Tensor]) -> Solved:
        """Solve a batch.

        Args:
            values: floating-point `[..., *shape]` for each parameter of the program.

        Raises:
            ParameterError: a value of another shape, or batch dimensions that do not
                broadcast. Anything else is in the result.
        """
        if not tf.executing_eagerly() or _may_be_differentiated_twice(values):
            return self._stages(*values)
        # The stages are hundreds of small ops; as a graph they run at once. A graph
        # serves all sizes of its batch dimensions but 1, which are shared values.
        common_batch_shape(self.program.parameters, [value.shape for value in values])
        signature = tuple(
            tf.TensorSpec(_loosened(spec, value.shape), value.dtype)
            for spec, value in zip(self.program.parameters, values, strict=True)
        )
        if signature not in self._graphs:
            # A concrete function: a `tf.function` would warn of retracing where a
            # program has many layers, since all share the code of this method.
            self._graphs[signature] = tf.function(
                self._stages, input_signature=signature, autograph=False
            ).get_concrete_function()
        return self._graphs[signature](*values)

    def _stages(self, *values: tf.Tensor) -> Solved:
        structure = self.reduction.structure
        parameters, passed, batch = self._flat(values)
        stages = self.reduction.apply(problem_data(self.program, parameters))
        data = computed(stages[-1])
        solution, residual = solve_cone_program(self.engine, structure, data)
        valid = functools.reduce(tf.logical_and, passed, tf.ones([1], tf.bool))
        solution = solution._replace(
            status=tf.where(valid, solution.status, Status.NUMERICAL_ERROR),
            iterations=tf.where(valid, solution.iterations, 0),
        )
        solved = solution.status <= Status.INACCURATE
        variables = recover(self.program, self.reduction.expand(stages, solution))
        return Solved(
            tuple(batch.restored(_or_nan(value, solved)) for value in variables),
            batch.restored(solution.status),
            batch.restored(solution.iterations),
            Residuals(*(batch.restored(_or_nan(value, valid)) for value in residual)),
            tuple(passed),
        )

    def _flat(
        self, values: Sequence[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], Batch]:
        """The values as float64 `[1 or B, size]`, the checks, and the batch."""
        specs = self.program.parameters
        flat, batch = flattened(specs, [tf.cast(value, tf.float64) for value in values])
        passed: list[tf.Tensor] = []
        for k in range(self.fed):
            tolerance = tolerance_of(values[k].dtype)
            flat[k], outcomes = checked(specs[k], flat[k], tolerance)
            passed += outcomes
        return flat, passed, batch


def _loosened(spec: ParameterSpec, shape: tf.TensorShape) -> list[int | None]:
    batch = shape[: shape.rank - len(spec.shape)]
    return [1 if size == 1 else None for size in batch] + list(spec.shape)


def _or_nan(value: tf.Tensor, solved: tf.Tensor) -> tf.Tensor:
    mask = tf.reshape(solved, [-1] + [1] * (value.shape.rank - 1))
    return tf.where(mask, value, tf.constant(float("nan"), value.dtype))


def solve_cone_program(
    engine: Engine, structure: ConeStructure, data: ConeData
) -> tuple[ConeSolution, Residuals]:
    """The engine's solution, with the engine's adjoint as its gradient.

    What the backward pass needs is tensors: the data and `(x, y, s)`. So it may run
    twice, later, elsewhere, or in a loaded model. Both directions are in the units of
    `scaling`. The residuals report, and have no gradient.
    """
    _refuse_forward_mode(data)

    @tf.custom_gradient
    def solve_and_adjoint(*data):
        data = ConeData(*data)
        scaling = scaling_of(data)
        scaled = scaling.data(data)
        found = engine.solve(structure, scaled)
        residual = residuals(sparse_matrices(structure, scaled), *found[:3])
        solution = scaling.original(judged(found, residual.largest(), engine.tolerance))

        def adjoint(*cotangent):
            # A nested rule, so that differentiating the adjoint meets a refusal;
            # TensorFlow would take the solution in it for a constant.
            @tf.custom_gradient
            def once(*tensors):
                data, point = ConeData(*tensors[:4]), solution.at(*tensors[4:7])
                gradient = engine.adjoint(
                    structure,
                    scaling.data(data),
                    scaling.inside(point),
                    scaling.cotangent(tensors[7:]),
                )
                return tuple(scaling.gradient(gradient, data)), _refuse

            given = [tf.convert_to_tensor(g) for g in cotangent[:3]]
            return once(*data, solution.x, solution.y, solution.s, *given)

        return (*solution, *residual), adjoint

    outputs = solve_and_adjoint(*data)
    return ConeSolution(*outputs[:5]), Residuals(*map(tf.stop_gradient, outputs[5:]))


def judged(
    solution: ConeSolution, residual: tf.Tensor, tolerance: float
) -> ConeSolution:
    """The solution with statuses that its residuals bear out.

    A solver's word is not proof. A point is solved if its residuals say so, whatever
    stopped the solver; without that it is inaccurate or a failure, whatever it claims.

    Args:
        solution: as an engine returned it.
        residual: the largest of its relative residuals, `[B]`.
        tolerance: of the engine.
    """
    claimed = solution.status
    infeasible = (claimed == Status.PRIMAL_INFEASIBLE) | (
        claimed == Status.DUAL_INFEASIBLE
    )
    stopped = claimed == Status.ITERATION_LIMIT
    failure = tf.where(infeasible | stopped, claimed, Status.NUMERICAL_ERROR)
    status = tf.where(residual <= _USABLE, Status.INACCURATE, failure)
    status = tf.where(residual <= 10.0 * tolerance, Status.SOLVED, status)
    status = tf.where(infeasible, claimed, status)
    solved = (status <= Status.INACCURATE)[:, None]
    point = [tf.where(solved, part, tf.zeros_like(part)) for part in solution[:3]]
    return solution.at(*point)._replace(status=status)


def _refuse(*_cotangent):
    raise NotImplementedError(_ONCE)


def _may_be_differentiated_twice(values: list[tf.Tensor]) -> bool:
    """Whether an outer or a persistent tape watches.

    For these TensorFlow prepares second derivatives of a graph before anybody asks for
    one, at many times the cost of the first, and would meet the refusal.
    """
    if possible_types is None:
        return False
    return possible_types(values) == gradients_util.POSSIBLE_GRADIENT_TYPES_HIGHER_ORDER


def _refuse_forward_mode(data: ConeData) -> None:
    """Forward mode inside a graph would give zeros without a word."""
    if pack_tangents is not None and pack_tangents(list(data)).tangents:
        raise NotImplementedError(_ONCE)
