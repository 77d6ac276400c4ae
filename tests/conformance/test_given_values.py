"""What is no array of real numbers is refused by the name of its parameter, and what is
one is taken: in the same words by all the ways into a layer."""

import datetime
import decimal
import fractions

import cvxpy as cp
import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import tf_cvxlayers
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.errors import ParameterError, SolverError
from tf_cvxlayers.layers import Sparsemax, VariationalReLU

P, U = np.array([0.2, -1.0, 3.0]), 1.0


@pytest.fixture(scope="module")
def box():
    """The projection of p onto `|x| <= u`."""
    p, u = cp.Parameter(3, name="p"), cp.Parameter(name="u", nonneg=True)
    x = cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x <= u, x >= -u])
    return CvxpyLayer(problem, [p, u], x, dtype="float64")


WAYS = {
    "call": lambda layer, p, u: layer(p, u),
    "list": lambda layer, p, u: layer([p, u]),
    "tuple": lambda layer, p, u: layer((p, u)),
    "dict": lambda layer, p, u: layer({"u": u, "p": p}),
    "solve": lambda layer, p, u: layer.solve(p, u).variables,
    "solve dict": lambda layer, p, u: layer.solve({"u": u, "p": p}).variables,
    "gradients": lambda layer, p, u: layer.check_gradients(p, u, directions=1),
    "gradients list": lambda layer, p, u: layer.check_gradients([p, u], directions=1),
}

REFUSED = {
    "nothing": (lambda: None, "a value of type NoneType"),
    "an object": (object, "a value of type object"),
    "a set": (lambda: {1, 2, 3}, "a value of type set"),
    "a generator": (lambda: (k for k in range(3)), "a value of type generator"),
    "a dict": (lambda: {"a": 1}, "a value of type dict"),
    "a word": (lambda: "abc", "dtype <U3, in a str"),
    "words": (lambda: ["1", "2", "3"], "dtype <U1, in a list"),
    "an array of words": (lambda: np.full(3, "1.0"), "dtype <U3"),
    "objects": (lambda: np.array([1.0, None, 2.0]), "an entry of type NoneType"),
    "words among objects": (lambda: np.array(["1", 2, 3], object), "of type str"),
    "dates": (lambda: np.full(3, np.datetime64("2020")), r"dtype datetime64\[Y\]"),
    "days": (lambda: [datetime.date(2020, 1, 1)] * 3, "an entry of type date"),
    "spans": (lambda: np.full(3, np.timedelta64(1, "s")), "dtype timedelta64"),
    "complex": (lambda: np.ones(3, complex), "dtype complex128"),
    "a complex list": (lambda: [1.0, 2.0, 1j], "dtype complex128, in a list"),
    "a complex tensor": (lambda: tf.constant([1j, 1, 1]), "tensor of dtype complex128"),
    "tensor of words": (lambda: tf.constant(["a", "b", "c"]), "of dtype string"),
    "uneven": (lambda: [[1.0, 2.0], [3.0]], "a value of type list"),
    "ragged": (lambda: tf.ragged.constant([[1.0], [2.0, 3.0]]), "RaggedTensor"),
    "sparse": (lambda: tf.sparse.from_dense(np.ones(3)), "SparseTensor"),
    "masked": (lambda: np.ma.array(P, mask=[0, 1, 0]), "masked entries"),
    "records": (lambda: np.zeros(3, [("a", float)]), r"an array of dtype \["),
    "too short": (lambda: np.ones(2), r"shape \[..., 3\].*shape \(2,\)"),
    "no axis": (lambda: 1.0, r"shape \[..., 3\].*shape \(\)"),
    "no entries": (lambda: [], r"shape \[..., 3\].*shape \(0,\)"),
}

