"""Gradients against central differences, for a layer of the package."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.layers.batching import flattened

if TYPE_CHECKING:
    from tf_cvxlayers.layers.base import ConeLayer


class GradientReport(NamedTuple):
    """How far gradients are from central differences.

    Attributes:
        max_relative_error: the largest of `errors`.
        errors: float64 `[directions]`: `|g - d| / max(|g|, |d|, floor)`, for the
            directional derivatives by gradient, `g`, and by differences, `d`, of a
            random weighting of all outputs. The floor is a millionth of the length of
            the gradient, so that a derivative that is zero counts as such.
    """

    max_relative_error: float
    errors: np.ndarray


def check_gradients(
    layer: "ConeLayer", given: list[tf.Tensor], directions: int, step: float
) -> GradientReport:
    """The report for a layer at the given fed parameters; deterministic."""
    rng = np.random.default_rng(0)
    specs = layer.pipeline.program.parameters
    fed = [tf.cast(value, tf.float64) for value in given]
    flat, _ = flattened(list(specs[: len(fed)]), fed)
    values = [value.numpy() for value in [*flat, *layer.own_values()]]
    weights: list[np.ndarray] = []

    def weighted(points: list[tf.Tensor]) -> tf.Tensor:
        solved = layer.pipeline(points)
        if not weights:
            weights.extend(rng.normal(size=value.shape) for value in solved.variables)
        return tf.add_n(
            [
                tf.reduce_sum(weight * value)
                for weight, value in zip(weights, solved.variables, strict=True)
            ]
        )

    points = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(points)
        total = weighted(points)
    zero = tf.UnconnectedGradients.ZERO
    found = tape.gradient(total, points, unconnected_gradients=zero)
    gradients = [gradient.numpy() for gradient in found]
    floor = 1e-6 * np.sqrt(sum(np.sum(g * g) for g in gradients)) + 1e-300

    errors = []
    for _ in range(directions):
        ways = [
            _direction(rng, spec, value)
            for spec, value in zip(specs, values, strict=True)
        ]

        def moved(sign, ways=ways):
            return weighted(
                [
                    tf.constant(value + sign * step * way)
                    for value, way in zip(values, ways, strict=True)
                ]
            ).numpy()

        difference = (moved(1.0) - moved(-1.0)) / (2.0 * step)
        product = sum(
            float(np.sum(g * way)) for g, way in zip(gradients, ways, strict=True)
        )
        scale = max(abs(difference), abs(product), floor)
        errors.append(abs(difference - product) / scale)
    return GradientReport(max(errors, default=0.0), np.array(errors))


def _direction(rng, spec, value: np.ndarray) -> np.ndarray:
    """A random direction, of the parameter's size, that its attributes allow."""
    way = rng.normal(size=value.shape) * max(np.abs(value).max(initial=0.0), 1e-3)
    if {"symmetric", "PSD", "NSD"} & set(spec.attributes):
        square = way.reshape(-1, *spec.shape)
        way = (0.5 * (square + square.swapaxes(1, 2))).reshape(value.shape)
    if "diag" in spec.attributes:
        way = way * np.eye(spec.shape[0]).reshape(1, -1)
    if spec.support is not None:
        way = way * np.isin(np.arange(spec.size), spec.support)
    # A sign or a bound that holds with equality is left as it is.
    if {"nonneg", "nonpos", "pos", "neg"} & set(spec.attributes):
        way = way * np.minimum(1.0, np.abs(value))
    return way
