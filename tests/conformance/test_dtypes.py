"""Outputs have the layer's compute dtype, gradients the dtype of their input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import outputs_and_gradients
from tests.conformance.test_execution import projection
from tests.problems import BY_NAME, every_case

POLICIES = {"float32": 2e-6, "float64": 1e-12, "mixed_float16": 2e-3}


@pytest.mark.parametrize("given", ["float16", "float32", "float64"])
@pytest.mark.parametrize("policy", POLICIES)
def test_outputs_follow_the_policy_and_gradients_the_input(policy, given):
    case = BY_NAME["relu"]
    layer = case.new_layer(dtype=policy)
    values = [value.astype(given) for value in case.values(3)]
    outputs, gradients = outputs_and_gradients(layer, values)
    assert [output.dtype for output in outputs] == [layer.compute_dtype]
    assert [gradient.dtype for gradient in gradients] == [given] * 3
    exact = case.layer()(*[value.astype("float64") for value in values])
    np.testing.assert_allclose(outputs[0], exact[0], rtol=0, atol=POLICIES[policy])


@every_case
def test_single_precision_in_and_out(case):
    layer, values = case.new_layer(dtype="float32"), case.values(2)
    values = [value.astype("float32") for value in values]
    outputs, gradients = outputs_and_gradients(layer, values)
    assert {part.dtype for part in (*outputs, *gradients)} == {tf.float32}
    exact = case.layer()(*[value.astype("float64") for value in values])
    for found, reference in zip(outputs, exact, strict=True):
        np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-5)


def test_a_double_precision_value_loses_nothing_in_a_single_precision_layer():
    # The answer is 1e-6 of the input: computed in single precision it would be noise.
    layer = projection(2, learned=False, dtype="float32")
    found = layer(np.array([[1.0 + 1e-9, 1.0]]))
    exact = projection(2, learned=False)(np.array([[1.0 + 1e-9, 1.0]]))
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, tf.cast(exact, tf.float32))


@pytest.mark.parametrize(
    "policy",
    [
        "mixed_float16",
        pytest.param("float32", marks=pytest.mark.slow),
        pytest.param("float64", marks=pytest.mark.slow),
    ],
)
def test_a_model_trains_under_every_policy(policy):
    inputs = keras.Input((3,), dtype="float32")
    hidden = keras.layers.Dense(4, dtype=policy)(inputs)
    outputs = keras.layers.Dense(1, dtype=policy)(projection(dtype=policy)(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = model.get_weights()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    history = model.fit(x, np.ones((4, 1), "float32"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    kinds = {str(weight.dtype) for weight in model.get_weights()}
    assert kinds == {keras.DTypePolicy(policy).variable_dtype}
    changed = zip(before, model.get_weights(), strict=True)
    assert any(np.any(one != other) for one, other in changed)
