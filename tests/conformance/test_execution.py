"""Eager, graph, every kind of Keras model and `tf.data` give equal results."""

import itertools

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from tests.calls import assert_all_close, assert_identical, outputs_and_gradients
from tests.problems import BY_NAME, each_way, one_row
from tf_cvxlayers import CvxpyLayer


@each_way
def test_tf_function_equals_eager(case):
    layer, values = case.layer(), case.values(3)
    graph = tf.function(lambda *points: outputs_and_gradients(layer, points))
    expected = outputs_and_gradients(layer, values)
    assert_all_close(graph(*[tf.constant(value) for value in values]), expected)


def _merged_sums(function, values):
    """The sums of three and more that TensorFlow makes of a function's, and executes in
    an order that depends on which of them is free to be written over."""
    graph = function.get_concrete_function(*map(tf.constant, values))
    graph = convert_variables_to_constants_v2(graph, lower_control_flow=True)
    record = tf.compat.v1.RunMetadata()
    with tf.compat.v1.Session(graph=graph.graph) as session:
        session.run(
            [output.name for output in graph.outputs],
            {
                spec.name: value
                for spec, value in zip(graph.inputs, values, strict=True)
            },
            tf.compat.v1.RunOptions(output_partition_graphs=True),
            record,
        )
    nodes = itertools.chain(*(part.node for part in record.partition_graphs))
    return [
        node.name
        for node in nodes
        if node.op == "AddN" and node.attr["N"].i > 2 and "AddOpsRewrite" in node.name
    ]


@each_way
def test_no_sum_depends_on_the_time_of_day(case):
    """The last bit of an element would change from call to call on a busy machine."""
    layer, values = case.layer(), case.values(3)
    if not layer.engine.portable:
        pytest.skip("a Python callback is not executed in a session")
    graph = tf.function(lambda *points: outputs_and_gradients(layer, points))
    assert not _merged_sums(graph, values)


@one_row
def test_a_functional_model_equals_eager(case):
    layer, values = case.layer(), case.values(3)
    inputs = [keras.Input(value.shape[1:], dtype="float64") for value in values]
    symbolic = layer(*inputs)
    model = keras.Model(inputs, symbolic)
    expected = layer(*values)
    for tensor, output in zip(symbolic, expected, strict=True):
        assert tensor.shape == (None, *output.shape[1:])
        assert tensor.dtype == "float64"
    # As a data set, since Keras would cast arrays to single precision.
    data = tf.data.Dataset.from_tensor_slices((tuple(values),)).batch(2)
    found = model.predict(data, verbose=0)
    assert_all_close(found, [output.numpy() for output in expected])


@one_row
def test_tf_data_equals_eager(case):
    layer, values = case.layer(), case.values(4)
    data = tf.data.Dataset.from_tensor_slices(tuple(values)).batch(2)
    data = data.map(lambda *points: layer(*points), num_parallel_calls=2)
    found = [np.concatenate(parts) for parts in zip(*data, strict=True)]
    assert_all_close(found, [output.numpy() for output in layer(*values)])


def projection(width=4, learned=True, **options):
    """Projection of the input onto `{y >= 0, sum(weight * y) <= 1}`."""
    x, y = cp.Parameter(width, name="x"), cp.Variable(width, name="y")
    weight = cp.Parameter(width, name="weight", pos=True)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0, weight @ y <= 1])
    start = {weight: np.linspace(0.5, 1.5, width)}
    role = {"learned": start} if learned else {"fixed": start}
    return CvxpyLayer(problem, x, y, **role, **{"dtype": "float64", **options})


def _sequential():
    return keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            keras.layers.Dense(4, dtype="float64"),
            projection(),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )


def _functional():
    inputs = keras.Input((3,), dtype="float64")
    hidden = keras.layers.Dense(4, dtype="float64")(inputs)
    outputs = keras.layers.Dense(1, dtype="float64")(projection()(hidden))
    return keras.Model(inputs, outputs)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(dtype="float64")
        self.first = keras.layers.Dense(4, dtype="float64")
        self.projection = projection()
        self.last = keras.layers.Dense(1, dtype="float64")

    def call(self, inputs):
        return self.last(self.projection(self.first(inputs)))


def _trained_by_hand(model, x, y):
    optimizer = keras.optimizers.SGD(0.1)
    losses = []
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        losses.append(float(loss))
        weights = model.trainable_variables
        optimizer.apply_gradients(
            zip(tape.gradient(loss, weights), weights, strict=True)
        )
    return losses, model.get_weights()


