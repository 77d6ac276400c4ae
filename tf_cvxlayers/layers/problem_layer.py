"""Layers that state a problem of their own, once they know the size of their input."""

import abc
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.errors import ArgumentError
from tf_cvxlayers.layers.cone_layer import check_arguments, refuse_solver_arguments
from tf_cvxlayers.layers.configuration import (
    LayerConfig,
    engine_config,
    engine_from_config,
)
from tf_cvxlayers.layers.cvxpy_layer import CvxpyLayer
from tf_cvxlayers.layers.gradient_check import GradientReport
from tf_cvxlayers.layers.solve_result import SolveResult
from tf_cvxlayers.layers.values import as_tensor
from tf_cvxlayers.layers.weights import Learned, add_learned_weight, learned_from
from tf_cvxlayers.program.cone_program import ParameterSpec

if TYPE_CHECKING:
    import cvxpy as cp


class ProblemLayer(keras.layers.Layer):
    """A layer that maps `[..., n]` to the solution of a problem of its own. Abstract.

    The weights belong to this layer. The problem is a `CvxpyLayer` within it, which is
    fed all that depends on the input and the weights, in float64: so `b = A z0` holds
    to the last digit, whatever the dtype of the weights is.

    Args:
        learned: for each weight how it starts and is trained, in any of the forms of
            `CvxpyLayer`'s `learned`.
        engine, on_failure: of the `CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        *,
        learned: dict[str, Any] | None = None,
        engine: str | Engine = "auto",
        on_failure: str = "raise",
        **kwargs: Any,
    ):
        refuse_solver_arguments(kwargs)
        # Keras would cast float64 inputs down to the layer's dtype.
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        self._learned: dict[str, Learned] = {
            name: learned_from(name, given) for name, given in (learned or {}).items()
        }
        check_arguments(self, on_failure)
        self.wanted_engine = engine_from_config(engine)
        self.on_failure = on_failure
        # Not known before the engine is.
        self.supports_jit = False

    def _weight_specs(self, n: int) -> list[ParameterSpec]:
        """The weights for an input of size n, in the order of `learned`."""
        return []

    @abc.abstractmethod
    def _problem(self, n: int) -> "tuple[cp.Problem, list[cp.Parameter], cp.Variable]":
        """The problem for an input of size n, its parameters, and the output."""

    def _fed(self, inputs: tf.Tensor, *weights: tf.Tensor) -> list[tf.Tensor]:
        """The values of the parameters, from the input and the weights in float64."""
        return [inputs, *weights]

    def _output_size(self, n: int) -> int:
        """The size of the last axis of the output."""
        return n

    def build(self, input_shape: Any) -> None:
        n = _last_axis(self, input_shape)
        specs = self._weight_specs(n)
        for spec in specs:
            weight = add_learned_weight(self, spec, self._learned[spec.name])
            setattr(self, spec.name, weight)
        self._names = tuple(spec.name for spec in specs)
        problem, parameters, variable = self._problem(n)
        self.cvxpy_layer = CvxpyLayer(
            problem,
            parameters,
            variable,
            engine=self.wanted_engine,
            on_failure=self.on_failure,
            dtype=self.dtype_policy,
            name="problem",
        )
        self.supports_jit = self.cvxpy_layer.supports_jit
        self.input_spec = keras.layers.InputSpec(min_ndim=1, axes={-1: n})
        super().build(input_shape)

    # For autograph there is nothing to translate, here and in what is called.
    @tf.autograph.experimental.do_not_convert
    def __call__(self, inputs, **kwargs):
        refuse_solver_arguments(kwargs)
        # Keras would look at the inputs first, and in words of its own.
        return super().__call__(self._tensor(inputs), **kwargs)

    def call(self, inputs):
        """Solve the problem for inputs `[..., n]`."""
        return self.cvxpy_layer(*self._values(inputs))

    def solve(self, inputs) -> SolveResult:
        """Solve, and say how it went for each batch element; never raises for one.

        Args:
            inputs: as in a call.
        """
        values = self._values(self._built_for(inputs))
        return self.cvxpy_layer.solve(*values)

    def check_gradients(
        self, inputs, directions: int = 5, step: float = 1e-5
    ) -> GradientReport:
        """Compare gradients with differences, in what the problem is fed.

        Args:
            inputs: as in a call; taken to float64.
            directions: how many random directions.
            step: of the differences, relative to the size of each parameter.
        """
        values = self._values(self._built_for(inputs))
        return self.cvxpy_layer.check_gradients(
            *values, directions=directions, step=step
        )

    def describe(self) -> str:
        """The layer's problem in words: parameters, cone program, engine."""
        if not self.built:
            raise ArgumentError(
                f"Expected a layer that knows the size of its input. Received: layer "
                f"{self.name!r}, not built. Call it, or layer.build((None, n)), first."
            )
        return self.cvxpy_layer.described_as(f"{type(self).__name__} {self.name!r}")

    @property
    def engine(self) -> Engine | None:
        """The engine in use; None before the layer is built."""
        return self.cvxpy_layer.engine if self.built else None

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self._output_size(input_shape[-1]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "engine": engine_config(self.wanted_engine),
            "on_failure": self.on_failure,
            **{name: how.get_config() for name, how in self._learned.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ProblemLayer":
        return LayerConfig(config).read_rest(lambda settings: cls(**settings))

    def _built_for(self, inputs: Any) -> tf.Tensor:
        inputs = self._tensor(inputs)
        if not self.built:
            self.build(inputs.shape)
        return inputs

    def _tensor(self, inputs: Any) -> Any:
        return as_tensor(f"the inputs of layer '{self.name}'", inputs)

    def _values(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        weights = [tf.cast(getattr(self, name), tf.float64) for name in self._names]
        return self._fed(tf.cast(inputs, tf.float64), *weights)


def _last_axis(layer: ProblemLayer, input_shape: Any) -> int:
    if not len(input_shape) or input_shape[-1] is None:
        raise ArgumentError(
            f"Expected inputs of shape [..., n] with a known n. Received: "
            f"input_shape={tuple(input_shape)} for layer {layer.name!r}."
        )
    return int(input_shape[-1])
