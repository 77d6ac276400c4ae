"""The forms of a call are one call, and what comes back has its shape and place."""

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_all_close, assert_identical
from tests.problems import BY_NAME, every_case
from tf_cvxlayers import CvxpyLayer, SolveResult, Status
from tf_cvxlayers.errors import ParameterError
from tf_cvxlayers.layers import Sparsemax

pytestmark = pytest.mark.usefixtures("steady")


def _forms(layer, values):
    names = [spec.name for spec in layer.fed]
    backwards = dict(reversed(list(zip(names, values, strict=True))))
    return [list(values), tuple(values), backwards]


@every_case
def test_arguments_lists_tuples_and_dicts_are_the_same_call(case):
    layer, values = case.layer(), [tf.constant(value) for value in case.values(2)]
    expected = layer(*values)
    for form in _forms(layer, values):
        assert_identical(layer(form), expected)
        assert_identical(layer.solve(form).variables, expected)


@every_case
def test_outputs_have_the_shapes_of_their_variables_in_their_order(case):
    shapes = [variable.shape for variable in case.state().variables]
    outputs = case.layer()(*case.values(2))
    assert isinstance(outputs, tuple)
    assert [tuple(output.shape) for output in outputs] == [(2, *s) for s in shapes]


@every_case
def test_output_shapes_are_known_before_the_call(case):
    layer, values = case.layer(), case.values(2)
    shapes = [value.shape for value in values]
    expected = [output.shape for output in layer(*values)]
    found = layer.compute_output_shape(*shapes)
    assert [tuple(shape) for shape in found] == [tuple(shape) for shape in expected]
    if len(shapes) > 1:
        assert layer.compute_output_shape(shapes) == found


@pytest.mark.parametrize("form", ["list", "dict"])
def test_a_functional_model_takes_its_inputs_in_one_structure(form):
    layer, values = BY_NAME["relu"].layer(), BY_NAME["relu"].values(3)
    names = [spec.name for spec in layer.fed]
    inputs = {
        name: keras.Input(value.shape[1:], dtype="float64", name=name)
        for name, value in zip(names, values, strict=True)
    }
    structure = inputs if form == "dict" else list(inputs.values())
    model = keras.Model(inputs, layer(structure))
    # As a data set, since Keras would cast arrays to single precision.
    data = tf.data.Dataset.from_tensors((dict(zip(names, values, strict=True)),))
    assert_all_close(model.predict(data, verbose=0), layer(*values)[0].numpy())


def test_one_object_gives_one_tensor_and_a_list_a_tuple():
    statement = BY_NAME["softmax"].state()
    (x,) = BY_NAME["softmax"].values(2)
    problem, (y,) = statement.problem, statement.variables
    single = CvxpyLayer(problem, statement.parameters[0], y, dtype="float64")
    listed = CvxpyLayer(problem, statement.parameters, [y], dtype="float64")
    assert isinstance(single(x), tf.Tensor)
    (output,) = listed(x)
    assert_identical(single(x), output)
    assert isinstance(single.solve(x).variables, tf.Tensor)


def test_variables_are_returned_in_the_order_asked_for():
    statement = BY_NAME["optnet"].state()
    values = BY_NAME["optnet"].values(2)
    backwards = CvxpyLayer(
        statement.problem,
        statement.parameters,
        statement.variables[::-1],
        dtype="float64",
    )
    expected = BY_NAME["optnet"].layer()(*values)
    np.testing.assert_allclose(backwards(*values)[2], expected[0], atol=1e-12)
    np.testing.assert_allclose(backwards(*values)[0], expected[2], atol=1e-12)


def test_parameters_are_fed_in_the_order_given():
    statement = BY_NAME["optnet"].state()
    values = BY_NAME["optnet"].values(2)
    backwards = CvxpyLayer(
        statement.problem,
        statement.parameters[::-1],
        statement.variables,
        dtype="float64",
    )
    expected = BY_NAME["optnet"].layer()(*values)
    np.testing.assert_allclose(backwards(*values[::-1])[0], expected[0], atol=1e-12)


