"""A Python function as a TensorFlow op that survives saving.

TensorFlow names the function of a `tf.py_function` by a counter of its process. Loaded
elsewhere, a saved model then finds no function, or somebody else's. Here the same
kernel is used through its raw op, with a token that is the same in every process that
imports this package, and everything the function needs travels in the graph as
tensors. The op is stateless: two layers of one graph run side by side, and a solve
whose result nobody wants is pruned.

The registry that maps tokens to functions is TensorFlow's own but not public. Where a
version has moved it, `tf.numpy_function` takes over: everything works but loading a
SavedModel that holds a callback.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

try:
    from tensorflow.python.ops.script_ops import _py_funcs

    _REGISTRY = _py_funcs._funcs
except (ImportError, AttributeError):  # pragma: no cover - another TensorFlow
    _REGISTRY = None

# TensorFlow's registry holds weak references: these keep the functions alive.
_FUNCTIONS: dict[str, Callable[..., list[np.ndarray]]] = {}


def register(token: str, function: Callable[..., list[np.ndarray]]) -> None:
    """Make `function` callable under `token`, from now on and in loaded models.

    The function takes NumPy arrays and returns a list of NumPy arrays. The token ends
    in a version, which changes whenever the meaning of its inputs does.
    """

    def guarded(*arrays):
        try:
            return function(*arrays)
        except Exception as error:
            # A StopIteration that leaves the op would end `model.fit` without a word.
            raise RuntimeError(
                f"{token} failed: {type(error).__name__}: {error}"
            ) from error

    _FUNCTIONS[token] = guarded
    if _REGISTRY is not None:
        _REGISTRY[token] = guarded


def call(
    token: str,
    inputs: Sequence[tf.Tensor],
    dtypes: Sequence[tf.DType],
    shapes: Sequence[Sequence[int | None]],
) -> list[tf.Tensor]:
    """The registered function, as an op on `inputs`."""
    if _REGISTRY is not None:
        outputs = tf.raw_ops.PyFuncStateless(input=inputs, token=token, Tout=dtypes)
    else:  # pragma: no cover - another TensorFlow
        outputs = tf.numpy_function(_FUNCTIONS[token], inputs, dtypes, stateful=False)
    return [
        tf.ensure_shape(output, shape)
        for output, shape in zip(outputs, shapes, strict=True)
    ]


def bytes_tensor(content: bytes) -> tf.Tensor:
    """Bytes as a uint8 constant, which a call passes on without a copy."""
    return tf.constant(np.frombuffer(content, np.uint8))
