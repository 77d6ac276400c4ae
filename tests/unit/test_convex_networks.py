"""Convex networks are optimal, and the Keras networks made of them the same."""

import keras
import numpy as np
import pytest

from tf_cvxlayers.convex_networks import ConvexReLUNetwork, activation_patterns


def _sine(rows=10):
    x = np.linspace(-1.0, 1.0, rows)
    return np.stack([x, np.ones(rows)], axis=1), np.sin(10.0 * x)


def _objective(model, X, Y, loss, regularization=1e-3):
    """The regularised objective of a Keras network."""
    # Not `predict`, which rounds its inputs to Keras's precision.
    outputs = model(X).numpy().reshape(np.shape(Y))
    losses = (outputs - Y) ** 2 if loss == "squared" else np.maximum(1 - Y * outputs, 0)
    squares = sum(np.sum(kernel**2) for kernel in model.get_weights())
    return losses.sum() / len(X) + 0.5 * regularization * squares


def test_the_published_instance_has_its_objective():
    # Of an independent solver, for the ten points of a sine and all patterns.
    X, y = _sine()
    network = ConvexReLUNetwork(1e-3).fit(X, y[:, None])
    assert network.patterns_.shape == (20, 10)
    assert network.objective_ == pytest.approx(0.0861000, abs=5e-8)
    norms = np.linalg.norm(network.neurons_, axis=-1).sum()
    assert norms == pytest.approx(81.8767, abs=1e-4)


@pytest.mark.parametrize(
    ("loss", "objective"), [("squared", 0.001097869), ("hinge", 0.000679053)]
)
def test_the_classification_of_the_notebook_has_its_objective(loss, objective):
    # Of an independent solver; the hinge loss is zero, and has a kink there.
    random = np.random.RandomState(0)
    X = np.append(random.randn(10, 2), np.ones((10, 1)), axis=1)
    y = np.where(np.linalg.norm(X[:, :2], axis=1) > 1, 1.0, -1.0)
    patterns = np.stack([random.randn(3) for _ in range(100)]) @ X.T >= 0
    network = ConvexReLUNetwork(1e-4, patterns=patterns, loss=loss).fit(X, y)
    assert network.objective_ == pytest.approx(objective, abs=1e-9)
    value = _objective(network.to_keras(), X, y, loss, 1e-4)
    assert value == pytest.approx(network.objective_, abs=1e-9)


@pytest.mark.parametrize(
    ("loss", "outputs"), [("squared", 1), ("squared", 2), ("hinge", 3)]
)
def test_the_keras_network_is_the_convex_one(loss, outputs):
    rng = np.random.default_rng(outputs)
    X = np.append(rng.normal(size=(8, 2)), np.ones((8, 1)), axis=1)
    Y = rng.normal(size=(8, outputs))
    Y = np.sign(Y) if loss == "hinge" else Y
    network = ConvexReLUNetwork(1e-3, samples=60, loss=loss, seed=0).fit(X, Y)
    model = network.to_keras()
    predicted = network.predict(X)
    assert predicted.shape == Y.shape
    np.testing.assert_allclose(model(X), predicted, atol=1e-9)
    # The masked model of the program, on the data that it was fitted to.
    v, w = network.neurons_[:, 0], network.neurons_[:, 1]
    masked = np.einsum("pr,rd,cpd->rc", network.patterns_, X, v - w)
    np.testing.assert_allclose(predicted, masked, atol=1e-9)
    assert _objective(model, X, Y, loss) == pytest.approx(network.objective_, abs=1e-8)
    norms = np.linalg.norm(network.neurons_, axis=-1)
    assert model.layers[0].units == np.sum(norms > 0) < norms.size
    small = network.to_keras(remove=0.1)
    assert small.layers[0].units == np.sum(norms > 0.1 * norms.max())


@pytest.fixture
def _in_double_precision():
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.usefixtures("_in_double_precision")
def test_gradient_descent_does_not_get_below_the_optimum():
    X, y = _sine(6)
    network = ConvexReLUNetwork(1e-2).fit(X, y)
    model = network.to_keras(weight_decay=True)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    history = model.fit(X, y, batch_size=len(X), epochs=50, verbose=0)
    # Keras reports the loss before each step: the first is that of the optimum.
    losses = np.array(history.history["loss"])
    # (Its regularizers round their factor to single precision.)
    assert losses[0] == pytest.approx(network.objective_, abs=1e-8)
    assert np.all(losses >= network.objective_ - 1e-8)


def test_more_patterns_do_not_make_it_worse():
    X, y = _sine(8)
    values = [
        ConvexReLUNetwork(1e-3, samples=samples, seed=0).fit(X, y).objective_
        for samples in (2, 5, 200, None)
    ]
    assert np.all(np.diff(values) <= 1e-9)
    assert values[2] == pytest.approx(values[3], abs=1e-8)


@pytest.mark.parametrize(("rows", "d"), [(5, 2), (6, 3), (4, 4)])
def test_all_patterns_of_points_in_general_position_are_found(rows, d):
    # Cover, 1965: 2 sum of binomials(rows - 1, k) for k < d.
    from math import comb

    X = np.random.default_rng(rows).normal(size=(rows, d))
    patterns = activation_patterns(X)
    assert len(patterns) == 2 * sum(comb(rows - 1, k) for k in range(d))
    drawn = activation_patterns(X, samples=3000, seed=0)
    assert {p.tobytes() for p in drawn} <= {p.tobytes() for p in patterns}


def test_points_in_special_position_have_fewer_patterns():
    X = np.array([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0], [0.0, 0.0], [1.0, 0.0]])
    patterns = activation_patterns(X)
    assert len(patterns) == 4
    assert np.all(patterns[:, 0] == patterns[:, 1])
    assert np.all(patterns[:, 0] != patterns[:, 2])
    assert np.all(patterns[:, 3])


WRONG = {
    "regularization": (lambda: ConvexReLUNetwork(0.0), "regularization=0.0"),
    "both": (lambda: ConvexReLUNetwork(1.0, [[True]], samples=3), "samples=3"),
    "loss": (lambda: ConvexReLUNetwork(1.0, loss="l1"), "loss='l1'"),
    "vector": (lambda: activation_patterns([1.0, 2.0]), "X of shape \\(2,\\)"),
    "nan": (lambda: activation_patterns([[np.nan]]), "not finite"),
    "rows": (
        lambda: ConvexReLUNetwork(1.0).fit(np.eye(2), np.ones(3)),
        "Received: 3 and 2",
    ),
    "labels": (
        lambda: ConvexReLUNetwork(1.0, loss="hinge").fit(np.eye(2), np.zeros(2)),
        "labels of -1 and 1",
    ),
    "patterns": (
        lambda: ConvexReLUNetwork(1.0, [[True]]).fit(np.eye(2), np.ones(2)),
        "patterns of shape",
    ),
    "unfitted": (lambda: ConvexReLUNetwork(1.0).to_keras(), "call fit first"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    attempt, words = WRONG[name]
    with pytest.raises(ValueError, match=words):
        attempt()
