"""Whether what is traced will be compiled by XLA.

XLA knows the size of a batch when it compiles, and neither strings nor assertions. What
is there for their sake is left out.
"""

import tensorflow as tf

try:
    from tensorflow.python.ops.control_flow_util import (
        GraphOrParentsInXlaContext as in_xla_context,
    )
except ImportError:  # pragma: no cover - another TensorFlow
    in_xla_context = None


def compiled_by_xla() -> bool:
    """Whether the graph that is being built is inside a function for XLA."""
    if in_xla_context is None or tf.executing_eagerly():
        return False
    return bool(in_xla_context(tf.compat.v1.get_default_graph()))
