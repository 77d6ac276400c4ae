"""The batch axis of tensors that broadcast: its size, and sums over it."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


def batch_size(arrays: Iterable[Any]) -> int | None:
    """The batch size of arrays or tensors that broadcast; None where it is unknown."""
    sizes = [array.shape[0] for array in arrays]
    return next((size for size in sizes if size != 1), 1)


def summed_like(gradient: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The gradient `[B, k]` of these values: its sum where the batch shares them."""
    if values.shape[0] == 1:
        return tf.reduce_sum(gradient, axis=0, keepdims=True)
    return gradient


def dynamic_batch_size(tensors: Iterable[tf.Tensor]) -> tf.Tensor:
    """The size of the batch axis of tensors that broadcast, known or not."""
    own = (tf.shape(t)[0] for t in tensors if t.shape[0] != 1)
    return next(own, tf.constant(1))
