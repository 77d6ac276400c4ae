"""Inputs drawn for a model of which nothing is known, and its answers to them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.serving.answers import Answer, answers, difference

# What is tried for an unknown dimension: a convolution may need many.
_SIZES = 3, 8, 32


class Sample(NamedTuple):
    """Inputs, and the answers to them by the names of the outputs.

    No answers: the model refuses all inputs that were drawn, or answers differently
    each time.
    """

    inputs: list[np.ndarray]
    expected: dict[str, Answer]


def sample(function: Callable[..., Any], signature: list[Any]) -> Sample:
    """Draw inputs until all answers are finite; if none are, those with the most.

    Args:
        function: the function.
        signature: its arguments, nested `tf.TensorSpec`.
    """
    best, most = Sample([], {}), 0
    for inputs in _draws(tf.nest.flatten(signature)):
        try:
            expected = answers(function, signature, inputs)
        # Whatever a model says of inputs that were drawn blindly.
        except Exception:
            continue
        floats = [answer.array for answer in expected.values() if answer.is_floating]
        finite = sum(int(np.isfinite(array).sum()) for array in floats)
        if finite > most or not floats:
            best, most = Sample(inputs, expected), finite
        if finite == sum(array.size for array in floats):
            break
    if not _answers_again(function, signature, best):
        return Sample(best.inputs, {})
    return best


def _answers_again(
    function: Callable[..., Any], signature: list[Any], of: Sample
) -> bool:
    """Whether a second call gives the same answers."""
    if not of.expected:
        return False
    again = answers(function, signature, of.inputs)
    return all(
        difference(again[name].array, first.array) <= first.rounding
        for name, first in of.expected.items()
    )


def _draws(specs: list[tf.TensorSpec]) -> Iterator[list[np.ndarray]]:
    """Inputs of different kinds and sizes, an array for each specification."""
    random = np.random.default_rng(0)
    is_known = all(None not in spec.shape[1:] for spec in specs)
    for size in _SIZES[:1] if is_known else _SIZES:
        ways: list[Callable[[Any], Any]] = [
            random.standard_normal,
            lambda shape: np.abs(random.standard_normal(shape)),
            random.random,
            lambda shape: 10.0 * random.random(shape),
            np.ones,
            np.zeros,
        ]
        for drawn in ways:
            yield [_array(drawn, spec, size) for spec in specs]


def _array(drawn: Callable[[Any], Any], spec: tf.TensorSpec, size: int) -> np.ndarray:
    """One array: drawn, zeros for integers, empty words for strings."""
    shape = [size if known is None else known for known in spec.shape]
    if spec.dtype == tf.string:
        return np.full(shape, "")
    if spec.dtype.is_floating:
        return np.asarray(drawn(shape), np.float64)
    return np.zeros(shape, spec.dtype.as_numpy_dtype)