def test_numpy_arrays_variables_integers_and_lists_are_values():
    layer = BY_NAME["shapes"].layer()
    values = [2.0, [1.0], [[1.0, 2.0, 3.0]], [[1.0], [2.0]]]
    expected = layer([np.asarray(value) for value in values])
    integers = [np.asarray(value, np.int64) for value in values]
    variables = [tf.Variable(value, dtype=tf.float64) for value in values]
    weights = [keras.Variable(value, dtype="float64") for value in values]
    for form in (integers, variables, weights):
        assert_identical(layer(*form), expected)
    assert_identical(layer.solve(*values).variables, expected)


def test_solve_returns_one_status_for_each_batch_element():
    result = BY_NAME["relu"].layer().solve(*BY_NAME["relu"].values(2, 3))
    assert isinstance(result, SolveResult)
    assert SolveResult._fields[-1] == "margin"
    for field in SolveResult._fields[1:]:
        assert getattr(result, field).shape == (2, 3)
    assert result.status.dtype == tf.int32
    assert int(result.status[1, 2]) == int(Status.SOLVED)
    assert result.iterations.numpy().min() >= 0


@pytest.mark.parametrize("form", [list, tuple])
def test_a_wrong_number_of_values_names_the_parameters(form):
    layer, values = BY_NAME["relu"].layer(), BY_NAME["relu"].values(2)
    with pytest.raises(ParameterError, match=r"'x', 'W', 'b'.*Received: 2"):
        layer(form(values[:2]))
    with pytest.raises(ParameterError, match=r"Received: \['W', 'x'\]"):
        layer({"W": values[1], "x": values[0]})


def test_the_scalar_of_a_dense_layer_is_refused_beside_a_batch():
    n = 4
    x, q = cp.Variable(n), cp.Parameter(n, name="q")
    g = cp.Parameter(nonneg=True, name="gamma")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - q) + g * cp.norm1(x)))
    layer = CvxpyLayer(problem, [q, g], x)
    inputs = keras.Input((3,))
    one = keras.layers.Dense(1, activation="softplus")(inputs)
    values = keras.layers.Dense(n)(inputs)
    with pytest.raises(ParameterError, match=r"'gamma'.*Reshape"):
        layer([values, one])
    with pytest.raises(ParameterError, match=r"'gamma'.*Reshape"):
        layer.solve(np.ones((5, n)), np.ones((5, 1)))
    assert layer([values, keras.layers.Reshape(())(one)]).shape == (None, n)


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8", "complex128"])
def test_a_dtype_without_fractions_is_refused(dtype):
    x, p = cp.Variable(2), cp.Parameter(2, name="p")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
    with pytest.raises(ValueError, match=rf"floating-point.*{dtype}"):
        CvxpyLayer(problem, p, x, dtype=dtype)
    with pytest.raises(ValueError, match=rf"floating-point.*{dtype}"):
        Sparsemax(dtype=dtype)


def test_describe_says_what_the_layer_is():
    statement = BY_NAME["relu"].state()
    x, W, b = statement.parameters
    layer = CvxpyLayer(
        statement.problem,
        x,
        statement.variables[0],
        learned={W: "glorot_uniform"},
        fixed={b: np.zeros(4)},
        name="my_layer",
    )
    text = layer.describe()
    for words in ("my_layer", "fed: x (3,)", "learned: W (4, 3)", "fixed: b (4,)"):
        assert words in text
    for words in ("4 inequalities (4 bounds)", "reduc", "Compiled", "chosen"):
        assert words in text


@pytest.mark.parametrize("kind", [list, tuple])
def test_parameters_may_be_a_list_or_a_tuple(kind):
    a, b, x = cp.Parameter(2, name="a"), cp.Parameter(2, name="b"), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a) + cp.sum_squares(x - b)))
    layer = CvxpyLayer(problem, kind([a, b]), kind([x]))
    (found,) = layer(np.ones(2), np.zeros(2))
    assert_identical(found, np.full(2, 0.5))
