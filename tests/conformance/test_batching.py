"""Batch dimensions broadcast as in NumPy; a shared value gets the summed gradient."""

import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_all_close, assert_identical, outputs_and_gradients
from tests.problems import BY_NAME, each_kind, each_way, every_case
from tf_cvxlayers.errors import ParameterError

pytestmark = pytest.mark.usefixtures("steady")


@each_kind
def test_a_batch_holds_the_results_of_its_elements(case):
    layer, values = case.layer(), case.values(3)
    outputs, gradients = outputs_and_gradients(layer, values)
    for k in range(3):
        element = [value[k] for value in values]
        alone, own = outputs_and_gradients(layer, element, batch_rank=0)
        shapes = [variable.shape for variable in case.state().variables]
        assert [tuple(output.shape) for output in alone] == shapes
        assert_all_close([output[k] for output in outputs], alone, atol=1e-10)
        assert_all_close([gradient[k] for gradient in gradients], own, atol=1e-8)


@each_kind
def test_leading_dimensions_are_one_batch(case):
    layer, values = case.layer(), case.values(2, 3)
    flat = [value.reshape(6, *value.shape[2:]) for value in values]
    outputs, gradients = outputs_and_gradients(layer, values, batch_rank=2)
    expected = outputs_and_gradients(layer, flat)
    reshaped = [
        tf.reshape(part, [6, *part.shape[2:]]) for part in (*outputs, *gradients)
    ]
    assert_identical(reshaped, [*expected[0], *expected[1]])


@each_kind
def test_a_shared_value_is_as_good_as_its_copies_and_gets_their_summed_gradient(case):
    layer, values = case.layer(), case.values(3)
    if len(values) == 1:
        pytest.skip("a single parameter is the batch")
    # Elements may not suit each other: copies of one, and the last value shared.
    first = [value[0] for value in values]
    copies = [np.stack([value] * 3) for value in first]
    outputs, gradients = outputs_and_gradients(layer, [*copies[:-1], first[-1]])
    expected, of_copies = outputs_and_gradients(layer, copies)
    assert_all_close(outputs, expected, atol=1e-9)
    of_copies[-1] = tf.reduce_sum(of_copies[-1], axis=0)
    assert_all_close(gradients, of_copies, rtol=1e-7, atol=1e-8)


@every_case
def test_an_empty_batch_gives_an_empty_batch_and_zero_gradients(case):
    layer, values = case.layer(), case.values(0)
    outputs, gradients = outputs_and_gradients(layer, values)
    shapes = [variable.shape for variable in case.state().variables]
    assert [tuple(output.shape) for output in outputs] == [(0, *s) for s in shapes]
    assert [g.shape for g in gradients] == [value.shape for value in values]
    assert layer.solve(*values).status.shape == (0,)


@each_way
def test_one_trace_serves_every_batch_size(case):
    layer, values = case.layer(), case.values(6)
    traces = []

    def traced(*points):
        traces.append(points)
        outputs, gradients = outputs_and_gradients(layer, points)
        for output, variable in zip(outputs, case.state().variables, strict=True):
            assert output.shape.as_list() == [None, *variable.shape]
        return outputs, gradients

    signature = [tf.TensorSpec((None, *v.shape[1:]), tf.float64) for v in values]
    graph = tf.function(traced, input_signature=signature)
    for size in (6, 1, 0):
        part = [value[:size] for value in values]
        assert_all_close(graph(*part), outputs_and_gradients(layer, part))
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("left", "right", "batch"),
    [
        ((2, 1), (1, 3), (2, 3)),
        ((3,), (2, 1), (2, 3)),
        ((), (2, 3), (2, 3)),
        ((1,), (4,), (4,)),
        ((1, 1), (1,), (1, 1)),
        ((0,), (1,), (0,)),
        ((2, 0), (1,), (2, 0)),
        ((), (), ()),
    ],
)
@pytest.mark.parametrize("dynamic", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_batch_dimensions_broadcast_as_in_numpy(left, right, batch, dynamic):
    case = BY_NAME["relu"]
    layer = case.layer()
    x = case.values(*left)[0]
    _, W, b = case.values(*right, seed=1)

    def run(*points):
        return outputs_and_gradients(layer, points, batch_rank=len(batch))

    if dynamic:
        signature = [
            tf.TensorSpec(
                [None] * (v.ndim - r) + list(v.shape[v.ndim - r :]), tf.float64
            )
            for v, r in ((x, 1), (W, 2), (b, 1))
        ]
        run = tf.function(run, input_signature=signature)
    (z,), gradients = run(x, W, b)
    expected = np.maximum(np.einsum("...ij,...j->...i", W, x) + b, 0.0)
    assert z.shape == (*batch, 4)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-9)
    assert [tuple(g.shape) for g in gradients] == [x.shape, W.shape, b.shape]
    on = np.cos(1.0 + np.arange(4)) * (expected > 0)
    dx = np.einsum("...ij,...i->...j", np.broadcast_to(W, (*batch, 4, 3)), on)
    np.testing.assert_allclose(gradients[0], _summed_to(dx, x.shape), rtol=0, atol=1e-8)


def _summed_to(value, shape):
    """The adjoint of broadcasting."""
    value = value.sum(axis=tuple(range(value.ndim - len(shape))))
    ones = tuple(k for k, n in enumerate(shape) if n == 1 and value.shape[k] != 1)
    return value.sum(axis=ones, keepdims=True)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("place", "shape", "words"),
    [
        (0, (2, 4), r"'x' with shape \[..., 3\].*Received.*\(2, 4\)"),
        (0, (), r"'x' with shape \[..., 3\]"),
        (1, (3, 4), r"'W' with shape \[..., 4, 3\]"),
        (2, (5, 4), r"broadcast.*'b' with batch dimensions \(5,\), after \(2,\)"),
    ],
)
def test_a_wrong_shape_names_the_parameter(place, shape, words, graph):
    layer, values = BY_NAME["relu"].layer(), BY_NAME["relu"].values(2)
    values[place] = np.ones(shape)
    call = tf.function(layer) if graph else layer
    with pytest.raises(ParameterError, match=words):
        call(*values)
