"""What a new process finds in an exported file. Run as a script, by `new_process`.

It knows nothing of the package but, where it is told, imports it: a file that is said
to need TensorFlow alone is tried where there is nothing else.

Its one argument is whether the file is portable. It reads two lines, when they come:
the path of the file, and what to call; both are JSON.
"""

import gc
import json
import sys

_WITHOUT = ("tf_cvxlayers", "cvxpy", "diffcp", "scs", "clarabel", "ecos", "keras")


def main() -> None:
    # It lives for one call; collecting garbage is a seventh of its time.
    gc.disable()
    if json.loads(sys.argv[1]):
        # An import of one of these fails from here on.
        for name in _WITHOUT:
            sys.modules[name] = None  # type: ignore[assignment]
    else:
        __import__("tf_cvxlayers")
    import tensorflow as tf

    # There is none where the other process has given up.
    if path := sys.stdin.readline():
        loaded = tf.saved_model.load(json.loads(path))
        if task := sys.stdin.readline():
            _call(loaded, **json.loads(task))


def _call(loaded, endpoint, inputs, outputs):
    """Call an endpoint with the arrays in one file; write its answers to another."""
    import numpy as np
    import tensorflow as tf

    function = getattr(loaded, endpoint)
    (concrete,) = function.concrete_functions
    arguments, _ = concrete.structured_input_signature
    specs = tf.nest.flatten(arguments)
    with np.load(inputs, allow_pickle=False) as archive:
        arrays = [archive[f"a{k}"] for k in range(len(specs))]
    # NumPy's files hold neither bfloat16 nor strings of any length.
    flat = [
        tf.constant(array) if spec.dtype == tf.string else tf.cast(array, spec.dtype)
        for array, spec in zip(arrays, specs, strict=True)
    ]
    found = function(*tf.nest.pack_sequence_as(arguments, flat))
    saved = {name: as_array(value) for name, value in flat_by_name(found).items()}
    np.savez(outputs, **saved)


def flat_by_name(outputs):
    """The tensors of nested outputs; the name of one begins with that of its output."""
    import tensorflow as tf

    named = outputs if isinstance(outputs, dict) else {"": outputs}
    return {
        f"{name}/{k}": tf.convert_to_tensor(value)
        for name, part in named.items()
        for k, value in enumerate(tf.nest.flatten(part))
    }


def as_array(tensor):
    """The tensor as an array that a file of NumPy holds without pickle."""
    import tensorflow as tf

    if tensor.dtype == tf.string:
        return tensor.numpy().astype("S")
    if tensor.dtype.is_floating:
        return tf.cast(tensor, tf.float64).numpy()
    return tensor.numpy()


if __name__ == "__main__":
    main()
