"""What a new process finds in an exported file. Run as a script, by `comparison`.

It knows nothing of the package but, where it is told, imports it: a file that is said
to need TensorFlow alone is tried where there is nothing else.
"""

import json
import sys

_WITHOUT = ("tf_cvxlayers", "cvxpy", "diffcp", "scs", "clarabel", "ecos", "keras")


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["portable"]:
        # An import of one of these fails from here on.
        for name in _WITHOUT:
            sys.modules[name] = None  # type: ignore[assignment]
    else:
        __import__("tf_cvxlayers")
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(task["model"])
    endpoint = getattr(loaded, task["endpoint"])
    (concrete,) = endpoint.concrete_functions
    with np.load(task["inputs"], allow_pickle=False) as archive:
        flat = [tf.constant(archive[f"a{k}"]) for k in range(len(archive.files))]
    arguments, _ = concrete.structured_input_signature
    found = endpoint(*tf.nest.pack_sequence_as(arguments, flat))
    arrays = {f"a{k}": value for k, value in enumerate(tf.nest.flatten(found))}
    np.savez(task["outputs"], **{name: value.numpy() for name, value in arrays.items()})


if __name__ == "__main__":
    main()
