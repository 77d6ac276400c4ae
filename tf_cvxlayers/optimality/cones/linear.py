"""The zero cone, whose rows are equalities, and the nonnegative orthant.

The dual of the zero cone is the whole space: `D = I`. For the orthant `d = [y > s]`,
which says which inequalities are active.
"""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.optimality.cones.protocol import ConeGeometry


class _AxisAligned(ConeGeometry):
    """A cone whose derivative is diagonal. Abstract."""

    @property
    def keeps_axes(self) -> bool:
        return True

    def turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        return part


class Zero(_AxisAligned):
    """`{0}`, of any number of rows."""

    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return y, tf.zeros_like(s)

    def spectrum(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.ones_like(y), None

    def distances(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        return tf.fill(tf.shape(y), tf.constant(np.inf, y.dtype))

    def sides(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        return y[:, :0]

    def lengths(self, dv: tf.Tensor) -> tf.Tensor:
        return dv[:, :0]


class Nonnegative(_AxisAligned):
    """`{s >= 0}`, of any number of rows."""

    @property
    def rows_are_apart(self) -> bool:
        return True

    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        v = y - s
        return tf.nn.relu(v), tf.nn.relu(-v)

    def spectrum(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.cast(y > s, y.dtype), None

    def sides(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        return y - s

    def lengths(self, dv: tf.Tensor) -> tf.Tensor:
        return tf.abs(dv)
