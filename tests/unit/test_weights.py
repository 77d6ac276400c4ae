"""Learned parameters are weights: how they start, train and keep their attributes."""

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.layers.weights import array_from_text, array_to_text
from tf_cvxlayers.pipeline.validation import checked

ROWS, COLUMNS = [0, 2], [1, 0]


def _layer(start, shape=(3, 3), dtype="float64", **attributes):
    """A layer with the learned parameter `w`, every entry of which has an influence."""
    p, x = cp.Parameter(3, name="p"), cp.Variable(3, name="x")
    w = cp.Parameter(shape, name="w", **attributes)
    y = cp.Variable(w.shape)
    objective = cp.sum_squares(x - p - cp.sum(y)) + cp.sum_squares(y + 1)
    problem = cp.Problem(cp.Minimize(objective), [y >= w])
    return CvxpyLayer(problem, p, x, learned={w: start}, dtype=dtype)


def _holds(layer, value):
    (spec,) = layer.learned_specs
    flat = tf.constant(np.asarray(value, np.float64).reshape(1, -1))
    tolerance = 1e-8 if value.dtype == np.float64 else 1e-5
    return all(bool(passes[0]) for passes in checked(spec, flat, tolerance)[1])


ATTRIBUTES = [
    {"nonneg": True},
    {"nonpos": True},
    {"pos": True},
    {"neg": True},
    {"symmetric": True},
    {"PSD": True},
    {"NSD": True},
    {"diag": True},
    {"sparsity": (ROWS, COLUMNS)},
    {"bounds": [-0.1, 0.2]},
]


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: next(iter(a)))
def test_an_attribute_holds_from_the_start_and_after_every_update(attribute, dtype):
    layer = _layer("random_normal", dtype=dtype, **attribute)
    (weight,) = layer.weights
    assert weight.dtype == dtype
    assert _holds(layer, weight.numpy())
    optimizer = keras.optimizers.SGD(3.0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        # Any gradient, to push the weight out of its set.
        push = tf.constant(rng.normal(size=weight.shape), dtype)
        before = weight.numpy()
        optimizer.apply([push], [weight])
        assert _holds(layer, weight.numpy())
        layer(np.ones((2, 3)))
    if "sparsity" not in attribute:
        assert np.abs(weight.numpy() - before).max() > 0


@pytest.mark.parametrize(
    "attribute",
    [
        pytest.param(
            one, marks=() if {"PSD", "bounds"} & set(one) else pytest.mark.slow
        )
        for one in ATTRIBUTES
    ],
    ids=lambda a: next(iter(a)),
)
def test_the_gradient_of_a_learned_parameter_is_exact(attribute):
    layer = _layer("random_normal", **attribute)
    report = layer.check_gradients(np.random.default_rng(0).normal(size=(2, 3)))
    assert report.max_relative_error < 1e-6


def test_fit_keeps_an_attribute():
    layer = _layer("ones", nonneg=True)
    model = keras.Sequential([keras.Input((3,), dtype="float64"), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(np.zeros((4, 3)), -9.0 * np.ones((4, 3)), epochs=3, verbose=0)
    assert layer.weights[0].numpy().min() == 0.0


@pytest.mark.parametrize(
    "start",
    [
        "ones",
        keras.initializers.Ones(),
        keras.initializers.Constant(1.0),
        np.ones((3, 3)),
        np.ones((3, 3)).tolist(),
        tf.ones((3, 3)),
        {"initializer": "ones"},
        {"initializer": np.ones((3, 3))},
        lambda shape, dtype=None: tf.ones(shape, dtype),
    ],
    ids=lambda start: type(start).__name__,
)
def test_a_start_may_be_given_in_many_forms(start):
    layer = _layer(start)
    (weight,) = layer.weights
    np.testing.assert_array_equal(weight, np.ones((3, 3)))
    assert weight.name == "w"


def test_an_array_is_the_exact_start():
    value = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_array_equal(_layer(value).weights[0], value)


def test_options_of_a_weight_are_used():
    layer = _layer(
        {
            "initializer": "ones",
            "regularizer": "l2",
            "constraint": keras.constraints.MaxNorm(1.0, axis=None),
            "trainable": True,
        },
        symmetric=True,
    )
    (weight,) = layer.trainable_weights
    assert len(layer.losses) == 1
    assert float(layer.losses[0]) == pytest.approx(0.09)
    weight.assign(weight.constraint(weight + 1.0))
    assert np.linalg.norm(weight) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(weight, np.transpose(weight))
    frozen = _layer({"initializer": "ones", "trainable": False})
    assert not frozen.trainable_weights
    assert len(frozen.non_trainable_weights) == 1


def test_fixed_parameters_are_constants_not_weights():
    p, c, x = (cp.Parameter(2, name="p"), cp.Parameter(2, name="c"), cp.Variable(2))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x <= c])
    layer = CvxpyLayer(problem, p, x, fixed={c: [1.0, 2.0]}, dtype="float64")
    assert not layer.weights
    np.testing.assert_allclose(layer(np.full((1, 2), 5.0)), [[1.0, 2.0]], atol=1e-9)


def test_a_layer_may_have_no_fed_parameters():
    c, x = cp.Parameter(2, name="c"), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c)))
    layer = CvxpyLayer(
        problem, [], x, learned={c: np.array([1.0, 2.0])}, dtype="float64"
    )
    np.testing.assert_allclose(layer(), [1.0, 2.0], atol=1e-9)


def test_learned_weights_belong_to_their_layer_alone():
    one, other = _layer("ones"), _layer("ones")
    one.weights[0].assign(np.zeros((3, 3)))
    np.testing.assert_array_equal(other.weights[0], np.ones((3, 3)))


def test_arrays_survive_as_text():
    for array in (np.array(1.0 / 3.0), np.arange(6).reshape(2, 3), np.zeros((0, 2))):
        again = array_from_text(array_to_text(array))
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)
