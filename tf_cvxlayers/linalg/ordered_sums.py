"""Sums whose last bit does not depend on the time of day.

Of `a + b + c` TensorFlow makes one operation (`AddN`), which begins with whichever of
the three it can write over: what is free at that moment depends on what other threads
have done. Differences are computed as they are written.
"""

import tensorflow as tf


def total(first: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
    """The sum, in a fixed order."""
    if not others:
        return first
    if len(others) == 1:
        return first + others[0]
    return first - _minus_total(*others)


def _minus_total(first: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
    return -first - total(*others)


# Relative to the terms of a sum, what rounding may leave where they cancel.
_ROUNDING = 1e-14


def without_rounding(sum_: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """The sum, exactly zero where its terms cancel up to rounding.

    What rounding leaves there would be taken for a coefficient, and scaled up to one.
    The gradient is that of the sum.

    Args:
        sum_: of the terms.
        size: the sum of their absolute values.
    """
    left_over = tf.where(tf.abs(sum_) <= _ROUNDING * size, sum_, tf.zeros_like(sum_))
    return sum_ - tf.stop_gradient(left_over)