@pytest.mark.parametrize(
    "build",
    [
        _functional,
        pytest.param(_sequential, marks=pytest.mark.slow),
        pytest.param(Subclassed, marks=pytest.mark.slow),
    ],
)
def test_fit_trains_as_a_loop_in_eager_mode_does(build):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    model = build()
    model(x)
    start = model.get_weights()
    assert len(start) == 5
    # Keras takes losses and arrays to single precision, but not data sets.
    squares = keras.losses.MeanSquaredError(dtype="float64")
    model.compile(keras.optimizers.SGD(0.1), squares)
    data = tf.data.Dataset.from_tensors((x, y))
    history = model.fit(data, epochs=3, shuffle=False, verbose=0)
    trained = model.get_weights()
    model.set_weights(start)
    losses, expected = _trained_by_hand(model, x, y)
    # Keras reports its loss in float32.
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-6)
    for one, other, before in zip(trained, expected, start, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
        assert np.abs(one - before).max() > 1e-4


def test_fit_takes_a_smaller_last_batch_and_several_steps_at_a_time():
    rng = np.random.default_rng(0)
    model = _sequential()
    model.compile("adam", "mse", steps_per_execution=2)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 1))
    history = model.fit(x, y, epochs=2, batch_size=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.slow
def test_fit_on_two_replicas_trains_as_on_one():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    one = _sequential()
    one.compile(keras.optimizers.SGD(0.1), "mse")
    start = one.get_weights()
    one.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        other = _sequential()
        other.compile(keras.optimizers.SGD(0.1), "mse")
    other.set_weights(start)
    other.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_time_distributed_maps_each_step():
    layer = projection()
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    inputs = keras.Input((5, 4), dtype="float64")
    wrapped = keras.layers.TimeDistributed(layer, dtype="float64")
    model = keras.Model(inputs, wrapped(inputs))
    assert model.output_shape == (None, 5, 4)
    expected = np.stack([layer(x[:, k]).numpy() for k in range(5)], axis=1)
    assert_all_close(model(tf.constant(x)).numpy(), expected)
    data = tf.data.Dataset.from_tensors((x,))
    assert_all_close(model.predict(data, verbose=0), expected)


@pytest.mark.slow
def test_a_model_in_tensorflow_ops_is_compiled_by_xla():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    model = _sequential()
    plain = keras.models.clone_model(model)
    plain.set_weights(model.get_weights())
    for each, jit in ((model, True), (plain, False)):
        each.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        each.fit(x, y, epochs=2, verbose=0)
    assert_all_close(model.get_weights(), plain.get_weights(), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ellipsoid", "ellipsoid_in_ops"])
def test_xla_gives_the_same_values_and_gradients(name):
    case = BY_NAME[name]
    layer, values = case.layer(), [tf.constant(value) for value in case.values(3)]
    compiled = tf.function(
        lambda *points: outputs_and_gradients(layer, points), jit_compile=True
    )
    assert layer.supports_jit
    expected = outputs_and_gradients(layer, values)
    assert_all_close(compiled(*values), expected, rtol=1e-8, atol=1e-8)


def test_a_model_that_needs_python_may_ask_for_xla_and_runs_without_it():
    layers = [keras.layers.Dense(4), BY_NAME["softmax"].new_layer()]
    model = keras.Sequential([keras.Input((4,)), *layers])
    with pytest.warns(UserWarning, match="jit_compile"):
        model.compile("sgd", "mse", jit_compile=True)
    model.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)


@pytest.mark.slow
def test_two_layers_of_one_graph_do_not_disturb_each_other():
    relu, softmax = BY_NAME["relu"], BY_NAME["softmax"]
    layers, values = (
        (relu.layer(), softmax.layer()),
        (relu.values(3), softmax.values(3)),
    )
    together = tf.function(
        lambda: [
            outputs_and_gradients(layer, points)
            for layer, points in zip(layers, values, strict=True)
        ]
    )
    apart = [
        outputs_and_gradients(layer, points)
        for layer, points in zip(layers, values, strict=True)
    ]
    assert_all_close(together(), apart)


@pytest.mark.slow
def test_six_forward_passes_may_precede_their_backward_passes():
    layer = BY_NAME["softmax"].layer()
    values = [tf.constant(BY_NAME["softmax"].values(2, seed=k)[0]) for k in range(6)]
    tapes, outputs = [], []
    for value in values:
        with tf.GradientTape() as tape:
            tape.watch(value)
            outputs.append(tf.reduce_sum(layer(value)[0][:, 0]))
        tapes.append(tape)
    for value, output, tape in reversed(list(zip(values, outputs, tapes, strict=True))):
        with tf.GradientTape() as alone:
            alone.watch(value)
            expected = tf.reduce_sum(layer(value)[0][:, 0])
        assert_identical(tape.gradient(output, value), alone.gradient(expected, value))


@pytest.mark.slow
def test_gradients_pass_loops_maps_and_recomputation():
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(3)
    x = tf.constant(x)

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = tf.reduce_sum(tf.square(function(x)))
        return tape.gradient(output, x)

    def looped(values):
        return tf.while_loop(
            lambda k, _: k < 1, lambda k, v: (k + 1, layer(v)[0]), (0, values)
        )[1]

    expected = gradient(lambda values: layer(values)[0])
    for other in (
        looped,
        tf.function(looped),
        lambda values: tf.map_fn(lambda value: layer(value)[0], values),
        tf.recompute_grad(lambda values: layer(values)[0]),
    ):
        assert_all_close(gradient(other), expected)
