"""Branches that are rarely taken."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_cvxlayers.runtime.whole_functions import whole
from tf_cvxlayers.runtime.xla import compiled_by_xla


def rarely(
    predicate: tf.Tensor, function: Callable[[], Any], otherwise: Callable[[], Any]
) -> Any:
    """`function()` where a scalar is true, else `otherwise()`; the former is rare.

    TensorFlow makes both branches of a `tf.cond` part of the graph around it, and ready
    to run when that is run first. A function that is not to be inlined it makes ready
    when it is called.
    """
    if tf.executing_eagerly() or compiled_by_xla():
        return tf.cond(predicate, function, otherwise)
    return tf.cond(predicate, lambda: whole(function)(), otherwise)
