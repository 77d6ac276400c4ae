"""Gradients against central differences, for a layer of the package."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.pipeline.attributes import constraints_of
from tf_cvxlayers.pipeline.pipeline import Pipeline
from tf_cvxlayers.program.cone_program import ParameterSpec

# Where a difference disagrees by more than this, shorter steps are tried as well.
_AGREES = 1e-6
_SHORTER = (1.0, 0.1, 0.01)


class GradientReport(NamedTuple):
    """How far gradients are from central differences.

    Attributes:
        max_relative_error: the largest of `errors`.
        errors: float64 `[directions]`: `|g - d| / max(|g|, |d|, floor)`, for the
            directional derivatives by gradient, `g`, and by differences, `d`, of a
            random weighting of all outputs. The floor is a millionth of the length of
            the gradient, so that a derivative that is zero counts as such. A kink
            within the step spoils a difference: where they disagree, it is taken with a
            tenth and a hundredth of the step too, and the least error counts.
    """

    max_relative_error: float
    errors: np.ndarray


def check_gradients(
    pipeline: Pipeline, values: list[tf.Tensor], directions: int, step: float
) -> GradientReport:
    """The report for a pipeline at these parameters; deterministic.

    Elements without a solution are left out.
    """
    rng = np.random.default_rng(0)
    specs = pipeline.program.parameters
    values = [tf.cast(value, tf.float64) for value in values]
    weights: list[np.ndarray] = []

    def weighted(points: list[tf.Tensor]) -> tf.Tensor:
        variables = pipeline(points).variables
        if not weights:
            weights.extend(rng.normal(size=value.shape) for value in variables)
        return tf.add_n(
            [
                tf.reduce_sum(tf.where(tf.math.is_finite(value), weight * value, 0.0))
                for weight, value in zip(weights, variables, strict=True)
            ]
        )

    with tf.GradientTape() as tape:
        tape.watch(values)
        total = weighted(values)
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(total, values, unconnected_gradients=zero)
    floor = 1e-6 * float(tf.linalg.global_norm(gradients)) + 1e-300

    errors = []
    for _ in range(directions):
        ways = [
            _direction(rng, spec, value.numpy())
            for spec, value in zip(specs, values, strict=True)
        ]

        def moved(length, ways=ways):
            pairs = zip(values, ways, strict=True)
            return float(weighted([value + length * way for value, way in pairs]))

        product = sum(
            float(tf.reduce_sum(gradient * way))
            for gradient, way in zip(gradients, ways, strict=True)
        )
        error = np.inf
        for length in (step * factor for factor in _SHORTER):
            difference = (moved(length) - moved(-length)) / (2.0 * length)
            scale = max(abs(difference), abs(product), floor)
            error = min(error, abs(difference - product) / scale)
            if error <= _AGREES:
                break
        errors.append(error)
    return GradientReport(max(errors, default=0.0), np.array(errors))


def _direction(
    rng: np.random.Generator, spec: ParameterSpec, value: np.ndarray
) -> np.ndarray:
    """A random direction, of the size of the value, that its constraints allow."""
    way = rng.normal(size=value.shape) * max(np.abs(value).max(initial=0.0), 1e-3)
    for constraint in constraints_of(spec):
        way = constraint.inside(way, value)
    return way
