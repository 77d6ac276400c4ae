"""Numbers cut into slices of few digits, whose products and sums are exact.

Of slices of 21 digits, products and sums of 2,000 of them have 53 (Ozaki, Ogita, Oishi
and Rump, "Error-free transformations of matrix multiplication by using fast routines of
matrix multiplication", 2012).
"""

import tensorflow as tf

from tf_cvxlayers.linalg.powers_of_two import power_of_two
from tf_cvxlayers.linalg.vectors import largest

# Of a slice: 2 * 21 + 11 = 53.
_BITS = 21
# They hold all digits of numbers of one size.
_SLICES = 3


def cut(values: tf.Tensor) -> list[tf.Tensor]:
    """Slices of numbers `[B, k]`, from the leading digits on; the last one is what is
    left after the others."""
    parts = []
    grid = 2.0 * power_of_two(largest(values)[:, None])
    for _ in range(_SLICES - 1):
        grid = grid * 0.5**_BITS
        parts.append(tf.round(values / grid) * grid)
        values = values - parts[-1]
    return [*parts, values]


def exact_residual(matrix: tf.Tensor, x: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """`right - M x` for matrices `[B, m, n]`, where the terms of `M x` cancel."""
    shape = tf.shape(matrix)
    flat = tf.reshape(matrix, [-1, matrix.shape[1] * matrix.shape[2]])
    slices = [tf.reshape(part, shape) for part in cut(flat)]
    for part in cut(x):
        for slice_ in slices:
            right = right - tf.linalg.matvec(slice_, part)
    return right
