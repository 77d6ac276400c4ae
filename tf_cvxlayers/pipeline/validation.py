"""Whether fed values are what their parameter says: finite, and true to its attribute.

Values are checked where they enter, for each batch element, in TensorFlow ops. What is
found is raised at the end: eager mode raises the package's own exceptions, a graph
carries an assertion whose text `clear_errors` reads.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import (
    PARAMETER_MARK,
    SOLVER_MARK,
    ParameterError,
    SolverError,
    Status,
)
from tf_cvxlayers.pipeline.attributes import constraints_of
from tf_cvxlayers.program.cone_program import ParameterSpec
from tf_cvxlayers.runtime.xla import compiled_by_xla

# How far from its attribute a value may be, relative to its size, by rounding.
_TOLERANCES = {tf.float64: 1e-8, tf.float32: 1e-5}


def tolerance_of(dtype: tf.DType) -> float:
    """How exactly a value of this dtype can keep to an attribute."""
    return _TOLERANCES.get(dtype, 1e-2)


# What rounding to this dtype leaves of numbers that agreed, relative to their size: a
# few hundred units in the last place, since data are sums.
_ROUNDINGS = {tf.float64: 1e-10, tf.float32: 1e-6}


def rounding_of(dtype: tf.DType) -> float:
    """How exactly right-hand sides that agree do so in this dtype."""
    return _ROUNDINGS.get(dtype, 1e-2)


class Check(NamedTuple):
    """What must hold for the values of a parameter, in words, and what is so if not."""

    spec: ParameterSpec
    expected: str
    received: str


def checks_of(spec: ParameterSpec) -> list[Check]:
    """Everything that `checked` looks at, in the same order."""
    checks = [Check(spec, "finite", "NaN or infinity")]
    for constraint in constraints_of(spec):
        checks.append(Check(spec, constraint.words, "a value that is not"))
    return checks


def checked(
    spec: ParameterSpec, value: tf.Tensor, tolerance: float
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The value, and for each of `checks_of(spec)` which elements pass, bool `[B]`.

    An element that is not finite is replaced by ones, so that it cannot spread.

    Args:
        spec: the parameter.
        value: float64 `[B, size]`.
        tolerance: relative, see `tolerance_of`.
    """
    finite = tf.reduce_all(tf.math.is_finite(value), axis=1)
    value = tf.where(tf.expand_dims(finite, 1), value, tf.ones_like(value))
    rounding = tolerance * tf.reduce_max(tf.abs(value), axis=1, keepdims=True)
    held = [c.holds(value, rounding) | ~finite for c in constraints_of(spec)]
    return value, [finite, *held]


def require_answers(
    checks: list[Check], passed: tuple[tf.Tensor, ...], status: tf.Tensor
) -> None:
    """Raise a `ParameterError` for the first check that an element fails, or else a
    `SolverError`, unless every element has a solution; `status` is int32 `[B]`."""

    def say():
        require_valid(checks, passed)
        require_solved(status)
        return tf.constant(False)

    # An element that fails a check has no solution: one look is enough.
    solved = tf.reduce_all(status <= Status.INACCURATE)
    if not tf.executing_eagerly():
        if not compiled_by_xla():
            tf.cond(solved, lambda: tf.constant(True), say)
    elif not solved:
        say()


def require_valid(checks: list[Check], passed: tuple[tf.Tensor, ...]) -> None:
    """Raise a `ParameterError` for the first check that an element fails."""
    for check, passes in zip(checks, passed, strict=True):
        _require(check, passes)


def require_solved(status: tf.Tensor) -> None:
    """Raise a `SolverError` unless every element has a solution."""

    def error(indices):
        statuses = status.numpy()[list(indices)]
        return SolverError.from_elements(indices, tuple(Status(k) for k in statuses))

    def text(indices):
        statuses = _joined(tf.gather(status, indices))
        legend = " (" + ", ".join(f"{k.value}: {k.name}" for k in Status) + ")"
        parts = [f"{SOLVER_MARK} indices=", _joined(indices), " statuses=", statuses]
        return tf.strings.join([*parts, legend])

    _assert_all(status <= Status.INACCURATE, error, text)


def _require(check: Check, passes: tf.Tensor) -> None:
    def message(elements):
        return (
            f"Expected parameter '{check.spec.name}' to be {check.expected}. "
            f"Received: {check.received}, in batch elements [{elements}]."
        )

    def error(indices):
        return ParameterError(message(", ".join(map(str, indices))))

    def text(indices):
        before, after = message("@").split("@")
        parts = [f"{PARAMETER_MARK}: ", before, _joined(indices), after, " [end]"]
        return tf.strings.join(parts)

    _assert_all(passes, error, text)


def _assert_all(
    good: tf.Tensor,
    error: Callable[[tuple[int, ...]], Exception],
    text: Callable[[tf.Tensor], tf.Tensor],
) -> None:
    if tf.executing_eagerly():
        wrong = np.flatnonzero(~good.numpy())
        if wrong.size:
            raise error(tuple(int(k) for k in wrong))
        return
    if compiled_by_xla():
        return  # elements without a solution are NaN

    def fail():
        indices = tf.cast(tf.where(~good)[:, 0], tf.int32)
        with tf.control_dependencies([tf.debugging.Assert(False, [text(indices)])]):
            return tf.constant(False)

    tf.cond(tf.reduce_all(good), lambda: tf.constant(True), fail)


def _joined(numbers: tf.Tensor) -> tf.Tensor:
    return tf.strings.reduce_join(tf.strings.as_string(numbers), separator=",")
