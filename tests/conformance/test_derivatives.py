"""Jacobians work; second derivatives and forward mode are refused, never wrong."""

import numpy as np
import pytest
import tensorflow as tf

from tests import oracles
from tests.calls import assert_all_close, weighted_sum
from tests.problems import BY_NAME, each_kind

PFOR = pytest.mark.parametrize("pfor", [True, False], ids=["pfor", "while_loop"])
MODES = pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
# For these TensorFlow differentiates whole graphs twice, which takes twenty seconds.
SLOW_IN_GRAPHS = pytest.mark.parametrize(
    "graph",
    [
        pytest.param(False, id="eager"),
        pytest.param(True, id="graph", marks=pytest.mark.slow),
    ],
)


def _compiled(function, graph):
    return tf.function(function) if graph else function


def _differences(layer, values, element, step=1e-6):
    """The Jacobian of one element's first output in its first value; one batched call.

    A symmetric value moves symmetrically.
    """
    x = values[0][element]
    ways = np.eye(x.size).reshape(-1, *x.shape)
    if layer.fed[0].attributes == ("symmetric",):
        ways = 0.5 * (ways + ways.swapaxes(1, 2))
    points = np.concatenate([x + step * ways, x - step * ways])
    others = [np.stack([value[element]] * len(points)) for value in values[1:]]
    above, below = np.split(layer(points, *others)[0].numpy(), 2)
    return np.moveaxis((above - below) / (2.0 * step), 0, -1)


@PFOR
@SLOW_IN_GRAPHS
@pytest.mark.parametrize(
    "name", ["relu", pytest.param("spectraplex", marks=pytest.mark.slow)]
)
def test_batch_jacobian_holds_the_jacobian_of_each_element(name, pfor, graph):
    case = BY_NAME[name]
    layer, values = case.layer(), case.values(2)
    x = tf.constant(values[0])

    def jacobian():
        # TensorFlow asks for a persistent tape here where it does not use pfor.
        with tf.GradientTape(persistent=not pfor) as tape:
            tape.watch(x)
            output = layer(x, *values[1:])[0]
        return tape.batch_jacobian(output, x, experimental_use_pfor=pfor)

    found = _compiled(jacobian, graph)()
    for k in range(2):
        expected = _differences(layer, values, k)
        reshaped = tf.reshape(found[k], expected.shape)
        np.testing.assert_allclose(reshaped, expected, rtol=1e-6, atol=1e-7)


@PFOR
def test_jacobian_covers_pairs_of_batch_elements(pfor):
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(2)
    x = tf.constant(x)

    with tf.GradientTape(persistent=not pfor) as tape:
        tape.watch(x)
        (output,) = layer(x)
    found = tape.jacobian(output, x, experimental_use_pfor=pfor)
    for i in range(2):
        for j in range(2):
            expected = oracles.softmax_jacobian(x[i].numpy()) * (i == j)
            np.testing.assert_allclose(found[i, :, j], expected, rtol=0, atol=1e-9)


@each_kind
def test_the_gradient_of_a_gradient_is_refused(case):
    layer, values = case.layer(), [tf.constant(value) for value in case.values(2)]

    def twice():
        with tf.GradientTape() as outer:
            outer.watch(values)
            with tf.GradientTape() as inner:
                inner.watch(values)
                total = weighted_sum(layer(*values), 1)
            gradients = inner.gradient(total, values)
            again = sum(tf.reduce_sum(gradient) for gradient in gradients)
        return outer.gradient(again, values)

    with pytest.raises(NotImplementedError, match="differentiated once"):
        twice()


@MODES
def test_a_second_derivative_is_refused_though_another_path_has_one(graph):
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(2)
    x = tf.constant(x)

    def twice():
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(layer(x)[0] ** 2) + tf.reduce_sum(x**3)
            gradient = inner.gradient(total, x)
        return outer.gradient(gradient, x)

    with pytest.raises(NotImplementedError, match="differentiated once"):
        _compiled(twice, graph)()


@SLOW_IN_GRAPHS
def test_a_second_derivative_in_another_input_is_refused(graph):
    layer = BY_NAME["relu"].layer()
    x, W, b = (tf.constant(value) for value in BY_NAME["relu"].values(2))

    def mixed():
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(W)
                total = tf.reduce_sum(layer(x, W, b)[0])
            gradient = inner.gradient(total, W)
        return outer.gradient(gradient, x)

    with pytest.raises(NotImplementedError, match="differentiated once"):
        _compiled(mixed, graph)()


def test_tf_gradients_of_tf_gradients_is_refused():
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(2)

    @tf.function
    def twice(x):
        (gradient,) = tf.gradients(tf.reduce_sum(layer(x)[0] ** 2), x)
        return tf.gradients(gradient, x)

    with pytest.raises(NotImplementedError, match="differentiated once"):
        twice(tf.constant(x))


@MODES
@pytest.mark.parametrize(
    "name",
    ["softmax", *(pytest.param(n, marks=pytest.mark.slow) for n in ("relu", "cube"))],
)
def test_forward_mode_is_refused(name, graph):
    layer = BY_NAME[name].layer()
    values = [tf.constant(value) for value in BY_NAME[name].values(2)]

    def forward():
        tangents = [tf.ones_like(value) for value in values]
        with tf.autodiff.ForwardAccumulator(values, tangents) as accumulator:
            output = layer(*values)[0] + tf.reduce_sum(values[0])
        return accumulator.jvp(output)

    with pytest.raises(NotImplementedError, match="forward mode"):
        _compiled(forward, graph)()


def test_forward_mode_around_a_graph_is_refused():
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(2)
    x = tf.constant(x)
    graph = tf.function(lambda value: layer(value)[0])
    with (
        tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator,
        pytest.raises(NotImplementedError),
    ):
        accumulator.jvp(graph(x))


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True])
def test_a_gradient_may_be_taken_inside_an_outer_tape_that_does_not_use_it(persistent):
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(2)
    x = tf.constant(x)
    with tf.GradientTape() as alone:
        alone.watch(x)
        total = weighted_sum(layer(x), 1)
    expected = alone.gradient(total, x)
    with tf.GradientTape(persistent=persistent) as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = weighted_sum(layer(x), 1)
        assert_all_close(inner.gradient(total, x), expected)
    assert_all_close(outer.gradient(total, x), expected)


@pytest.mark.slow
def test_a_gradient_that_arrives_as_slices_is_taken():
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(3)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        (y,) = layer(x)
        total = tf.reduce_sum(tf.gather(y, [2])[:, 0])
    gradient = tape.gradient(total, x).numpy()
    np.testing.assert_array_equal(gradient[:2], 0.0)
    expected = oracles.softmax_jacobian(x[2].numpy())[0]
    np.testing.assert_allclose(gradient[2], expected, rtol=0, atol=1e-9)
