"""Each ready-made layer is the function that its page says, and trains and saves."""

import json
import pathlib
import re

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import oracles
from tests.calls import assert_identical
from tf_cvxlayers import Status, layers
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.errors import ParameterError, ProblemError

pytestmark = pytest.mark.usefixtures("steady")

N = 5
# One of each, by the name of its test, for inputs of size N.
EACH = {
    "DenseReLU": lambda **k: layers.DenseReLU(3, **k),
    "VariationalReLU": layers.VariationalReLU,
    "VariationalSigmoid": layers.VariationalSigmoid,
    "VariationalSoftmax": layers.VariationalSoftmax,
    "Sparsemax": layers.Sparsemax,
    "ConstrainedSoftmax": lambda **k: layers.ConstrainedSoftmax(0.4, **k),
    "ConstrainedSparsemax": lambda **k: layers.ConstrainedSparsemax([0.4] * N, **k),
    "LimitedMultiLabel": lambda **k: layers.LimitedMultiLabel(2, **k),
    "QuadraticProgram": lambda **k: layers.QuadraticProgram(N, 2, 3, **k),
    "QuadraticProgram, dense": lambda **k: layers.QuadraticProgram(
        4, 2, nonneg=True, L=None, eps=0.1, dense=True, **k
    ),
    "PolytopeProjection": lambda **k: layers.PolytopeProjection(6, **k),
    "EllipsoidProjection": layers.EllipsoidProjection,
    "PiecewiseLinear": lambda **k: layers.PiecewiseLinear(4, **k),
    "MaxAffine": lambda **k: layers.MaxAffine(4, **k),
    "TotalVariation": layers.TotalVariation,
}
every_layer = pytest.mark.parametrize("name", EACH)
# One for each way in which a layer is fed.
some_layers = pytest.mark.parametrize(
    "name",
    [
        "QuadraticProgram",
        pytest.param("VariationalSoftmax", marks=pytest.mark.slow),
        pytest.param("DenseReLU", marks=pytest.mark.slow),
        pytest.param("TotalVariation", marks=pytest.mark.slow),
    ],
)


def _inputs(*batch):
    return np.random.default_rng(0).normal(size=(*batch, N))


def _inputs_for(name, *batch):
    return _inputs(*batch)[..., : 1 if name == "PiecewiseLinear" else N]


def _weights(layer):
    return {weight.name: weight.numpy() for weight in layer.weights}


def _value_and_gradient(layer, x):
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = layer(x)
    return y.numpy(), tape.batch_jacobian(y, x, experimental_use_pfor=False).numpy()


CLOSED_FORMS = {
    "VariationalReLU": lambda x: np.maximum(x, 0.0),
    "VariationalSigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "VariationalSoftmax": oracles.softmax,
    "Sparsemax": lambda x: np.stack([oracles.onto_simplex(row) for row in x]),
    "ConstrainedSoftmax": lambda x: oracles.capped_softmax(x, 0.4),
    "ConstrainedSparsemax": lambda x: oracles.capped_simplex(x, 0.4),
    "LimitedMultiLabel": lambda x: oracles.limited_multi_label(x, 2),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_values_are_those_of_the_closed_form(name):
    x = 2.0 * _inputs(6)
    y = EACH[name](dtype="float64")(x)
    np.testing.assert_allclose(y, CLOSED_FORMS[name](x), atol=1e-9)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_gradients_are_those_of_the_closed_form(name):
    x, step = _inputs(3), 1e-6
    _, jacobian = _value_and_gradient(EACH[name](dtype="float64"), x)
    function = CLOSED_FORMS[name]
    for j, direction in enumerate(np.eye(N)):
        ahead, behind = function(x + step * direction), function(x - step * direction)
        difference = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, j], difference, atol=1e-7)


def test_the_relu_layer_is_the_dense_layer_of_keras():
    x = _inputs(4)
    layer = layers.DenseReLU(3, b="ones", dtype="float64")
    dense = keras.layers.Dense(3, "relu", dtype="float64")
    dense.build(x.shape)
    y = layer(x)
    dense.set_weights([layer.W.numpy().T, layer.b.numpy()])
    np.testing.assert_allclose(y, dense(x), atol=1e-10)


def test_the_polytope_layer_projects_onto_the_polytope():
    x = 3.0 * _inputs(4)
    layer = layers.PolytopeProjection(6, s0="zeros", dtype="float64")
    y = layer(x).numpy()
    w = _weights(layer)
    h = w["G"] @ w["z0"] + w["s0"]
    variable, point = cp.Variable(N), cp.Parameter(N)
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(variable - point)), [w["G"] @ variable <= h]
    )
    for row, found in zip(x, y, strict=True):
        point.value = row
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12)
        np.testing.assert_allclose(found, variable.value, atol=1e-6)
        assert np.all(w["G"] @ found <= h + 1e-9)


