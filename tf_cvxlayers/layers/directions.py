"""Directions in the parameters of a program, for differences that stay where it is
defined.

Values at the border of what an attribute allows, a zero among nonnegative entries or a
singular semidefinite matrix, can be moved to one side alone. There the direction goes
inward, and the difference is one-sided, with an error of second order like the central
one:

    f'(0) = (-3 f(0) + 4 f(h) - f(2 h)) / (2 h) + O(h^2).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_cvxlayers.pipeline.attributes import constraints_of
from tf_cvxlayers.program.cone_program import ParameterSpec

# Of values that keep to an attribute, relative to their size: far below any step.
_ROUNDING = 1e-14
# The size of a direction for a value that is zero.
_SMALL = 1e-3


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Direction:
    """A direction in all parameters of a program, from values of theirs.

    Attributes:
        values, ways: float64 `[*batch, *shape]` for each parameter.
        one_sided: whether only steps forward keep to all attributes.
    """

    values: list[np.ndarray]
    ways: list[np.ndarray]
    one_sided: bool

    def point(self, length: float) -> list[tf.Tensor]:
        """The values after a step of this length."""
        pairs = zip(self.values, self.ways, strict=True)
        return [tf.constant(value + length * way) for value, way in pairs]

    def lengths(self, step: float) -> tuple[float, float]:
        """The steps at which a difference looks, besides zero if `one_sided`."""
        return (step, 2.0 * step) if self.one_sided else (-step, step)

    def difference(
        self, function: Callable[[list[tf.Tensor]], float], start: float, step: float
    ) -> float:
        """The derivative of `function` along the direction; `start` is its value."""
        first, second = (function(self.point(t)) for t in self.lengths(step))
        if self.one_sided:
            return (-3.0 * start + 4.0 * first - second) / (2.0 * step)
        return (second - first) / (2.0 * step)


def random_direction(
    rng: np.random.Generator,
    specs: tuple[ParameterSpec, ...],
    values: list[np.ndarray],
    step: float,
) -> Direction:
    """A random direction along which differences of this step, or a shorter one, keep
    to all attributes; of the size of each value.

    Args:
        rng: where it comes from.
        specs: of the parameters.
        values: float64 `[*batch, *shape]` each.
        step: below one half.
    """
    ways = []
    for spec, value in zip(specs, values, strict=True):
        size = max(np.abs(value).max(initial=0.0), _SMALL)
        way = rng.normal(size=value.shape) * size
        for constraint in constraints_of(spec):
            way = constraint.inside(way, value, 2.0 * step)
        ways.append(way)
    back = (value - step * way for value, way in zip(values, ways, strict=True))
    held = [_holds(spec, value) for spec, value in zip(specs, back, strict=True)]
    return Direction(values, ways, one_sided=not all(held))


def _holds(spec: ParameterSpec, value: np.ndarray) -> bool:
    """Whether all elements keep to all attributes of a parameter."""
    flat = tf.constant(value.reshape(-1, spec.size))
    rounding = _ROUNDING * tf.reduce_max(tf.abs(flat), axis=1, keepdims=True)
    held = [constraint.holds(flat, rounding) for constraint in constraints_of(spec)]
    return all(bool(tf.reduce_all(each)) for each in held)
