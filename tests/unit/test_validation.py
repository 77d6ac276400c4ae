"""A fed value is checked against each attribute, for each batch element."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.pipeline.validation import checked, checks_of, tolerance_of
from tf_cvxlayers.program.cone_program import ParameterSpec

I2 = np.eye(2)
OFF = np.array([[0.0, 1.0], [0.0, 0.0]])

# attribute, values that have it, values that do not
SIGNS = [
    ("nonneg", [0.0, 1.0], [-1e-3, 1.0]),
    ("nonpos", [0.0, -1.0], [1e-3, -1.0]),
    ("pos", [1e-12, 1.0], [0.0, 1.0]),
    ("neg", [-1e-12, -1.0], [0.0, -1.0]),
]
MATRICES = [
    ("symmetric", OFF + OFF.T, OFF),
    ("PSD", [[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]),
    ("PSD", 0.0 * I2, -I2),
    ("PSD", 1e-9 * I2, I2 + OFF),
    ("NSD", [[-1.0, 1.0], [1.0, -1.0]], I2),
    ("NSD", 0.0 * I2, -I2 + OFF),
    ("diag", np.diag([1.0, -2.0]), I2 + 1e-12 * OFF),
]


def _passes(spec, *values, tolerance=1e-8):
    """Which values pass every check, and the values that go on."""
    flat = np.stack([np.ravel(value) for value in values]).astype(float)
    kept, passed = checked(spec, tf.constant(flat), tolerance)
    assert len(passed) == len(checks_of(spec))
    return np.all(passed, axis=0).tolist(), kept.numpy()


@pytest.mark.parametrize(("attribute", "good", "bad"), SIGNS + MATRICES)
def test_an_attribute_is_checked_element_by_element(attribute, good, bad):
    spec = ParameterSpec("p", np.shape(good), (attribute,))
    assert _passes(spec, good, bad, good)[0] == [True, False, True]


@pytest.mark.parametrize(("attribute", "good", "bad"), SIGNS + MATRICES)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_size_of_a_value_does_not_matter(attribute, good, bad, scale):
    spec = ParameterSpec("p", np.shape(good), (attribute,))
    values = scale * np.asarray(good), scale * np.asarray(bad)
    assert _passes(spec, *values)[0] == [True, False]


@pytest.mark.parametrize("attribute", ["nonneg", "PSD", "symmetric"])
def test_rounding_is_forgiven(attribute):
    value = np.array([[1.0, 0.5], [0.5, 1.0]])
    if attribute == "nonneg":
        value = value - 0.5
    if attribute == "PSD":
        value = np.ones((2, 2))
    spec = ParameterSpec("p", (2, 2), (attribute,))
    noise = np.array([[-1.0, 1.0], [-1.0, -1.0]])
    assert _passes(spec, value + 1e-10 * noise)[0] == [True]
    assert _passes(spec, value + 1e-2 * noise)[0] == [False]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_replaced_and_reported(wrong):
    spec = ParameterSpec("p", (2,))
    holds, kept = _passes(spec, [1.0, 2.0], [wrong, 1.0])
    assert holds == [True, False]
    np.testing.assert_array_equal(kept[0], [1.0, 2.0])
    assert np.isfinite(kept).all()


def test_bounds_are_checked_entry_by_entry():
    bounds = np.array(0.0), np.array([1.0, np.inf])
    spec = ParameterSpec("p", (2,), bounds=bounds)
    values = [0.0, 9.0], [1.0, 0.0], [1.1, 1.0], [0.5, -0.1]
    assert _passes(spec, *values)[0] == [True, True, False, False]


def test_entries_outside_the_sparsity_are_zero():
    spec = ParameterSpec("p", (2, 2), support=np.array([1]))
    assert _passes(spec, OFF, I2, 0.0 * I2)[0] == [True, False, True]


def test_less_precise_values_are_given_more_room():
    rooms = [tolerance_of(t) for t in (tf.float64, tf.float32, tf.float16, tf.bfloat16)]
    assert rooms == sorted(rooms)
    assert rooms[0] < 1e-7 < rooms[1] < rooms[2] < 0.1


def test_every_check_says_what_was_expected():
    spec = ParameterSpec(
        "p", (2, 2), ("PSD", "nonneg"), (np.zeros(()), np.ones(())), np.array([0])
    )
    words = [check.expected for check in checks_of(spec)]
    assert len(words) == 5
    assert words[0] == "finite"
    assert "positive semidefinite (PSD=True)" in words[1]
    assert "nonnegative (nonneg=True)" in words[2]
