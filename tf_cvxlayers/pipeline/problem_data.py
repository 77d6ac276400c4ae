"""Parameters to problem data, in TensorFlow ops.

`P`, `q`, `A`, `b` are affine in the features (see `ConeProgram`). Nothing is computed
before somebody takes it, entry by entry (see `linalg.lazy_values`). Data that depend
on no batched parameter keep a batch axis of length 1: a matrix of
weights is not copied for each element.
"""

from collections.abc import Sequence

import tensorflow as tf

from tf_cvxlayers.linalg import lazy_values
from tf_cvxlayers.linalg.lazy_values import AffineValues
from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.program.cone_program import ConeData, ConeProgram


def problem_data(program: ConeProgram, parameters: Sequence[tf.Tensor]) -> ConeData:
    """The numbers of the cone program, as `AffineValues`.

    Args:
        program: the cone program.
        parameters: float64 `[1 or B, size]` for each parameter of the program.
    """
    features = [
        evenly(tf.math.log, parameters[index]) if logarithm else parameters[index]
        for index, logarithm in program.features
    ]
    one = tf.ones([1, 1], tf.float64)
    return ConeData(*(AffineValues(m, (*features, one)) for m in program.maps))


def computed(data: ConeData) -> ConeData:
    """The data with all lazy values computed, as tensors `[1 or B, size]`."""
    return ConeData(*map(lazy_values.computed, data))
