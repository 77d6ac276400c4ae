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
