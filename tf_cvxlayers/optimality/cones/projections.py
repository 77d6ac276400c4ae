"""The complementary pair next to a point: `y` in `K*`, `s` in `K`, `y's = 0`.

A solver's `y` and `s` are complementary up to its tolerance. For the zero, nonnegative,
second-order and PSD cones the pair is the projection of `v = y - s`: `y = Pi(v)`,
`s = Pi(v) - v`, in closed form (Parikh and Boyd, "Proximal algorithms", 2014, section
6.3).
The exponential and power cones are bounded by a smooth surface `g = 0`; there `s` is
moved onto it along its last coordinate, and `y` becomes the nearest multiple of
`grad g(s)`: a retraction, equal to the projection to first order.
"""

import tensorflow as tf

from tf_cvxlayers.optimality.cones.smooth_cones import smooth_cone_pair
from tf_cvxlayers.optimality.cones.spectrum import eigenvalues, packed, unpacked
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cones import ConeDims


def complementary_pair(
    dims: ConeDims, y: tf.Tensor, s: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The pair next to `y, s [B, m]`."""
    pairs, start = [], 0
    for kind, rows, order, number in dims.runs:
        stop = start + rows * number
        # Equal cones are elements of one batch.
        yk, sk = (tf.reshape(part[:, start:stop], [-1, rows]) for part in (y, s))
        start = stop
        v = yk - sk
        if kind == cones.ZERO:
            pair = yk, tf.zeros_like(sk)
        elif kind == cones.NONNEGATIVE:
            pair = tf.nn.relu(v), tf.nn.relu(-v)
        elif kind == cones.SECOND_ORDER:
            pair = _second_order(v)
        elif kind == cones.PSD:
            pair = _psd(v, int(order))
        else:
            pair = smooth_cone_pair(kind, order, yk, sk)
        pairs.append([tf.reshape(part, [-1, rows * number]) for part in pair])
    if not pairs:
        return y, s
    ys, ss = zip(*pairs, strict=True)
    return tf.concat(ys, axis=1), tf.concat(ss, axis=1)


def _second_order(v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    t, u = v[:, :1], v[:, 1:]
    size = tf.norm(u, axis=1, keepdims=True)
    direction = u / tf.where(size > 0, size, tf.ones_like(size))
    # The eigenvalues of v in the algebra of the cone, and their positive parts.
    high, low = t + size, t - size

    def combined(along, against):
        half = 0.5 * (along - against) * direction
        return tf.concat([0.5 * (along + against), half], axis=1)

    y = combined(tf.nn.relu(high), tf.nn.relu(low))
    return y, combined(tf.nn.relu(-high), tf.nn.relu(-low))


def _psd(v: tf.Tensor, order: int) -> tuple[tf.Tensor, tf.Tensor]:
    w, Q = eigenvalues(unpacked(v[:, :, None], order))

    def with_eigenvalues(values):
        matrix = tf.matmul(Q * values[..., None, :], Q, transpose_b=True)
        return packed(matrix, order)[:, :, 0]

    return with_eigenvalues(tf.nn.relu(w)), with_eigenvalues(tf.nn.relu(-w))
