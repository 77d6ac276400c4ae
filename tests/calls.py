"""How tests call a layer: outputs, and the gradient of one weighting of them."""

import numpy as np
import tensorflow as tf


def weighted_sum(outputs, batch_rank):
    """A fixed weighting of all outputs, the same for every batch element."""
    total = 0.0
    for output in outputs if isinstance(outputs, tuple) else (outputs,):
        shape = output.shape[batch_rank:]
        weights = np.cos(1.0 + np.arange(shape.num_elements())).reshape(shape)
        total += tf.reduce_sum(output * tf.constant(weights, output.dtype))
    return total


def outputs_and_gradients(layer, values, batch_rank=1):
    """The outputs, and the gradients with respect to the values."""
    points = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(points)
        outputs = layer(*points)
        total = weighted_sum(outputs, batch_rank)
    return outputs, tape.gradient(total, points)


def assert_all_close(actual, expected, rtol=1e-9, atol=1e-9):
    """Nested tensors agree, and have the same dtypes."""
    for one, other in zip(
        tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True
    ):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def assert_identical(actual, expected):
    """Nested tensors agree in every bit."""
    for one, other in zip(
        tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True
    ):
        np.testing.assert_array_equal(one, other)
