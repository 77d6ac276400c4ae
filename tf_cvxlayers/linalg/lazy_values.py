"""Values that an affine map makes of others, computed where somebody takes them.

Reduction takes blocks of a matrix, and a dense block of a parameter goes from there to
where it is used without a copy of all data in between.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import LinearMap
from tf_cvxlayers.linalg.sparse import apply_map, take


class AffineValues(NamedTuple):
    """What a map makes of features, `[1 or B, size]` each, that stand side by side."""

    linear_map: LinearMap
    features: tuple[tf.Tensor, ...]

    def take(self, entries: np.ndarray) -> tf.Tensor:
        """These entries: `[1 or B, entries]`."""
        return apply_map(self.linear_map.rows_at(entries), self.features)


def entries_of(values: tf.Tensor | AffineValues, entries: np.ndarray) -> tf.Tensor:
    """These entries of values, whether they are computed already or not."""
    if isinstance(values, AffineValues):
        return values.take(entries)
    return take(values, entries)
