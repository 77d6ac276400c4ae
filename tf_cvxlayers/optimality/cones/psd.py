"""The cone of positive semidefinite matrices, as packed triangles; its own dual.

With `V = Q diag(w) Q'` the projection takes the positive parts of `w`. The eigenvectors
of its derivative are the packed `Q (e_i e_j' + e_j e_i') Q'`, the eigenvalues 1 or 0
where `w_i` and `w_j` have the same sign, otherwise `w+ / (w+ + |w-|)`, which is also
the limit for equal eigenvalues (Busseti, Moursi, Boyd, "Solution refinement at regular
points of conic problems", 2019, section 3). The basis is `Q`.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tf_cvxlayers.linalg.eigenvalues import eigenvalues
from tf_cvxlayers.optimality.cones.protocol import ConeGeometry
from tf_cvxlayers.optimality.cones.triangles import packed, unpacked
from tf_cvxlayers.program.cones import svec_indices


@dataclasses.dataclass(frozen=True)
class Semidefinite(ConeGeometry):
    """The positive semidefinite matrices of one order."""

    order: int

    @property
    def keeps_axes(self) -> bool:
        return False

    @property
    def mixes_rows(self) -> bool:
        return True

    @property
    def milliseconds(self) -> float:
        return 4e-3 * self.order**3

    @property
    def compiled_milliseconds(self) -> float:
        return 5e-4 * self.order**3

    @property
    def nonnegative_rows(self) -> Sequence[int]:
        rows, columns, _ = svec_indices(self.order)
        return [k for k in range(rows.size) if rows[k] == columns[k]]

    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        w, Q = eigenvalues(unpacked(tf.expand_dims(y - s, 2), self.order))

        def with_eigenvalues(values):
            matrix = tf.matmul(Q * values[..., None, :], Q, transpose_b=True)
            return packed(matrix, self.order)[:, :, 0]

        return with_eigenvalues(tf.nn.relu(w)), with_eigenvalues(tf.nn.relu(-w))

    def spectrum(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        order = self.order
        w, Q = eigenvalues(unpacked(tf.expand_dims(y - s, 2), order)[:, 0])
        positive, negative = tf.nn.relu(w), tf.nn.relu(-w)
        up, down = tf.expand_dims(positive, 2), tf.expand_dims(negative, 1)
        both = up + down
        mixed = up / tf.where(both > 0, both, tf.ones_like(both))
        values = tf.maximum(mixed, tf.linalg.matrix_transpose(mixed))
        rows, columns, _ = svec_indices(order)
        flat = tf.reshape(values, [-1, order * order])
        return tf.gather(flat, rows * order + columns, axis=1), Q

    def sides(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        return eigenvalues(unpacked(tf.expand_dims(y - s, 2), self.order)[:, 0])[0]

    def turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        matrices = unpacked(part, self.order)
        Q = tf.expand_dims(basis, 2)
        left = tf.matmul(Q, matrices, transpose_a=transpose)
        return packed(tf.matmul(left, Q, transpose_b=not transpose), self.order)
