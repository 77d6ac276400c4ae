"""Values that are not computed give what they would give if they were."""

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf

from tf_cvxlayers.linalg.lazy_values import (
    AffineValues,
    absolute,
    at,
    computed,
    entries_of,
    product,
)
from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.linalg.sparse import matvec

_ROWS, _COLUMNS = 4, 6


def _values(rng, size, batch, density):
    """`size` values of five features of the elements and two that they share."""
    matrix = sp.random_array((size, 8), density=density, rng=rng)
    own, shared = rng.normal(size=(batch, 5)), rng.normal(size=(1, 2))
    features = tf.constant(own), tf.constant(shared), tf.ones([1, 1], tf.float64)
    return AffineValues(LinearMap.of(matrix), features)


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_entries(batch):
    rng = np.random.default_rng(0)
    values = _values(rng, 7, batch, 0.5)
    all_of_them, some = values.computed(), np.array([6, 0, 0, 3])
    np.testing.assert_array_equal(
        entries_of(values, some), tf.gather(all_of_them, some, axis=1)
    )
    np.testing.assert_array_equal(at(all_of_them, some), computed(at(values, some)))
    assert np.all(absolute(values).computed() >= tf.abs(all_of_them))


# From no entries to a matrix of few features in many places.
@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_products(batch, shared, density):
    rng = np.random.default_rng(0)
    rows, columns = np.divmod(np.arange(_ROWS * _COLUMNS), _COLUMNS)
    order = np.lexsort((rows, columns))
    pattern = Pattern(rows[order], columns[order], (_ROWS, _COLUMNS))
    values = _values(rng, pattern.size, batch, density)
    x = tf.constant(rng.normal(size=(1 if shared else batch, _COLUMNS)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, *values.features])
        found = product(pattern, values, x)
        expected = matvec(pattern, values.computed(), x)
        pair = tf.reduce_sum(found**3), tf.reduce_sum(expected**3)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    gradients = [tape.gradient(of, [x, *values.features[:2]]) for of in pair]
    for one, other in zip(*gradients, strict=True):
        zero = tf.zeros([], tf.float64)
        one, other = (zero if part is None else part for part in (one, other))
        np.testing.assert_allclose(one, other, atol=1e-12)
