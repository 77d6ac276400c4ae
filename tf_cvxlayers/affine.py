"""Parameters to problem data, in TensorFlow ops.

`P`, `q`, `A`, `b` are affine in the features (see `ConeProgram`). Nothing is computed
before somebody takes it, entry by entry: reduction takes blocks, and a dense block of a
parameter goes from there to where it is used without a copy of all data in between.
Data that depend on no batched parameter keep a batch axis of length 1: a matrix of
weights is not copied for each element.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program import ConeData, ConeProgram, LinearMap
from tf_cvxlayers.sparse import apply_map, evenly, take


class AffineValues(NamedTuple):
    """What a map makes of features, `[1 or B, size]` each, that stand side by side."""

    linear_map: LinearMap
    features: tuple[tf.Tensor, ...]

    def take(self, entries: np.ndarray) -> tf.Tensor:
        """These entries: `[1 or B, entries]`."""
        return apply_map(self.linear_map.rows_at(entries), self.features)


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


def entries_of(values: tf.Tensor | AffineValues, entries: np.ndarray) -> tf.Tensor:
    """These entries of values, whether they are computed already or not."""
    if isinstance(values, AffineValues):
        return values.take(entries)
    return take(values, entries)


def computed(data: ConeData) -> ConeData:
    """All numbers, as tensors."""
    return ConeData(
        *(
            values.take(np.arange(values.linear_map.shape[0]))
            if isinstance(values, AffineValues)
            else values
            for values in data
        )
    )
