"""Functions that TensorFlow keeps whole."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def whole(function: Callable[..., Any], signature: Sequence[tf.TensorSpec] = ()) -> Any:
    """The function, traced: a graph that calls it has one node for it, whose inside is
    not copied into the graph and made ready when it is first run.

    A concrete function: a `tf.function` would warn of retracing where many of them
    share their code.
    """
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    ).get_concrete_function()
