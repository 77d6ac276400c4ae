"""Powers of two by the bits of a number: exact, the same wherever in a batch it is."""

import numpy as np
import tensorflow as tf

_EXPONENT = np.uint64(0x7FF0000000000000).astype(np.int64)
_PLACES, _BIAS = 52, 1023


def power_of_two(value: tf.Tensor) -> tf.Tensor:
    """The power of two below each positive number; one for what has none."""
    bits = tf.bitwise.bitwise_and(tf.bitcast(value, tf.int64), _EXPONENT)
    two = tf.bitcast(bits, value.dtype)
    return tf.where(tf.math.is_finite(two) & (two > 0), two, tf.ones_like(two))


def exponent(value: tf.Tensor) -> tf.Tensor:
    """The exponent of the power of two below each positive number, as float64."""
    bits = tf.bitwise.bitwise_and(tf.bitcast(value, tf.int64), _EXPONENT)
    shifted = tf.bitwise.right_shift(bits, tf.constant(_PLACES, tf.int64))
    return tf.cast(shifted - _BIAS, tf.float64)


def two_to(exponents: tf.Tensor) -> tf.Tensor:
    """The power of two with each exponent, rounded to a whole one."""
    whole = tf.cast(tf.round(tf.clip_by_value(exponents, -500.0, 500.0)), tf.int64)
    bits = tf.bitwise.left_shift(whole + _BIAS, tf.constant(_PLACES, tf.int64))
    return tf.bitcast(bits, tf.float64)
