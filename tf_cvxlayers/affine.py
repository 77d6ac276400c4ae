"""Parameters to problem data, in TensorFlow ops.

`P`, `q`, `A`, `b` are affine in the features (see `ConeProgram`). Data that depend on
no batched parameter keep a batch axis of length 1: a matrix of weights is not copied
for each element.
"""

import tensorflow as tf

from tf_cvxlayers.program import ConeData, ConeProgram
from tf_cvxlayers.sparse import apply_map


def problem_data(program: ConeProgram, parameters: list[tf.Tensor]) -> ConeData:
    """The numbers of the cone program.

    Args:
        program: the cone program.
        parameters: float64 `[1 or B, size]` for each parameter of the program.
    """
    features = [
        tf.math.log(parameters[index]) if logarithm else parameters[index]
        for index, logarithm in program.features
    ]
    everything = _joined(features)
    shared = [value.shape[0] == 1 for value in features]
    alone = _joined(
        [
            value if own else tf.zeros([1, value.shape[1]], value.dtype)
            for value, own in zip(features, shared, strict=True)
        ]
    )
    slices = program.feature_slices()

    def data(linear_map):
        batched = any(
            not own
            and ((linear_map.columns >= s.start) & (linear_map.columns < s.stop)).any()
            for s, own in zip(slices, shared, strict=True)
        )
        return apply_map(linear_map, everything if batched else alone)

    return ConeData(*(data(linear_map) for linear_map in program.maps))


def _joined(features: list[tf.Tensor]) -> tf.Tensor:
    """The features side by side, with the constant 1 behind them."""
    sizes = [value.shape[0] for value in features]
    if all(size == 1 for size in sizes):
        batch = 1
    else:
        batch = tf.reduce_max([tf.shape(v)[0] for v in features if v.shape[0] != 1])
    columns = [*features, tf.ones([1, 1], tf.float64)]
    return tf.concat(
        [
            tf.broadcast_to(v, [batch, v.shape[1]])
            if v.shape[0] == 1 and not (isinstance(batch, int) and batch == 1)
            else v
            for v in columns
        ],
        axis=1,
    )
