"""The Keras layer around a cone program."""

import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.engines.catalogue import ENGINES
from tf_cvxlayers.engines.selection import choose_engine
from tf_cvxlayers.errors import ArgumentError, CvxLayersError, ParameterError, shortened
from tf_cvxlayers.layers.description import describe
from tf_cvxlayers.layers.gradient_check import GradientReport, check_gradients
from tf_cvxlayers.layers.solve_result import SolveResult
from tf_cvxlayers.layers.stand_ins import Way, way_in_force
from tf_cvxlayers.layers.values import as_tensor, ordered
from tf_cvxlayers.layers.weights import Learned, add_learned_weight
from tf_cvxlayers.pipeline.batching import common_batch_shape
from tf_cvxlayers.pipeline.pipeline import Pipeline, Solved
from tf_cvxlayers.pipeline.reduction.plan import plan_reduction
from tf_cvxlayers.pipeline.validation import require_answers
from tf_cvxlayers.program.cone_program import ConeProgram
from tf_cvxlayers.runtime.differentiation import collect_rules
from tf_cvxlayers.runtime.keras_internals import let_pass_through

for _class in {type(engine) for engine in ENGINES}:
    keras.saving.register_keras_serializable(package="tf_cvxlayers")(_class)
let_pass_through(CvxLayersError)

_ON_FAILURE = ("raise", "nan")
_OF_KERAS = {"mask", "training"}
_SOLVER_ARGUMENTS = ("solver", "solver_args", "solver_kwargs", "solver_options")


class ConeLayer(keras.layers.Layer):
    """A layer whose outputs are variables of a cone program. Abstract.

    The program's parameters are, in this order, the fed ones, the learned ones, and the
    fixed ones.
    """

    def __init__(
        self,
        program: ConeProgram,
        learned: Sequence[Learned],
        fixed: Sequence[np.ndarray],
        single: bool,
        engine: str | Engine = "auto",
        on_failure: str = "raise",
        **kwargs: Any,
    ):
        refuse_solver_arguments(kwargs)
        # Keras would cast float64 inputs down to the layer's dtype.
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        check_arguments(self, on_failure)
        self._single = single
        self.wanted_engine = engine
        self.on_failure = on_failure
        reduction = plan_reduction(program)
        self.engine, self.engine_reason = choose_engine(engine, reduction.structure)
        self.supports_jit = self.engine.supports_jit
        count = len(program.parameters) - len(learned) - len(fixed)
        self.fed = program.parameters[:count]
        self.pipeline = Pipeline(program, reduction, self.engine, count)
        # The rules that others register beside it keep the pipeline, but not the layer.
        weakref.finalize(self, collect_rules).atexit = False
        self._learned = tuple(learned)
        self._fixed = tuple(fixed)
        self.learned_specs = program.parameters[count : count + len(learned)]
        self.fixed_specs = program.parameters[count + len(learned) :]
        self._learned_weights = [
            add_learned_weight(self, spec, how)
            for spec, how in zip(self.learned_specs, learned, strict=True)
        ]
        self.built = True

    # Autograph would translate what has nothing to translate, for half a second.
    @tf.autograph.experimental.do_not_convert
    def __call__(self, *parameters, **kwargs):
        refuse_solver_arguments(kwargs)
        if names := kwargs.keys() - _OF_KERAS:
            raise ParameterError(
                "Expected the fed parameters one after another, or in one dict by "
                f"name. Received: the keywords {sorted(names)}."
            )
        # Keras would look at values first, and in words of its own.
        return super().__call__(*self._given(parameters), **kwargs)

    @tf.autograph.experimental.do_not_convert
    def call(self, *parameters):
        """Solve the problem for the fed parameters.

        Args:
            *parameters: the fed parameters, one after another, or as one list, tuple,
                or dict by name. Each has shape `[..., *parameter.shape]`.

        Returns:
            The variables `[..., *variable.shape]`: one tensor, or a tuple.
        """
        way = self.way
        solved = way.solved(self._values(parameters))
        if way.on_failure == "raise":
            status = tf.reshape(solved.status, [-1])
            require_answers(way.pipeline.checks, solved.passed, status)
        return self._outputs(solved)

    def solve(self, *parameters) -> SolveResult:
        """Solve, and say how it went for each batch element; `str(result)` says it in
        words.

        Never raises for an element without a solution; its variables are NaN.

        Args:
            *parameters: as in a call.
        """
        values = self._values(parameters)
        measured = self.pipeline.measured(values)
        return SolveResult.of(
            self._outputs(measured.solved), measured, self.pipeline, values
        )

    def check_gradients(
        self, *parameters, directions: int = 5, step: float = 1e-5
    ) -> GradientReport:
        """Compare gradients with differences, at these parameters.

        They are central where parameters may move both ways, and one-sided at the
        border of what their attributes allow.

        Args:
            *parameters: as in a call; taken to float64.
            directions: how many random directions of all parameters, fed and learned.
            step: of the differences, relative to the size of each parameter; down to a
                hundredth of it where a kink is near.

        Returns:
            The relative error in each direction, and the largest. At a kink, where the
            solution has no derivative, it does not tend to zero: `str(report)` says in
            words whether gradients agree, a kink is near, and which, or they disagree.

        Raises:
            ArgumentError: `directions` below one, or a `step` that is not between zero
                and one half.
            ParameterError: as in a call.
            SolverError: no element has a solution.
        """
        return check_gradients(
            self.pipeline, self._values(parameters), directions, step
        )

    @property
    def way(self) -> Way:
        """How a call solves the problem: its own way, or one that stands in for it."""
        return way_in_force(self, Way(self.pipeline, self.on_failure))

    def describe(self) -> str:
        """The layer in words: parameters, cone program, engine."""
        return self.described_as(f"{type(self).__name__} '{self.name}'")

    def described_as(self, title: str) -> str:
        """The layer in words, under a title: for a layer that holds this one."""
        roles = {
            "fed": self.fed,
            "learned": self.learned_specs,
            "fixed": self.fixed_specs,
        }
        return describe(
            title,
            roles,
            self.pipeline,
            self.engine_reason,
            self.on_failure,
        )

    def compute_output_spec(self, *parameters):
        values = self._given(parameters)
        shapes = [tf.TensorShape(value.shape) for value in values]
        outputs = tuple(
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for shape in self._output_shapes(shapes)
        )
        return outputs[0] if self._single else outputs

    def compute_output_shape(self, *input_shapes):
        given = list(input_shapes)
        if len(given) == 1:
            given = _shapes_within(given[0], [spec.name for spec in self.fed])
        shapes = self._output_shapes([tf.TensorShape(shape) for shape in given])
        return shapes[0] if self._single else tuple(shapes)

    def _output_shapes(
        self, shapes: list[tf.TensorShape]
    ) -> list[tuple[int | None, ...]]:
        batch = common_batch_shape(self.fed, shapes)
        return [
            tuple(batch.concatenate(variable.shape).as_list())
            for variable in self.pipeline.program.variables
        ]

    def _outputs(self, solved: Solved):
        outputs = tuple(
            tf.cast(value, self.compute_dtype) for value in solved.variables
        )
        return outputs[0] if self._single else outputs

    def _values(self, parameters) -> list[tf.Tensor]:
        """A value for each parameter of the program: fed, learned, fixed."""
        values = self._given(parameters)
        values += [tf.convert_to_tensor(weight) for weight in self._learned_weights]
        return values + [tf.constant(array) for array in self._fixed]

    def _given(self, parameters: tuple[Any, ...]) -> list[Any]:
        """A tensor, or a symbol of Keras, for each fed parameter."""
        names = [spec.name for spec in self.fed]
        return [
            as_tensor(f"parameter '{name}'", value)
            for name, value in zip(names, ordered(names, parameters), strict=True)
        ]