def test_the_ellipsoid_layer_projects_onto_the_ellipsoid():
    rng = np.random.default_rng(1)
    A, z = rng.normal(size=(N, N)) + 2.0 * np.eye(N), rng.normal(size=N)
    x = np.concatenate([5.0 * _inputs(4), [z]])
    y = layers.EllipsoidProjection(A=A, z=z, dtype="float64")(x).numpy()
    for row, found in zip(x, y, strict=True):
        # Inside nothing moves; outside x - y is normal to the surface that y is on.
        away, missing = A @ (found - z), row - found
        if np.linalg.norm(missing) < 1e-9:
            assert 0.5 * away @ away <= 1.0 + 1e-9
            continue
        np.testing.assert_allclose(0.5 * away @ away, 1.0, atol=1e-9)
        normal = A.T @ away
        multiplier = missing @ normal / (normal @ normal)
        assert multiplier > 0
        np.testing.assert_allclose(missing, multiplier * normal, atol=1e-8)


def test_the_piecewise_layers_are_what_their_pages_say():
    rng = np.random.default_rng(2)
    a, b, w = rng.normal(size=(3, 4))
    x = np.linspace(-3.0, 3.0, 41)[:, None]
    layer = layers.PiecewiseLinear(4, a=a, b=b, w=w, dtype="float64")
    expected = np.maximum(x * a + b, 0.0) @ w
    np.testing.assert_allclose(layer(x)[:, 0], expected, atol=1e-9)

    slopes = rng.normal(size=(3, N))
    points = rng.normal(size=(20, N))
    y, jacobian = _value_and_gradient(
        layers.MaxAffine(3, a=slopes, dtype="float64"), points
    )
    values = points @ slopes.T
    np.testing.assert_allclose(y[:, 0], values.max(axis=1), atol=1e-9)
    np.testing.assert_allclose(jacobian[:, 0], slopes[values.argmax(axis=1)], atol=1e-9)


def test_total_variation_minimizes_its_primal_objective():
    x = np.cumsum(_inputs(3), axis=1)
    y = layers.TotalVariation(weight=0.3, dtype="float64")(x).numpy()
    variable, signal = cp.Variable(N), cp.Parameter(N)
    objective = 0.5 * cp.sum_squares(variable - signal) + 0.3 * cp.tv(variable)
    problem = cp.Problem(cp.Minimize(objective))
    for row, found in zip(x, y, strict=True):
        signal.value = row
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12)
        np.testing.assert_allclose(found, variable.value, atol=1e-6)


def test_the_quadratic_program_is_optimal_and_feasible():
    x = _inputs(4)
    layer = EACH["QuadraticProgram"](dtype="float64", L="random_normal", s0="zeros")
    layer.build(x.shape)
    z = cp.Variable(N)
    w = _weights(layer)
    L = np.tril(w["L"])
    Q = L @ L.T + layer.eps * np.eye(N)
    h = w["G"] @ w["z0"] + w["s0"]
    for row, found in zip(x, layer(x).numpy(), strict=True):
        constraints = [w["A"] @ z == w["A"] @ w["z0"], w["G"] @ z <= h]
        objective = 0.5 * cp.quad_form(z, cp.psd_wrap(Q)) + row @ z
        cp.Problem(cp.Minimize(objective), constraints).solve(
            solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12
        )
        np.testing.assert_allclose(found, z.value, rtol=1e-5, atol=1e-5)


def test_a_program_that_mnist_made_hard_is_solved():
    # From the ninth epoch of keras_examples/mnist_optnet.py: the constraints that hold
    # with equality are nearly as many as the variables, and leave little of P.
    with np.load(
        pathlib.Path(__file__).parents[1] / "data/optnet_mnist.npz"
    ) as archive:
        data = {key: archive[key].astype(float) for key in archive.files}
    q = data.pop("q")
    layer = layers.QuadraticProgram(10, inequalities=50, dtype="float64", **data)
    z = cp.Variable(10)
    L = np.tril(data["L"])
    objective = 0.5 * cp.quad_form(z, cp.psd_wrap(L @ L.T + 1e-4 * np.eye(10)))
    h = data["G"] @ data["z0"] + data["s0"]
    problem = cp.Problem(cp.Minimize(objective + q[0] @ z), [data["G"] @ z <= h])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12)
    result = layer.solve(q)
    np.testing.assert_allclose(result.variables[0], z.value, atol=1e-7)
    # As many as Clarabel. Steps that rounding decides would be made up to the limit.
    assert result.iterations[0] <= 13


def test_the_weights_of_a_quadratic_program_are_those_of_its_parts():
    def names(*arguments, **options):
        layer = layers.QuadraticProgram(4, *arguments, **options)
        layer.build((None, 3 if options.get("dense") else 4))
        return [weight.name for weight in layer.weights]

    assert names() == ["L"]
    assert names(2) == ["L", "A", "z0"]
    assert names(2, 3) == ["L", "A", "G", "s0", "z0"]
    assert names(0, 3, L=None) == ["G", "s0", "z0"]
    assert names(2, dense=True) == ["W", "c", "L", "A", "z0"]


