"""The derivative of the projection onto exponential and power cones.

Both are three-dimensional and bounded by a smooth surface `g(s) = 0`, `g` concave with
`K = {g >= 0}` near it. With `u = s - y` and `s` the projection of `u` onto `K`,

    s - u = mu grad g(s),   g(s) = 0,   mu >= 0,

so that `y = mu grad g(s)`. Differentiating both, with `H = -mu hess g(s)`, which is
positive semidefinite, and `c = grad g(s)`,

    [ I + H   -c ] [ ds  ]   [ du ]
    [   c'     0 ] [ dmu ] = [ 0  ]

gives `ds = E du` with `E = W - W c c'W / (c'W c)`, `W = (I + H)^-1`. The derivative of
the projection onto the dual cone at `v = y - s = -u` is `D = I - E`.

Off the smooth surface: `y = 0` with `s` inside gives `D = 0`, `s = 0` with `y` inside
the dual cone gives `D = I`, and the flat faces of the exponential cone (`s_2 = 0`) and
of the power cone have the derivative of the face they lie on.
"""

import tensorflow as tf

from tf_cvxlayers.linalg.sparse import evenly
from tf_cvxlayers.program import cones

_VANISHING = 1e-7


def smooth_cone_derivative(
    kind: str, exponent: float, y: tf.Tensor, s: tf.Tensor
) -> tf.Tensor:
    """`D [B, 3, 3]` at solutions `y, s [B, 3]` of one cone."""
    gradient, hessian = _surface(kind, exponent, s)
    mu = _multiplier(gradient, y)
    eye = tf.eye(3, dtype=s.dtype)
    H = -mu[:, None, None] * hessian
    finite = _is_finite(gradient) & _is_finite(tf.reshape(H, [-1, 9]))
    H = tf.where(finite[:, None, None], H, tf.zeros_like(H))
    W = tf.linalg.inv(eye + H)
    Wc = tf.linalg.matvec(W, gradient)
    cWc = tf.reduce_sum(gradient * Wc, axis=1)
    D = eye - W + Wc[:, :, None] * Wc[:, None, :] / cWc[:, None, None]
    D = tf.where(finite[:, None, None], D, tf.linalg.diag(_on_face(kind, y, s)))
    no_y, no_s = _vanishing(y, s)
    D = tf.where(no_y[:, None, None], tf.zeros_like(D), D)
    D = tf.where(no_s[:, None, None], eye + tf.zeros_like(D), D)
    return 0.5 * (D + tf.linalg.matrix_transpose(D))


def smooth_cone_pair(
    kind: str, exponent: float, y: tf.Tensor, s: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A complementary pair next to `y, s [B, 3]`: `s` on the surface, `y` normal."""
    if kind == cones.EXPONENTIAL:
        last = s[:, 1] * evenly(tf.exp, s[:, 0] / s[:, 1])
    else:
        last = tf.sign(s[:, 2]) * _power_product(s, exponent)
    on_surface = tf.stack([s[:, 0], s[:, 1], last], axis=1)
    gradient, _ = _surface(kind, exponent, on_surface)
    normal = _multiplier(gradient, y)[:, None] * gradient
    finite = (_is_finite(on_surface) & _is_finite(normal))[:, None]
    active = _on_face(kind, y, s)
    on_surface = tf.where(finite, on_surface, (1.0 - active) * s)
    normal = tf.where(finite, normal, active * y)
    no_y, no_s = (flag[:, None] for flag in _vanishing(y, s))
    return (
        tf.where(no_y, tf.zeros_like(y), tf.where(no_s, y, normal)),
        tf.where(no_s, tf.zeros_like(s), tf.where(no_y, s, on_surface)),
    )


def _surface(kind: str, exponent: float, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`grad g [B, 3]` and `hess g [B, 3, 3]`."""
    if kind == cones.EXPONENTIAL:
        return _exponential_surface(s)
    return _power_surface(s, exponent)


def _multiplier(gradient: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The `mu` for which `mu grad g` is closest to `y`."""
    size = tf.reduce_sum(gradient * gradient, axis=1)
    return tf.nn.relu(tf.reduce_sum(gradient * y, axis=1) / size)


def _vanishing(y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether `y`, and whether `s`, is zero up to a solver's accuracy.

    At a strictly complementary solution the two are many orders of magnitude apart.
    """
    size_y = tf.reduce_max(tf.abs(y), axis=1)
    size_s = tf.reduce_max(tf.abs(s), axis=1)
    return size_y <= _VANISHING * size_s, size_s <= _VANISHING * size_y


def _is_finite(value: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(value), axis=1)


def _exponential_surface(s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of `g(x, y, z) = y log(z / y) - x`, which is concave."""
    y, z = s[:, 1], s[:, 2]
    one = tf.ones_like(y)
    zero = tf.zeros_like(y)
    gradient = tf.stack([-one, evenly(tf.math.log, z / y) - 1.0, y / z], axis=1)
    rows = [
        [zero, zero, zero],
        [zero, -1.0 / y, 1.0 / z],
        [zero, 1.0 / z, -y / (z * z)],
    ]
    return gradient, _matrix(rows)


def _power_surface(s: tf.Tensor, a: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Of `g(x, y, z) = x^a y^(1 - a) - |z|`, which is concave."""
    x, y, z = s[:, 0], s[:, 1], s[:, 2]
    f = _power_product(s, a)
    zero = tf.zeros_like(x)
    gradient = tf.stack([a * f / x, (1.0 - a) * f / y, -tf.sign(z)], axis=1)
    k = a * (1.0 - a) * f
    rows = [
        [-k / (x * x), k / (x * y), zero],
        [k / (x * y), -k / (y * y), zero],
        [zero, zero, zero],
    ]
    return gradient, _matrix(rows)


def _power_product(s: tf.Tensor, a: float) -> tf.Tensor:
    """`x^a y^(1 - a)`."""
    x = evenly(lambda value: tf.pow(value, a), s[:, 0])
    return x * evenly(lambda value: tf.pow(value, 1.0 - a), s[:, 1])


def _on_face(kind: str, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
    """1 for the coordinates that are held at zero on a flat face, else 0: `[B, 3]`.

    On the face `{x <= 0, y = 0, z >= 0}` of the exponential cone and on the faces
    `{x = 0, z = 0}` and `{y = 0, z = 0}` of the power cone the projection is, to first
    order, that onto a product of half-lines.
    """
    active = tf.cast(tf.abs(s) <= tf.abs(y), s.dtype)
    if kind == cones.POWER:
        held = tf.reduce_max(active[:, :2], axis=1)
        active = tf.stack([active[:, 0], active[:, 1], held], axis=1)
    return active


def _matrix(rows: list[list[tf.Tensor]]) -> tf.Tensor:
    return tf.stack([tf.stack(row, axis=1) for row in rows], axis=1)
