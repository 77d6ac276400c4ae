"""The stages in order: parameters, problem data, cone solve, variables.

Everything but the solve is plain TensorFlow and differentiated by TensorFlow. The solve
has the one rule that is written by hand, in `solve`.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.errors import Status
from tf_cvxlayers.optimality.margin import distances, margin
from tf_cvxlayers.optimality.matrices import sparse_matrices
from tf_cvxlayers.optimality.residuals import Residuals
from tf_cvxlayers.pipeline.batching import Batch, common_batch_shape, flattened
from tf_cvxlayers.pipeline.problem_data import computed, problem_data
from tf_cvxlayers.pipeline.recovery import recover, sizes
from tf_cvxlayers.pipeline.reduction.plan import Reduction
from tf_cvxlayers.pipeline.solve import solve_cone_program
from tf_cvxlayers.pipeline.units import units_of
from tf_cvxlayers.pipeline.validation import (
    Check,
    checked,
    checks_of,
    rounding_of,
    tolerance_of,
)
from tf_cvxlayers.program.cone_program import (
    ConeData,
    ConeProgram,
    ConeSolution,
    ParameterSpec,
)
from tf_cvxlayers.runtime.differentiation import (
    forward_mode_watches,
    may_be_differentiated_twice,
)
from tf_cvxlayers.runtime.xla import compiled_by_xla


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


class Measured(NamedTuple):
    """A batch, and what there is to know of how it changes, which a call leaves out.

    Attributes:
        solved: as a call returns it.
        distances: float64 `[*batch, k]`, from each kink (`optimality.margin`); NaN for
            elements without a solution.
        margin: float64 `[*batch]`, the smallest of them.
        rounding: float64 `[*batch, *shape]` for each variable: the size of what it is
            computed from, at which a relative error of the solve is one of its own.
    """

    solved: Solved
    distances: tf.Tensor
    margin: tf.Tensor
    rounding: tuple[tf.Tensor, ...]

    @property
    def status(self) -> tf.Tensor:
        """Of each element, int32 `[*batch]`."""
        return self.solved.status


class _Found(NamedTuple):
    """What the stages of a solve leave behind, for flat batches.

    Attributes:
        data: of the reduced program.
        solution: of it, and `whole`, of the program before.
        residual: `[B]` each.
        passed: for each of the checks.
        batch: the dimensions to restore.
    """

    data: ConeData
    solution: ConeSolution
    whole: ConeSolution
    residual: Residuals
    passed: tuple[tf.Tensor, ...]
    batch: Batch


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
    _graphs: dict[Any, Callable[..., Any]] = dataclasses.field(
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
        return self._at_once(self._stages, values)

    def measured(self, values: list[tf.Tensor]) -> Measured:
        """Solve a batch as a call does, and say how far it is from kinks.

        With a graph of its own: what a call does not return, it does not compute.
        """
        return self._at_once(self._measured_stages, values)

    def data(self, values: list[tf.Tensor]) -> ConeData:
        """The numbers of the program, before its reduction, for a batch of values:
        tensors `[1 or B, size]`."""
        parameters, _, _ = self._flat(values)
        return computed(problem_data(self.program, parameters))

    def _at_once(self, stages: Callable[..., Any], values: list[tf.Tensor]) -> Any:
        """What `stages` make of the values."""
        refused = may_be_differentiated_twice(values) or forward_mode_watches(values)
        if refused or compiled_by_xla():
            return stages(*values)
        # The stages are hundreds of small ops; as a graph they run at once. A graph
        # serves all sizes of its batch dimensions but 1, which are shared values.
        common_batch_shape(self.program.parameters, [value.shape for value in values])
        signature = tuple(
            tf.TensorSpec(_loosened(spec, value.shape), value.dtype)
            for spec, value in zip(self.program.parameters, values, strict=True)
        )
        if not tf.executing_eagerly():
            return self._graph(stages, signature, again=True)(*values)
        # What solves elements again is traced when a batch needs it, and not before.
        result = self._graph(stages, signature, again=False)(*values)
        if not result.status.numpy().any():
            return result
        return self._graph(stages, signature, again=True)(*values)

    def _graph(
        self, stages: Callable[..., Any], signature: tuple[Any, ...], again: bool
    ) -> Callable[..., Any]:
        key = stages.__name__, signature, again
        if key not in self._graphs:

            def traced(*values):
                return stages(*values, again=again)

            # A concrete function: a `tf.function` would warn of retracing where a
            # program has many layers, since all share the code of this method.
            with tf.init_scope():
                self._graphs[key] = tf.function(
                    traced, input_signature=signature, autograph=False
                ).get_concrete_function()
        return self._graphs[key]

    def _stages(self, *values: tf.Tensor, again: bool = True) -> Solved:
        return self._outcome(self._found(values, again))

    def _measured_stages(self, *values: tf.Tensor, again: bool = True) -> Measured:
        found = self._found(values, again)
        outcome, batch = self._outcome(found), found.batch
        solution, solved = found.solution, found.solution.status <= Status.INACCURATE
        structure = self.reduction.structure
        matrices = sparse_matrices(structure, found.data)
        away = distances(structure.cones, matrices, *solution[:3])
        units = units_of(structure, found.data)
        x, y = (
            tf.abs(part) + tf.reduce_max(unit, axis=1, keepdims=True)
            for part, unit in ((found.whole.x, units.x), (found.whole.y, units.y))
        )
        rounding = sizes(self.program, x, y, recover(self.program, found.whole))
        away, least = (_or_nan(value, solved) for value in (away, margin(away)))
        restored = tf.nest.map_structure(batch.restored, (away, least, rounding))
        return Measured(outcome, *tf.nest.map_structure(tf.stop_gradient, restored))

    def _found(self, values: Sequence[tf.Tensor], again: bool) -> "_Found":
        structure = self.reduction.structure
        parameters, passed, batch = self._flat(values)
        stages = self.reduction.apply(problem_data(self.program, parameters))
        data = computed(stages[-1])
        solution, residual = solve_cone_program(
            self.engine,
            structure,
            data,
            max(map(rounding_of, (value.dtype for value in values)), default=0.0),
            again,
        )
        valid = functools.reduce(tf.logical_and, passed, tf.ones([1], tf.bool))
        solution = solution._replace(
            status=tf.where(valid, solution.status, Status.NUMERICAL_ERROR),
            iterations=tf.where(valid, solution.iterations, 0),
        )
        residual = Residuals(*(_or_nan(value, valid) for value in residual))
        whole = self.reduction.expand(stages, solution)
        return _Found(data, solution, whole, residual, tuple(passed), batch)

    def _outcome(self, found: "_Found") -> Solved:
        batch, solution = found.batch, found.solution
        solved = solution.status <= Status.INACCURATE
        variables = recover(self.program, found.whole)
        return Solved(
            tuple(batch.restored(_or_nan(value, solved)) for value in variables),
            batch.restored(solution.status),
            batch.restored(solution.iterations),
            Residuals(*map(batch.restored, found.residual)),
            found.passed,
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
