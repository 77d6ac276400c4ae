"""What TensorFlow's tapes and accumulators are about to do with a tensor.

TensorFlow knows, but has no public function that tells. Where a version has moved what
is used here, both functions answer no. A layer under a persistent tape then takes the
graph of its eager calls, whose second derivatives TensorFlow prepares at many times the
cost of the first; and forward mode inside a graph gives zeros instead of an error.
"""

from collections.abc import Sequence

import tensorflow as tf

try:
    from tensorflow.python.eager.forwardprop_util import pack_tangents
    from tensorflow.python.ops import gradients_util

    possible_types = gradients_util.PossibleTapeGradientTypes
except (ImportError, AttributeError):  # pragma: no cover - another TensorFlow
    pack_tangents = possible_types = None


def may_be_differentiated_twice(values: Sequence[tf.Tensor]) -> bool:
    """Whether an outer or a persistent tape watches one of these tensors.

    For such a call TensorFlow prepares second derivatives of a graph before anybody
    asks for one, and would meet our refusal to give them.
    """
    if possible_types is None:
        return False
    kind = possible_types(list(values))
    return kind == gradients_util.POSSIBLE_GRADIENT_TYPES_HIGHER_ORDER


def forward_mode_watches(values: Sequence[tf.Tensor]) -> bool:
    """Whether a `tf.autodiff.ForwardAccumulator` watches one of these tensors."""
    return pack_tangents is not None and bool(pack_tangents(list(values)).tangents)
