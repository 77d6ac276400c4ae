"""Python functions as ops: a stable name, no lost exception, no leak."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.runtime import callback

TOKEN = "tests/callback/v1"


def _call(function, value, shape=(None,)):
    callback.register(TOKEN, function)
    return callback.call(
        TOKEN, [tf.constant(value, tf.float64)], [tf.float64], [shape]
    )[0]


@pytest.fixture(autouse=True)
def _unregistered():
    yield
    callback._FUNCTIONS.pop(TOKEN, None)


def test_a_function_sees_arrays_and_returns_tensors():
    assert _call(lambda a: [2.0 * a], [1.0, 2.0]).numpy().tolist() == [2.0, 4.0]


def test_the_token_is_in_the_graph_and_says_whose_it_is():
    callback.register(TOKEN, lambda a: [a])

    @tf.function
    def graph(a):
        return callback.call(TOKEN, [a], [tf.float64], [(None,)])[0]

    concrete = graph.get_concrete_function(tf.TensorSpec([None], tf.float64))
    nodes = [n for n in concrete.graph.as_graph_def().node if "PyFunc" in n.op]
    assert [(n.op, n.attr["token"].s.decode()) for n in nodes] == [
        ("PyFuncStateless", TOKEN)
    ]
    assert concrete.structured_outputs.shape.as_list() == [None]


def test_tokens_of_the_package_name_it_and_a_version():
    tokens = [name for name in callback._FUNCTIONS if name != TOKEN]
    assert tokens
    for token in tokens:
        assert token.startswith("tf_cvxlayers/")
        assert token.rsplit("/v", 1)[1].isdigit()


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("error", [StopIteration, ValueError, KeyError, MemoryError])
def test_an_exception_keeps_its_words_and_ends_nothing_quietly(error, graph):
    def fails(_):
        raise error("the reason")

    call = tf.function(_call) if graph else _call
    with pytest.raises((RuntimeError, tf.errors.UnknownError), match="the reason"):
        call(fails, [1.0])


def test_a_stop_iteration_does_not_end_a_data_set():
    def fails(_):
        raise StopIteration

    callback.register(TOKEN, fails)
    data = tf.data.Dataset.range(3).map(
        lambda _: callback.call(TOKEN, [tf.constant([1.0])], [tf.float64], [(None,)])[0]
    )
    with pytest.raises(tf.errors.UnknownError, match="StopIteration"):
        list(data)


def test_a_wrong_shape_is_noticed():
    with pytest.raises(tf.errors.InvalidArgumentError):
        _call(lambda a: [np.zeros(3)], [1.0], shape=(2,))


def test_an_op_whose_result_nobody_wants_does_not_run():
    calls = []
    callback.register(TOKEN, lambda a: calls.append(1) or [a])

    @tf.function
    def graph(a):
        callback.call(TOKEN, [a], [tf.float64], [(None,)])
        return a + 1.0

    graph(tf.constant([1.0], tf.float64))
    assert not calls
