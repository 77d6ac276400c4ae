"""What a model answers, output by output, and how far two answers are apart."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import Status
from tf_cvxlayers.serving import fresh_process

# In units in the last place of the outputs, by the bytes of their dtype.
_ROUNDING = {1: 1.0, 2: 2.0**-7, 4: 2.0**-23, 8: 2.0**-52}
_ROUNDINGS = 100


class Answer(NamedTuple):
    """One output of a model.

    Attributes:
        array: as a file of NumPy holds it, see `fresh_process.as_array`.
        rounding: the relative difference that rounding in its dtype may make.
    """

    array: np.ndarray
    rounding: float

    @property
    def is_floating(self) -> bool:
        """Whether it consists of floating-point numbers."""
        return self.array.dtype.kind == "f"


def answers(
    function: Callable[..., Any], signature: list[Any], inputs: list[np.ndarray]
) -> dict[str, Answer]:
    """The outputs of a function, under the names that a new process gives them too.

    Args:
        function: the function.
        signature: its arguments, nested `tf.TensorSpec`.
        inputs: an array for each of these, in their flat order.
    """
    specs = tf.nest.flatten(signature)
    flat = [
        tf.constant(array, spec.dtype)
        for array, spec in zip(inputs, specs, strict=True)
    ]
    found = function(*tf.nest.pack_sequence_as(signature, flat))
    return {
        name: Answer(fresh_process.as_array(value), _rounding(value.dtype))
        for name, value in fresh_process.flat_by_name(found).items()
    }


def _rounding(dtype: tf.DType) -> float:
    return _ROUNDINGS * _ROUNDING[dtype.size] if dtype.is_floating else 0.0


def difference(
    found: np.ndarray | None, expected: np.ndarray, is_status: bool = False
) -> float:
    """How far two outputs are apart, relative to the largest number in the second one.

    Infinite where one has an answer and the other not. Statuses are equal where both
    have a solution, or neither.
    """
    if found is None or found.shape != expected.shape:
        return np.inf
    if is_status:
        unequal = (found <= Status.INACCURATE) != (expected <= Status.INACCURATE)
        return np.inf if unequal.any() else 0.0
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    known = np.isfinite(expected)
    if not np.array_equal(known, np.isfinite(found)):
        return np.inf
    size = np.abs(expected[known]).max(initial=1.0)
    return float(np.abs(found - expected)[known].max(initial=0.0) / size)
