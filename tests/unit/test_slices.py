"""Slices of few digits: nothing is lost, and little in residuals that cancel."""

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.linalg.slices import cut, exact_residual


def wide(rng, *shape):
    return rng.normal(size=shape) * 10.0 ** rng.uniform(-9, 3, size=shape)


@pytest.mark.parametrize("seed", range(5))
def test_slices_add_up_and_have_few_digits(seed):
    values = wide(np.random.default_rng(seed), 4, 30)
    slices = [part.numpy() for part in cut(tf.constant(values))]
    assert all(
        sum(map(Fraction, each)) == Fraction(value)
        for value, *each in zip(values.ravel(), *map(np.ravel, slices), strict=True)
    )
    for k, part in enumerate(slices[:2]):
        grid = 2.0 ** (np.frexp(np.abs(values).max(axis=1))[1] - 21 * (k + 1))
        np.testing.assert_array_equal(part % grid[:, None], 0.0)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_residual_has_digits_where_its_terms_cancel(compiled):
    """Of terms of 1e6 with a residual of 1e-10."""
    rng = np.random.default_rng(0)
    M, x = rng.normal(size=(3, 8, 8)), 1e6 * rng.normal(size=(3, 8))
    # A right-hand side that the product cancels but for rounding.
    right = np.einsum("kij,kj->ki", M, x)
    function = tf.function(exact_residual, jit_compile=True)
    function = function if compiled else exact_residual
    found = function(*map(tf.constant, (M, x, right))).numpy()
    for k in range(3):
        for i in range(8):
            terms = (
                Fraction(a) * Fraction(b) for a, b in zip(M[k, i], x[k], strict=True)
            )
            expected = float(Fraction(right[k, i]) - sum(terms))
            assert abs(found[k, i] - expected) <= 1e-15


def test_zeros_and_nan_stay_what_they_are():
    for part in cut(tf.zeros([1, 2], tf.float64)):
        np.testing.assert_array_equal(part, 0.0)
    parts = cut(tf.constant([[np.nan, 1.0], [2.0, 3.0]], tf.float64))
    np.testing.assert_array_equal(sum(parts)[1], [2.0, 3.0])
