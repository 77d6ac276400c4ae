"""Parameters to problem data, in TensorFlow ops.

`P`, `q`, `A`, `b` are affine in the features (see `ConeProgram`). Data that depend on
no batched parameter keep a batch axis of length 1: a matrix of weights is not copied
for each element.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program import ConeData, ConeProgram
from tf_cvxlayers.sparse import apply_map, evenly, joined


def problem_data(program: ConeProgram, parameters: Sequence[tf.Tensor]) -> ConeData:
    """The numbers of the cone program.

    Args:
        program: the cone program.
        parameters: float64 `[1 or B, size]` for each parameter of the program.
    """
    features = [
        evenly(tf.math.log, parameters[index]) if logarithm else parameters[index]
        for index, logarithm in program.features
    ]
    one = tf.ones([1, 1], tf.float64)
    everything = joined([*features, one])
    # What depends on no batched feature is computed once, without them.
    kept = [
        value if value.shape[0] == 1 else tf.zeros([1, value.shape[1]], value.dtype)
        for value in features
    ]
    alone = joined([*kept, one])
    batched = np.zeros(everything.shape[1], bool)
    for where, value in zip(program.feature_slices(), features, strict=True):
        batched[where] = value.shape[0] != 1

    return ConeData(
        *(
            apply_map(m, everything if batched[m.columns].any() else alone)
            for m in program.maps
        )
    )