TAKEN = {
    "list": lambda: [0.2, -1, 3],
    "tuple": lambda: (0.2, -1, 3),
    "integers beside floats": lambda: [decimal.Decimal("0.2"), -1, 3.0],
    "fractions": lambda: [fractions.Fraction(1, 5), -1, 3],
    "decimals": lambda: [decimal.Decimal(word) for word in ("0.2", "-1", "3")],
    "objects": lambda: np.array([0.2, -1, 3.0], object),
    "longdouble": lambda: P.astype(np.longdouble),
    "no mask": lambda: np.ma.array(P, mask=[0, 0, 0]),
    "memory": lambda: memoryview(P),
    "array interface": lambda: type("A", (), {"__array__": lambda *_a, **_k: P})(),
    "tensors in a list": lambda: [tf.constant(0.2, tf.float64), -1, 3.0],
    "variable": lambda: keras.Variable(P, dtype="float64"),
    "not contiguous": lambda: np.stack([P, P], 1)[:, 0],
    "read only": lambda: np.broadcast_to(P, (3,)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_array_of_numbers_is_refused_by_name(box, way, name):
    make, received = REFUSED[name]
    with pytest.raises(ParameterError, match=f"(?s)'p'.*{received}"):
        WAYS[way](box, make(), U)


@pytest.mark.parametrize("name", REFUSED)
def test_a_scalar_is_refused_by_its_own_name(box, name):
    if name in ("too short", "no axis", "no entries"):
        return  # batches of a scalar
    with pytest.raises(ParameterError, match="'u'"):
        box(P, REFUSED[name][0]())


@pytest.mark.parametrize("name", TAKEN)
def test_what_numpy_makes_real_numbers_of_is_taken(box, name):
    for way in ("call", "list", "dict", "solve"):
        found = WAYS[way](box, TAKEN[name](), 1)
        np.testing.assert_allclose(found, [0.2, -1.0, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int64", "bool", "float16", "float32", "bfloat16"]
)
def test_arrays_of_every_real_dtype_are_taken(box, dtype):
    p = np.array([0, 1, 3], ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    np.testing.assert_allclose(box(p, U), [0.0, 1.0, 1.0], atol=1e-12)


def test_what_a_call_refuses_check_gradients_refuses(box):
    nan = np.array([1.0, np.nan, 0.0])
    for way in ("call", "gradients"):
        with pytest.raises(ParameterError, match="'p' to be finite"):
            WAYS[way](box, nan, U)
        with pytest.raises(ParameterError, match="'u' to be nonnegative"):
            WAYS[way](box, P, -1.0)


def test_gradients_of_nothing_that_has_a_solution_are_an_error():
    x, y = cp.Parameter(name="x"), cp.Variable()
    layer = CvxpyLayer(cp.Problem(cp.Minimize(y), [y >= x, y <= 0]), x, y)
    with pytest.raises(SolverError, match="element 1: PRIMAL_INFEASIBLE"):
        layer.check_gradients([1.0, 2.0])


@pytest.mark.parametrize(
    "given",
    [{"p": P}, {"p": P, "u": U, "v": U}, {0: P, "u": U}, {None: P, 1: U}, {}],
)
def test_other_names_are_refused(box, given):
    for way in (box, box.solve, box.check_gradients):
        with pytest.raises(ParameterError, match=r"\['p', 'u'\], by name. Received"):
            way(given)


def test_parameters_are_no_keywords(box):
    with pytest.raises(ParameterError, match=r"in one dict.*keywords \['p', 'u'\]"):
        box(p=P, u=U)
    with pytest.raises(ParameterError, match=r"the keywords \['P'\]"):
        box(P, U, P=P)
    assert box(P, U, training=True).shape == (3,)


def test_a_list_of_numbers_is_the_value_of_a_single_parameter():
    x, y = cp.Parameter(3, name="x"), cp.Variable(3)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0]), x, y)
    for given in ([1.0, -2, 3.0], (1, -2, 3), [np.float64(1), -2.0, 3]):
        assert layer(given).shape == (3,)
        np.testing.assert_allclose(layer.solve(given).variables, [1, 0, 3], atol=1e-7)
    assert layer([[1.0, -2, 3.0]]).shape == (1, 3)
    assert layer([np.array([1.0, -2, 3.0])]).shape == (3,)
    assert layer([tf.constant([[1.0, -2, 3.0]])]).shape == (1, 3)
    with pytest.raises(ParameterError, match=r"1 value, .*'x'.*Received: 2"):
        layer([np.ones(3), np.ones(3)])


@pytest.mark.parametrize("name", REFUSED)
def test_a_ready_made_layer_refuses_the_same_things(name):
    if name in ("too short", "no axis", "no entries"):
        return  # a layer takes any size, of inputs with an axis
    layer = Sparsemax(name="sparse")
    for way in (layer, layer.solve, layer.check_gradients):
        with pytest.raises(ParameterError, match=REFUSED[name][1]) as raised:
            way(REFUSED[name][0]())
        assert "the inputs of layer 'sparse'" in str(raised.value)


def test_a_ready_made_layer_takes_lists():
    np.testing.assert_allclose(VariationalReLU()([[-1, 2.0]]), [[0, 2]], atol=1e-6)


WRONG = {
    "shape": (np.ones((4, 2), np.float32), r"shape \[..., 3\]"),
    "nan": (np.full((4, 3), np.nan, np.float32), "'p' to be finite"),
    "complex": (np.ones((4, 3), np.complex64), "real numbers"),
    "words": (np.full((4, 3), "a"), "real numbers"),
    "sparse": (tf.sparse.from_dense(np.ones((4, 3), np.float32)), "SparseTensor"),
    "ragged": (tf.ragged.constant([[1.0], [2.0, 3.0], [], [4.0]]), "RaggedTensor"),
}


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("name", WRONG)
def test_fit_gives_the_words_of_a_call(name):
    p, x = cp.Parameter(3, name="p"), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x >= 0])
    given, words = WRONG[name]

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = CvxpyLayer(problem, p, x)

        def call(self, inputs):
            return self.layer(inputs)

    with pytest.raises(ParameterError, match=words) as alone:
        Model().layer(given)
    model = Model()
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((given, np.ones((4, 3), np.float32)))
    with (
        pytest.raises(ParameterError, match=words) as raised,
        tf_cvxlayers.clear_errors(),
    ):
        model.fit(data, shuffle=False, verbose=0)
    assert str(alone.value).split("Received")[0] in str(raised.value)


def test_a_functional_model_names_what_it_does_not_take(box):
    inputs = keras.Input((3,))
    with pytest.raises(ParameterError, match=r"'u'.*Reshape\(\(\)\)"):
        box(inputs, keras.layers.Dense(1)(inputs))
    with pytest.raises(ParameterError, match=r"'p'.*real numbers.*dtype string"):
        box(keras.Input((3,), dtype="string"), U)
    model = keras.Model(sparse := keras.Input((3,), sparse=True), box(sparse, U))
    with pytest.raises(ParameterError, match=r"'p'.*SparseTensor"):
        model(tf.sparse.from_dense(P[None]))


def test_a_symbol_that_keras_calls_sparse_is_taken(box):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, box(2.0 * inputs, U))
    np.testing.assert_allclose(model(P[None]), [[0.4, -1.0, 1.0]], atol=1e-6)
