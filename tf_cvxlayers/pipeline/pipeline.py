"""The stages in order: parameters, problem data, cone solve, variables.

Everything but the solve is plain TensorFlow, and in the backward pass differentiated by
TensorFlow. The solve has the one rule that is written by hand, in `solve`.
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
from tf_cvxlayers.pipeline.graphs import graphs_of
from tf_cvxlayers.pipeline.problem_data import computed, problem_data
from tf_cvxlayers.pipeline.recovery import recover, sizes
from tf_cvxlayers.pipeline.reduction.plan import Reduction
from tf_cvxlayers.pipeline.solve import SolvedProgram, solve_cone_program
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
)
from tf_cvxlayers.runtime.differentiation import (
    differentiable_once,
    refuse_forward_mode,
    without_gradient,
)
from tf_cvxlayers.runtime.graphs import Graphs, Shape


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
        program: the reduced program, solved.
        whole: the solution that the variables are recovered from.
        residual: `[B]` each.
        passed: for each of the checks.
        batch: the dimensions to restore.
    """

    program: SolvedProgram
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

    @functools.cached_property
    def checks(self) -> list[Check]:
        """What is checked of the fed values."""
        fed = self.program.parameters[: self.fed]
        return [check for spec in fed for check in checks_of(spec)]

    @functools.cached_property
    def _graphs(self) -> Graphs:
        """The stages as graphs, which equal pipelines have in common."""
        return graphs_of(self.program, self.engine, self.fed)

    def __call__(self, values: list[tf.Tensor]) -> Solved:
        """Solve a batch.

        Args:
            values: floating-point `[..., *shape]` for each parameter of the program.

        Raises:
            ParameterError: a value of another shape, or batch dimensions that do not
                broadcast. Anything else is in the result.
        """
        return self._differentiable(self._solved, values)

    def measured(self, values: list[tf.Tensor]) -> Measured:
        """Solve a batch as a call does, and say how far it is from kinks.

        With a graph of its own: what a call does not return, it does not compute.
        """
        return self._differentiable(self._measured, values)

    def data(self, values: list[tf.Tensor]) -> ConeData:
        """The numbers of the program, before its reduction, for a batch of values:
        tensors `[1 or B, size]`."""
        parameters, _, _ = self._flat(values)
        return computed(problem_data(self.program, parameters))

    def _differentiable(
        self, stages: Callable[..., tuple[Any, SolvedProgram]], values: list[tf.Tensor]
    ) -> Any:
        """What `stages` make of the values, with the gradient of its variables."""
        refuse_forward_mode(values)
        common_batch_shape(self.program.parameters, [value.shape for value in values])
        shapes = [
            _loosened(value.shape, spec.shape)
            for spec, value in zip(self.program.parameters, values, strict=True)
        ]
        result, program = self._run(stages, without_gradient(values), shapes)

        def adjoint(values, cotangents):
            return self._run_adjoint(values, program, cotangents, shapes)

        count = len(self.program.variables)
        outputs = tf.nest.flatten(result)
        variables = differentiable_once(outputs[:count], values, adjoint)
        return tf.nest.pack_sequence_as(result, [*variables, *outputs[count:]])

    def _run(
        self,
        stages: Callable[..., tuple[Any, SolvedProgram]],
        values: list[tf.Tensor],
        shapes: list[Shape],
    ) -> tuple[Any, SolvedProgram]:
        """What stages make of values of these shapes."""
        graphs, name = self._graphs, stages.__name__
        if graphs.is_op_by_op(name, values, shapes):
            return stages(values, again=True)

        def run(again):
            function = functools.partial(stages, again=again)
            return graphs.run(f"{name}, {again=}", function, [values], shapes)

        if not tf.executing_eagerly():
            return run(again=True)
        # What solves elements again is traced when a batch needs it, and not before.
        result, program = run(again=False)
        if result.status.numpy().any():
            return run(again=True)
        return result, program

    def _run_adjoint(
        self,
        values: list[tf.Tensor],
        program: SolvedProgram,
        cotangents: list[tf.Tensor],
        shapes: list[Shape],
    ) -> list[tf.Tensor]:
        """The gradient with respect to values of these shapes."""
        graphs, name = self._graphs, "adjoint"
        arguments = values, program, cotangents
        if graphs.is_op_by_op(name, values, shapes):
            return self._adjoint(*arguments)
        rest = tf.nest.flatten(arguments[1:])
        if tf.executing_eagerly():
            parts = len(rest) - len(cotangents)
            own = [tuple(part.shape[1:]) for part in rest[:parts]]
            own += [variable.shape for variable in self.program.variables]
            all_shapes = [*shapes, *map(_loosened, (t.shape for t in rest), own)]
        else:
            # It has little to do, beside which it shows what sizes that are not known
            # cost.
            all_shapes = [tuple(tensor.shape) for tensor in (*values, *rest)]
        return graphs.run(name, self._adjoint, arguments, all_shapes)

    def _solved(
        self, values: Sequence[tf.Tensor], again: bool
    ) -> tuple[Solved, SolvedProgram]:
        found = self._found(values, again)
        return self._outcome(found), found.program

    def _measured(
        self, values: Sequence[tf.Tensor], again: bool
    ) -> tuple[Measured, SolvedProgram]:
        found = self._found(values, again)
        outcome, batch = self._outcome(found), found.batch
        data, solution, _ = found.program
        solved = solution.status <= Status.INACCURATE
        structure = self.reduction.structure
        away = distances(
            structure.cones, sparse_matrices(structure, data), *solution[:3]
        )
        units = units_of(structure, data)
        x, y = (
            tf.abs(part) + tf.reduce_max(unit, axis=1, keepdims=True)
            for part, unit in ((found.whole.x, units.x), (found.whole.y, units.y))
        )
        variables = self.reduction.variables
        rounding = sizes(variables, x, y, recover(variables, found.whole))
        away, least = (_or_nan(value, solved) for value in (away, margin(away)))
        restored = tf.nest.map_structure(batch.restored, (away, least, rounding))
        return Measured(outcome, *restored), found.program

    def _adjoint(
        self,
        values: Sequence[tf.Tensor],
        program: SolvedProgram,
        cotangents: Sequence[tf.Tensor],
    ) -> list[tf.Tensor]:
        """The gradient with respect to the values, for that with respect to the
        variables."""
        solution = program.solution
        point = list(solution[:3])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([*values, *point])
            parameters, _, batch = self._flat(values)
            stages = self.reduction.apply(problem_data(self.program, parameters))
            data = computed(stages[-1])
            whole = self.reduction.expand(stages, solution.at(*point))
            variables = self._variables(whole, batch)

        def gradient(targets, sources, cotangents):
            found = tape.gradient(
                targets,
                sources,
                cotangents,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return [tf.convert_to_tensor(part) for part in found]

        of_point = gradient(list(variables), point, list(cotangents))
        of_data = program.gradient(
            self.engine, self.reduction.structure, tuple(of_point)
        )
        return gradient([*variables, *data], list(values), [*cotangents, *of_data])

    def _found(self, values: Sequence[tf.Tensor], again: bool) -> "_Found":
        structure = self.reduction.structure
        parameters, passed, batch = self._flat(values)
        stages = self.reduction.apply(problem_data(self.program, parameters))
        program, residual = solve_cone_program(
            self.engine,
            structure,
            computed(stages[-1]),
            max(map(rounding_of, (value.dtype for value in values)), default=0.0),
            again,
        )
        valid = functools.reduce(tf.logical_and, passed, tf.ones([1], tf.bool))
        solution = program.solution
        solution = solution._replace(
            status=tf.where(valid, solution.status, Status.NUMERICAL_ERROR),
            iterations=tf.where(valid, solution.iterations, 0),
        )
        residual = Residuals(*(_or_nan(value, valid) for value in residual))
        whole = self.reduction.expand(stages, solution)
        program = program._replace(solution=solution)
        return _Found(program, whole, residual, tuple(passed), batch)

    def _outcome(self, found: "_Found") -> Solved:
        batch, solution = found.batch, found.whole
        return Solved(
            self._variables(solution, batch),
            batch.restored(solution.status),
            batch.restored(solution.iterations),
            Residuals(*map(batch.restored, found.residual)),
            found.passed,
        )

    def _variables(self, whole: ConeSolution, batch: Batch) -> tuple[tf.Tensor, ...]:
        solved = whole.status <= Status.INACCURATE
        return tuple(
            batch.restored(_or_nan(value, solved))
            for value in recover(self.reduction.variables, whole)
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


def _loosened(shape: tf.TensorShape, own: Shape) -> Shape:
    """The shape with batch dimensions of any size, but 1: those are shared values."""
    batch = shape[: shape.rank - len(own)]
    return (*(1 if size == 1 else None for size in batch), *own)


def _or_nan(value: tf.Tensor, solved: tf.Tensor) -> tf.Tensor:
    mask = tf.reshape(solved, [-1] + [1] * (value.shape.rank - 1))
    return tf.where(mask, value, tf.constant(float("nan"), value.dtype))