def refuse_solver_arguments(keywords: dict[str, Any]) -> None:
    """Raise ArgumentError for `solver=`, `solver_args=` and their like, which other
    packages take."""
    given = [name for name in keywords if name in _SOLVER_ARGUMENTS]
    if given:
        raise ArgumentError(
            "Expected the solver and its settings in the engine, when the layer is "
            "made: CvxpyLayer(..., engine=tf_cvxlayers.engines.Diffcp(solver='scs', "
            "solver_options={'max_iters': 1000})). "
            f"Received: {given[0]}={shortened(keywords[given[0]])}."
        )


def check_arguments(layer: keras.layers.Layer, on_failure: Any) -> None:
    """Raise ArgumentError for an `on_failure` that is none, or a dtype of integers."""
    if not tf.as_dtype(layer.compute_dtype).is_floating:
        raise ArgumentError(
            f"Expected a floating-point dtype for layer {layer.name!r}: solutions have "
            f"fractions. Received: dtype={layer.compute_dtype!r}."
        )
    if on_failure not in _ON_FAILURE:
        raise ArgumentError(
            f"Expected on_failure to be one of {list(_ON_FAILURE)}. "
            f"Received: on_failure={on_failure!r}."
        )


def _shapes_within(shapes: Any, names: list[str]) -> list[Any]:
    """The input shapes in order, from one shape, a list of them, or a dict."""
    if isinstance(shapes, dict):
        return [shapes[name] for name in names]
    one = all(size is None or isinstance(size, int) for size in shapes)
    return [shapes] if one and (shapes or len(names) == 1) else list(shapes)
