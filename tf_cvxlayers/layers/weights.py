"""Parameters that are weights: their starting values, and their attributes in training.

A weight has the shape of its parameter. Its CVXPY attribute is kept by projecting: the
starting value, and, through a Keras constraint, the weight after each update.
"""

import io
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_cvxlayers.arguments import NotNumbersError, real_array
from tf_cvxlayers.errors import ParameterError, ProblemError
from tf_cvxlayers.pipeline.attributes import constraints_of
from tf_cvxlayers.pipeline.validation import (
    checked,
    checks_of,
    require_valid,
    tolerance_of,
)
from tf_cvxlayers.program.archive import array_from, bytes_from, text_of
from tf_cvxlayers.program.cone_program import ParameterSpec

_KEYS = {"initializer", "regularizer", "constraint", "trainable"}


def array_to_text(array: np.ndarray) -> str:
    """An array as base64 text, exactly."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return text_of(file.getvalue())


def array_from_text(text: Any) -> np.ndarray:
    """The array that `array_to_text` wrote; raises FileError for anything else."""
    return array_from(bytes_from(text))


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class StartingValue(keras.initializers.Initializer):
    """Starts a weight at a given array."""

    def __init__(self, value: Any):
        self.value = array_from_text(value) if isinstance(value, str) else value

    def __call__(self, shape, dtype=None):
        return keras.ops.convert_to_tensor(self.value, dtype=dtype)

    def get_config(self) -> dict[str, str]:
        return {"value": array_to_text(np.asarray(self.value))}


class Learned(NamedTuple):
    """How a learned parameter starts and is trained."""

    initializer: keras.initializers.Initializer
    regularizer: keras.regularizers.Regularizer | None = None
    constraint: keras.constraints.Constraint | None = None
    trainable: bool = True

    def get_config(self) -> dict[str, Any]:
        """How it starts and is trained, for JSON."""
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
            "trainable": self.trainable,
        }


def learned_from(name: str, given: Any) -> Learned:
    """What the user gave for a learned parameter, in one form.

    Args:
        name: of the parameter.
        given: an initializer (name or object), an array, or a dict with `initializer`
            and optionally `regularizer`, `constraint`, `trainable`.

    Raises:
        ProblemError: a dict with other keys, or no such initializer.
    """
    options = dict(given) if isinstance(given, dict) else {"initializer": given}
    if isinstance(given, dict) and "class_name" in given:
        options = {"initializer": given}  # a serialized initializer
    if "initializer" not in options or not options.keys() <= _KEYS:
        raise ProblemError(
            f"Expected learned['{name}'] to be an initializer, an array, or a "
            f"dict with the key 'initializer' and others among {sorted(_KEYS)}. "
            f"Received: the keys {sorted(options)}."
        )
    initializer = options["initializer"]
    if not isinstance(initializer, str | dict) and not callable(initializer):
        initializer = StartingValue(initializer)
    try:
        initializer = keras.initializers.get(initializer)
    except ValueError as error:
        raise ProblemError(
            f"Expected learned['{name}'] to name an initializer of Keras. "
            f"Received: {initializer!r}."
        ) from error
    return Learned(
        initializer=initializer,
        regularizer=keras.regularizers.get(options.get("regularizer")),
        constraint=keras.constraints.get(options.get("constraint")),
        trainable=options.get("trainable", True),
    )


def add_learned_weight(
    layer: keras.layers.Layer, spec: ParameterSpec, learned: Learned
) -> keras.Variable:
    """A weight of the layer for this parameter, under the parameter's name.

    Raises:
        ParameterError: the starting value has another shape, or breaks the attribute.
    """
    if isinstance(learned.initializer, StartingValue):
        words = "the starting value of the learned"
        constant_array(spec, learned.initializer.value, words)

    def initializer(shape, dtype=None):
        value = learned.initializer(shape, dtype=dtype)
        return projected(spec, tf.convert_to_tensor(value))

    return layer.add_weight(
        name=spec.name.replace("/", "_"),  # Keras allows any name but a path
        shape=spec.shape,
        initializer=initializer,
        regularizer=learned.regularizer,
        constraint=KeepAttribute(spec, learned.constraint),
        trainable=learned.trainable,
        # A mixed-precision model around the layer must not round the weight.
        autocast=False,
    )


class KeepAttribute(keras.constraints.Constraint):
    """Projects a weight onto the set that its parameter's attribute describes, after
    the user's own constraint."""

    def __init__(
        self, spec: ParameterSpec, first: keras.constraints.Constraint | None = None
    ):
        self.spec = spec
        self.first = first

    def __call__(self, value):
        if self.first is not None:
            value = self.first(value)
        return projected(self.spec, tf.convert_to_tensor(value))


def projected(spec: ParameterSpec, value: tf.Tensor) -> tf.Tensor:
    """The nearest value that satisfies the parameter's constraints, up to rounding."""
    for constraint in constraints_of(spec):
        value = constraint.nearest(value)
    return value


def constant_array(spec: ParameterSpec, value: Any, words: str) -> np.ndarray:
    """A float64 array for the parameter, checked for shape and attribute.

    Raises:
        ParameterError: it has another shape, is not finite, or breaks the attribute.
    """
    try:
        array = real_array(value).astype(np.float64)
    except NotNumbersError as error:
        raise ParameterError(
            f"Expected {words} parameter '{spec.name}' to be an array of numbers. "
            f"Received: {error}."
        ) from error
    if array.shape != spec.shape:
        raise ParameterError(
            f"Expected {words} parameter '{spec.name}' to have shape {spec.shape}. "
            f"Received: an array of shape {array.shape}."
        )
    with tf.init_scope():
        flat = tf.constant(array.reshape(1, spec.size))
        _, passed = checked(spec, flat, tolerance_of(tf.float64))
        require_valid(checks_of(spec), tuple(passed))
    return array
