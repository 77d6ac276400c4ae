"""The zero cone, whose rows are equalities, and the nonnegative orthant.

The dual of the zero cone is the whole space: `D = I`. For the orthant `d = [y > s]`,
which says which inequalities are active.
"""

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


class Nonnegative(_AxisAligned):
    """`{s >= 0}`, of any number of rows."""

    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        v = y - s
        return tf.nn.relu(v), tf.nn.relu(-v)

    def spectrum(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.cast(y > s, y.dtype), None