@every_layer
@pytest.mark.slow
def test_gradients_agree_with_differences(name):
    layer = EACH[name](dtype="float64")
    assert layer.check_gradients(_inputs_for(name, 3)).max_relative_error < 1e-5


@every_layer
def test_leading_axes_are_batch_axes(name):
    layer = EACH[name](dtype="float64")
    x = _inputs_for(name, 2, 3)
    y = layer(x)
    assert tuple(y.shape) == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(layer(x[0, 1]), y[0, 1], atol=1e-12)
    assert tuple(layer(x[:, :0]).shape) == (2, 0, y.shape[-1])
    result = layer.solve(x)
    assert np.all(result.status == Status.SOLVED)
    np.testing.assert_array_equal(result.variables, y)


def test_a_layer_can_be_asked_before_it_is_called():
    # `self.cvxpy_layer` does not exist before it is built.
    assert layers.Sparsemax().solve(_inputs(2)).variables.shape == (2, N)
    assert layers.Sparsemax().check_gradients(_inputs(2)).max_relative_error < 1e-5


@every_layer
def test_a_config_is_json_and_rebuilds_the_layer(name):
    layer = EACH[name](name="mine", on_failure="nan", engine=Diffcp(tolerance=1e-8))
    x = _inputs_for(name, 2)
    layer.build(x.shape)
    config = json.loads(json.dumps(layer.get_config()))
    rebuilt = type(layer).from_config(config)
    assert rebuilt.get_config() == layer.get_config()
    rebuilt.build(x.shape)
    assert rebuilt.describe() == layer.describe()


@some_layers
def test_a_model_trains_and_is_saved(name, tmp_path):
    model = keras.Sequential([keras.Input((N,)), keras.layers.Dense(N), EACH[name]()])
    model.compile("sgd", "mse")
    x = _inputs(32).astype("float32")
    targets = np.zeros((32, model.output_shape[-1]), "float32")
    before = model.get_weights()
    history = model.fit(x, targets, epochs=2, batch_size=8, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any(
        not np.array_equal(old, new)
        for old, new in zip(before, model.get_weights(), strict=True)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_identical(loaded(x), model(x))
    assert_identical(keras.models.clone_model(model).output_shape, model.output_shape)


def test_weights_keep_what_they_must_be():
    layer = layers.QuadraticProgram(N, 0, 3, s0=np.zeros(3))
    model = keras.Sequential([keras.Input((N,)), layer])
    model.compile(keras.optimizers.SGD(5.0), "mse")
    model.fit(_inputs(16), 10.0 * np.ones((16, N)), epochs=3, verbose=0)
    assert np.all(layer.s0.numpy() >= 0.0)
    fixed = layers.PolytopeProjection(
        4, z0={"initializer": "ones", "trainable": False}, s0=0.5 * np.ones(4)
    )
    fixed.build((None, N))
    assert [weight.name for weight in fixed.trainable_weights] == ["G", "s0"]


def test_a_layer_in_half_precision_solves_in_double():
    layer = layers.QuadraticProgram(N, 2, 0, dtype="mixed_float16")
    x = _inputs(3).astype("float16")
    assert layer(x).dtype == tf.float16
    assert layer.A.dtype == "float32"
    z = layer.solve(x.astype("float64")).variables
    assert np.all(np.isfinite(z))


WRONG = {
    "size": (lambda: layers.QuadraticProgram(3).build((None, 5)), "3 entries"),
    "eps": (lambda: layers.QuadraticProgram(3, eps=0.0), "eps=0.0"),
    "rank": (lambda: layers.Sparsemax().build(()), "input_shape=()"),
    "unknown": (lambda: layers.Sparsemax().build((3, None)), "known n"),
    "k": (lambda: layers.LimitedMultiLabel(5).build((None, 5)), "k=5"),
    "bound": (lambda: layers.ConstrainedSoftmax(0.1).build((None, 5)), "sum to 0.5"),
    "bounds": (
        lambda: layers.ConstrainedSparsemax([0.5, 0.5]).build((None, 5)),
        "5 entries",
    ),
    "negative": (lambda: layers.ConstrainedSparsemax(-1.0), "upper_bound=-1.0"),
    "variables": (lambda: layers.PiecewiseLinear(3).build((None, 2)), "n=2"),
    "signal": (lambda: layers.TotalVariation().build((None, 1)), "n=1"),
    "described": (lambda: layers.Sparsemax().describe(), "not built"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    attempt, words = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(words)):
        attempt()


def test_errors_of_weights_name_the_weight():
    with pytest.raises(ParameterError, match="'W' to have shape"):
        layers.DenseReLU(3, W=np.zeros((2, 2))).build((None, 5))
    with pytest.raises(ProblemError, match="learned\\['b'\\] to name an initializer"):
        layers.DenseReLU(3, b="nonsense")
