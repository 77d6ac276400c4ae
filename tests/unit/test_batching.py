"""Shapes at the border: what is batch, what is parameter, and back."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.errors import ParameterError
from tf_cvxlayers.pipeline.batching import batch_shape, common_batch_shape, flattened
from tf_cvxlayers.program.cone_program import ParameterSpec

SCALAR, VECTOR, MATRIX = (
    ParameterSpec(name, shape)
    for name, shape in (("s", ()), ("v", (3,)), ("M", (2, 3)))
)


@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3), (0,), (None,), (None, 2)])
@pytest.mark.parametrize("spec", [SCALAR, VECTOR, MATRIX], ids=lambda spec: spec.name)
def test_leading_dimensions_are_the_batch(spec, batch):
    found = batch_shape(spec, tf.TensorShape([*batch, *spec.shape]))
    assert found.as_list() == list(batch)


@pytest.mark.parametrize("shape", [(), (2,), (4, 2), (3, 1)])
def test_a_shape_that_does_not_end_in_that_of_the_parameter_is_refused(shape):
    with pytest.raises(ParameterError, match=r"'v'.*\[\.\.\., 3\]"):
        batch_shape(VECTOR, tf.TensorShape(shape))


def test_an_unknown_rank_is_refused():
    with pytest.raises(ParameterError, match="'v'"):
        batch_shape(VECTOR, tf.TensorShape(None))


def test_batch_dimensions_broadcast_or_are_refused():
    shapes = [tf.TensorShape([5, 1]), tf.TensorShape([4, 3])]
    assert common_batch_shape([SCALAR, VECTOR], shapes).as_list() == [5, 4]
    with pytest.raises(ParameterError, match="'v' with batch dimensions"):
        common_batch_shape(
            [SCALAR, VECTOR], [tf.TensorShape([5]), tf.TensorShape([4, 3])]
        )


@pytest.mark.parametrize(
    ("scalar", "vector"),
    [
        ((4, 1), (4, 3)),
        ((None, 1), (None, 3)),
        ((2, 4, 1), (2, 4, 3)),
        ((1, 1), (1, 3)),
    ],
)
def test_a_scalar_with_an_axis_too_many_is_refused(scalar, vector):
    shapes = [tf.TensorShape(shape) for shape in (scalar, vector, (2, 3))]
    with pytest.raises(ParameterError, match=r"'s'.*Reshape\(\(\)\).*Parameter\(1\)"):
        common_batch_shape([SCALAR, VECTOR, MATRIX], shapes)


@pytest.mark.parametrize(
    ("shapes", "batch"),
    [
        ([(4, 1), (3,), (2, 3)], [4, 1]),
        ([(4, 1), (4, 1, 3), (2, 3)], [4, 1]),
        ([(4, 1), (5, 3), (2, 3)], [4, 5]),
        ([(4, 1), (2, 1, 5, 3), (5, 2, 3)], [2, 4, 5]),
    ],
)
def test_a_scalar_may_have_axes_that_others_have_or_lack(shapes, batch):
    shapes = [tf.TensorShape(shape) for shape in shapes]
    common = common_batch_shape([SCALAR, VECTOR, MATRIX], shapes)
    assert common.as_list() == batch


@pytest.mark.parametrize(
    ("shapes", "flat", "batch"),
    [
        ([(), (3,), (2, 3)], [1, 1, 1], ()),
        ([(4,), (3,), (4, 2, 3)], [4, 1, 4], (4,)),
        ([(4, 1), (5, 3), (1, 2, 3)], [20, 20, 1], (4, 5)),
        ([(0,), (1, 3), (2, 3)], [0, 1, 1], (0,)),
        ([(1, 1), (3,), (2, 3)], [1, 1, 1], (1, 1)),
    ],
)
def test_values_become_rows_or_stay_shared(shapes, flat, batch):
    rng = np.random.default_rng(0)
    specs = [SCALAR, VECTOR, MATRIX]
    values = [rng.normal(size=shape) for shape in shapes]
    found, shape = flattened(specs, [tf.constant(value) for value in values])
    assert [value.shape[0] for value in found] == flat
    assert shape.static.as_list() == list(batch)
    for spec, value, rows in zip(specs, values, found, strict=True):
        full = np.broadcast_to(value, (*batch, *spec.shape))
        if rows.shape[0] == 1:
            np.testing.assert_array_equal(rows, value.reshape(1, spec.size))
        else:
            np.testing.assert_array_equal(rows, full.reshape(-1, spec.size))
            np.testing.assert_array_equal(
                shape.restored(tf.reshape(rows, [-1, *spec.shape])), full
            )
