"""The values of a call: one tensor for each parameter, from what a user hands over.

Every way into a layer comes through here, before Keras or TensorFlow look at a value,
so that all of them take the same things and refuse others in the same words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_cvxlayers.arguments import NotNumbersError, real_array
from tf_cvxlayers.errors import ParameterError, numbered

_TENSORS = (tf.Tensor, tf.Variable, keras.Variable, keras.KerasTensor)
_NOT_DENSE = (tf.RaggedTensor, tf.SparseTensor)


def ordered(names: Sequence[str], given: tuple[Any, ...]) -> list[Any]:
    """The values in the order of the parameters, from any of the forms of a call.

    They come one after another, as one list or tuple of them, or as one dict by name.
    For a single parameter, a list without arrays or tensors in it is its value.

    Raises:
        ParameterError: there are more or fewer, or under other names.
    """
    names = list(names)
    if len(given) == 1 and isinstance(given[0], Mapping):
        values = given[0]
        if set(values) != set(names) or len(set(names)) != len(names):
            received = "[" + ", ".join(sorted(map(repr, values))) + "]"
            raise ParameterError(
                f"Expected a value for each of the fed parameters {names}, by name. "
                f"Received: {received}."
            )
        return [values[name] for name in names]
    listed = len(given) == 1 and isinstance(given[0], list | tuple)
    if listed and (len(names) != 1 or any(map(_is_array, given[0]))):
        given = tuple(given[0])
    if len(given) != len(names):
        raise ParameterError(
            f"Expected {numbered(len(names), 'value', 'values')}, for the fed "
            f"parameters {names}. Received: {len(given)}."
        )
    return list(given)


def as_tensor(words: str, value: Any) -> Any:
    """A floating-point tensor, or a symbol of Keras for one, of real numbers.

    Args:
        words: what it is the value of, as messages say it.
        value: a dense tensor, a variable, or anything that NumPy makes real numbers of:
            integers and booleans become float64, and so do Python's numbers.

    Raises:
        ParameterError: it is none of these.
    """
    # Not by the `sparse` of a symbol: Keras says so of `2.0 * x` too.
    if isinstance(value, _NOT_DENSE):
        raise _refused(words, f"a value of type {type(value).__name__}")
    if isinstance(value, keras.KerasTensor):
        return _of_real_dtype(words, value, tf.as_dtype(value.dtype))
    try:
        if isinstance(value, _TENSORS) or _holds_tensors(value):
            tensor = tf.convert_to_tensor(value)
        else:
            tensor = tf.convert_to_tensor(real_array(value))
    except NotNumbersError as error:
        raise _refused(words, str(error)) from error
    except (TypeError, ValueError) as error:
        raise _refused(words, f"a value of type {type(value).__name__}") from error
    tensor = _of_real_dtype(words, tensor, tensor.dtype)
    return tensor if tensor.dtype.is_floating else tf.cast(tensor, tf.float64)


def _of_real_dtype(words: str, tensor: Any, dtype: tf.DType) -> Any:
    if dtype.is_floating or dtype.is_integer or dtype.is_bool:
        return tensor
    raise _refused(words, f"a tensor of dtype {dtype.name}")


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and not isinstance(value, np.generic)


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_tensors, value))
    return isinstance(value, _TENSORS)


def _refused(words: str, received: str) -> ParameterError:
    return ParameterError(
        f"Expected {words} to be a dense tensor or array of real numbers. "
        f"Received: {received}."
    )
