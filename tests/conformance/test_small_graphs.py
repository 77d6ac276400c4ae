"""A call is one node, traced once, and nothing of a layer outlives the layer."""

import gc
import threading
import weakref

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.runtime import graphs

_N = 4


def _layer(bound, name="x", engine="interior_point"):
    """A projection; no other test has this bound, or this one might find its graphs."""
    x, y = cp.Parameter(_N, name=name), cp.Variable(_N)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.norm1(y) <= bound])
    return CvxpyLayer(problem, x, y, engine=engine, dtype="float64")


def _points(size=3):
    return tf.constant(np.random.default_rng(0).normal(size=(size, _N)))


def _squares(y):
    return tf.reduce_sum(y**2)


def _gradient(layer, points, calls=1, total=_squares, persistent=False):
    with tf.GradientTape(persistent) as tape:
        tape.watch(points)
        h = points
        for _ in range(calls):
            h = layer(h) * 1.5 + points
        value = total(h)
    return tape.gradient(value, points)


@pytest.fixture
def traces(monkeypatch):
    """The names of what is traced, one after another."""
    seen = []
    traced = graphs._traced

    def watched(function, *rest):
        seen.append(getattr(function, "__name__", "stages"))
        return traced(function, *rest)

    monkeypatch.setattr(graphs, "_traced", watched)
    return seen


def _size(graph):
    """Nodes outside of functions, and in all of them."""
    definition = graph.as_graph_def()
    inside = sum(len(function.node_def) for function in definition.library.function)
    return len(definition.node), inside


def test_an_unrolled_loop_has_one_node_for_each_call(traces):
    layer, shape = _layer(1.01), tf.TensorSpec([None, _N], tf.float64)
    sizes = []
    for calls in (1, 6):
        step = tf.function(
            lambda points, calls=calls: _gradient(layer, points, calls), autograph=False
        )
        graph = step.get_concrete_function(shape).graph
        sizes.append(_size(graph))
        called = [op for op in graph.get_operations() if op.type == "PartitionedCall"]
        assert len(called) == 2 * calls  # forward and backward
    assert traces == ["stages", "_adjoint"]
    (outside, inside), (outside_6, inside_6) = sizes
    # What is left of a call is its casts, and the text of its error.
    assert inside_6 + outside_6 < inside + outside + 5 * 120


def test_the_loop_has_the_gradient_of_eager_calls():
    layer, points = _layer(1.02), _points()
    step = tf.function(lambda points: _gradient(layer, points, 3), autograph=False)
    np.testing.assert_allclose(
        step(points), _gradient(layer, points, 3), rtol=1e-9, atol=1e-12
    )


def test_equal_layers_are_traced_once_whatever_their_names_are(traces):
    layers = [_layer(1.03), _layer(1.03, "another"), _layer(2.03)]
    call = tf.function(lambda points: [layer(points) for layer in layers])
    first, second, third = call(_points())
    assert traces == ["stages", "stages"]
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, third)


def test_first_calls_from_threads_trace_once(traces):
    layer, points = _layer(1.04), _points()
    found, start = [], threading.Barrier(8)

    def call():
        start.wait()
        found.append(tf.function(lambda points: layer(points))(points).numpy())

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traces == ["stages"]
    assert len(found) == 8
    for one in found:
        np.testing.assert_array_equal(one, found[0])


def test_eager_calls_are_traced_when_there_are_many(traces, monkeypatch):
    monkeypatch.setattr(graphs, "FIRST_CALLS", 2)
    layer, points = _layer(1.05), _points()
    results = [layer(points).numpy() for _ in range(4)]
    assert traces == ["stages"]
    gradients = [_gradient(layer, points).numpy() for _ in range(4)]
    assert traces == ["stages", "_adjoint"]
    for result in results:
        np.testing.assert_allclose(result, results[0], rtol=1e-12, atol=1e-14)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, gradients[0], rtol=1e-10, atol=1e-13)


def test_chunks_of_eager_calls_are_those_of_the_batch(monkeypatch):
    monkeypatch.setattr("tf_cvxlayers.runtime.chunks._BYTES", 100)
    monkeypatch.setattr("tf_cvxlayers.runtime.chunks._OP_BY_OP", 2)
    layer, points = _layer(1.06), _points(11)
    whole = [layer(points), _gradient(layer, points)]
    for start in range(0, 11, 3):
        part = points[start : start + 3]
        alone = [layer(part), _gradient(layer, part)]
        for one, both in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(one, both[start : start + 3])


def _step_of_a_function(layer, points):
    tf.function(lambda points: _gradient(layer, points), autograph=False)(points)


def _step_of_fit(layer, points):
    """Keras registers a rule of its own in the graph of a step."""
    inputs = keras.Input((_N,), dtype="float64")
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile("sgd", "mse")
    model.train_on_batch(points.numpy(), np.zeros((3, 1)))


def _eager_step(layer, points):
    _gradient(layer, points)


@pytest.mark.parametrize("engine", ["interior_point", "diffcp"])
@pytest.mark.parametrize("step", [_step_of_a_function, _step_of_fit, _eager_step])
def test_a_layer_that_is_dropped_leaves_nothing(step, engine, monkeypatch):
    monkeypatch.setattr(graphs, "FIRST_CALLS", 0)

    def used(bound):
        layer = _layer(bound, engine=engine)
        step(layer, _points())
        return weakref.ref(layer), weakref.ref(layer.pipeline._graphs)

    def graphs_alive():
        keras.backend.clear_session()
        gc.collect()
        # By its type: asked for its class, a proxy of what is gone raises.
        return sum(issubclass(type(one), FuncGraph) for one in gc.get_objects())

    before = graphs_alive()
    for bound in (1.08, 1.09):  # the second one does not let go of what the first has
        references = used(bound)
        gc.collect()  # of the layer, which gives the rules to their graphs
        assert graphs_alive() <= before
        assert [reference() for reference in references] == [None, None]


def test_a_function_knows_nothing_of_where_it_was_traced():
    """The one that is traced within a device, a tape and a function serves outside."""
    layer, points = _layer(1.07), _points()

    @tf.function(autograph=False)
    def inside(points):
        with tf.device("/CPU:0"):
            return _gradient(layer, points, persistent=True)

    first = inside(points)
    np.testing.assert_allclose(first, _gradient(layer, points), rtol=1e-9, atol=1e-12)
    found = tf.map_fn(lambda point: layer(point[None])[0], points)
    np.testing.assert_allclose(found, layer(points), rtol=1e-12, atol=1e-14)


def test_a_gradient_that_python_computes_has_no_shape():
    layer, points = _layer(1.1), _points()

    @tf.custom_gradient
    def squares(y):
        def double(_):
            return tf.numpy_function(lambda y: 2.0 * y, [y], tf.float64)

        return _squares(y), double

    gradient = tf.function(
        lambda points: _gradient(layer, points, total=squares), autograph=False
    )
    expected = _gradient(layer, points)
    np.testing.assert_allclose(gradient(points), expected, rtol=1e-9, atol=1e-12)
