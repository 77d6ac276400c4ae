"""What Keras knows of layers, or does to exceptions, without a public name for it.

Each function says what happens where a version has moved it.
"""

from collections.abc import Iterator
from typing import Any

import keras

try:
    from keras.src.export.export_utils import get_input_signature
except ImportError:  # pragma: no cover - another Keras
    get_input_signature = None


def input_signature(model: keras.Model) -> list[Any]:
    """The arguments of a call of the model, nested specifications of tensors.

    Without Keras' own function: those of a functional model, which records its inputs.

    Raises:
        ValueError: the shapes of its inputs are not known.
    """
    if get_input_signature is not None:
        return get_input_signature(model)
    import tensorflow as tf  # pragma: no cover - another Keras

    if not getattr(model, "inputs", None):  # pragma: no cover - another Keras
        raise ValueError("its inputs are not recorded: make it a functional model")
    return [  # pragma: no cover - another Keras
        keras.tree.map_structure(
            lambda of: tf.TensorSpec(of.shape, of.dtype, of.name), model.input
        )
    ]


def direct_sublayers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """The layers that are attributes of this one, or its parts, not theirs in turn.

    Without Keras' own function: the layers of a model, and none of another layer.
    """
    flatten = getattr(layer, "_flatten_layers", None)
    if flatten is None:  # pragma: no cover - another Keras
        return iter(getattr(layer, "layers", ()))
    return flatten(include_self=False, recursive=False)


def let_pass_through(exception: type[Exception]) -> None:
    """Have Keras and AutoGraph raise exceptions of this class as they are.

    Keras rebuilds exceptions that leave a layer from their text alone, which would lose
    the attributes of ours; its mark says that the text is complete. AutoGraph would
    make a StagingError of one that is raised while it traces. A version that looks for
    other marks does as it does with all exceptions; the text is there in any case.
    """
    for mark in ("_keras_call_info_injected", "ag_pass_through"):
        setattr(exception, mark, True)
