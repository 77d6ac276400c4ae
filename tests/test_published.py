"""Published digits come back: those of papers, posts and notebooks that the examples
reproduce, and the example of cvxpylayers' README."""

import importlib
import pathlib
import sys

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import oracles
from tf_cvxlayers import CvxpyLayer

ROOT = pathlib.Path(__file__).parents[1]
EXAMPLES = ROOT / "keras_examples"
TABLE = EXAMPLES / "data" / "relu_layers.npz"
GRADIENTS = ROOT / "tests" / "data" / "relu_layers_gradients.npz"


# The examples import matplotlib, of the extra `examples`.
pytest.importorskip("matplotlib")


class Judge:
    """Stands in for the run of an example, and notes what does not hold."""

    def __init__(self):
        self.failures = []

    def expect(self, holds, otherwise):
        if not holds:
            self.failures.append(otherwise)


@pytest.fixture
def judge():
    judge = Judge()
    yield judge
    assert judge.failures == []


@pytest.fixture
def example(monkeypatch):
    """Imports an example as Python would when it is run."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module
    for path in EXAMPLES.rglob("*.py"):
        for name in (path.stem, f"tools.{path.stem}", "tools"):
            sys.modules.pop(name, None)


def test_optnets_program_has_its_published_solution(example, judge):
    optnet_qp = example("optnet_qp")
    layer = optnet_qp.optnet(10, 5, 5)
    optnet_qp.compare(layer, example("tools.harness").stored("optnet_qp"), judge)


def test_activations_have_their_published_values(example, judge):
    activations = example("variational_activations")
    x, grid = activations.on_a_grid(5)
    activations.compare(x, grid, *activations.softmax(), judge)


def test_sparse_projections_have_their_published_values(example, judge):
    example("sparse_projections").published(judge)


@pytest.mark.slow
def test_a_polytope_is_learned_as_it_was_published(example, judge):
    example("learning_sets").published(150, judge)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["tf", "torch"])
def test_a_policy_has_its_published_costs(example, key):
    control = example("stochastic_control")
    arrays = example("tools.harness").stored("stochastic_control")
    policy = control.policy_layer(arrays["P_sqrt0"], arrays["P_21_0"])
    noise = arrays[f"noise_{key}"][..., 0]
    costs = control.train(policy, arrays["A"], arrays["B"], noise, 5, key)
    published = arrays[f"published_losses_{key}"][:5]
    close = control.PRINTED_PRECISION
    np.testing.assert_allclose(costs, published, rtol=0, atol=close)


def test_the_convex_network_has_its_published_objective(example):
    reformulation = example("convex_reformulation")
    network, _ = reformulation.convex_network(*reformulation.sine())
    assert network.objective_ == pytest.approx(reformulation.OBJECTIVE, abs=1e-7)


def _run(prefix):
    with np.load(TABLE) as archive:
        return {
            key.removeprefix(f"{prefix}_"): archive[key].astype("float64")
            for key in archive.files
            if key.startswith(f"{prefix}_")
        }


def _relu_layer(weights, biases):
    x, W = cp.Parameter(20, name="x"), cp.Parameter((20, 20), name="W")
    b, z = cp.Parameter(20, name="b"), cp.Variable(20, name="z")
    copy = cp.Variable((20, 20), name="copy")
    objective = cp.Minimize(cp.sum_squares(z - copy @ x - b))
    problem = cp.Problem(objective, [z >= 0, copy == W])
    learned = {W: weights, b: biases}
    return CvxpyLayer(problem, x, z, learned=learned, dtype="float64")


def _model(start):
    regression = keras.layers.Dense(1, dtype="float64")
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="float64"),
            _relu_layer(start["weights_1"], start["biases_1"]),
            _relu_layer(start["weights_2"], start["biases_2"]),
            regression,
        ]
    )
    regression.set_weights([start["kernel"], start["bias"]])
    return model


def _losses(start, optimizer, steps):
    """The loss before each step, in float64 (Keras would report it in float32)."""
    model = _model(start)
    x, y = tf.constant(start["inputs"]), tf.constant(start["targets"])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    optimizer.build(model.trainable_variables)
    return np.array([step().numpy() for _ in range(steps)])


class TorchAdam(keras.optimizers.Adam):
    """Adam with `epsilon` added after the correction of the second moment."""

    def update_step(self, gradient, variable, learning_rate):
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        epsilon = self.epsilon
        correction = 1 - keras.ops.power(
            keras.ops.cast(self.beta_2, variable.dtype), step
        )
        self.epsilon = epsilon * keras.ops.sqrt(correction)
        super().update_step(gradient, variable, learning_rate)
        self.epsilon = epsilon


def test_the_published_tensorflow_run_is_reproduced_for_seven_steps():
    start = _run("tensorflow")
    losses = _losses(start, keras.optimizers.Adam(1e-2, epsilon=1e-7), 7)
    np.testing.assert_allclose(losses, start["published_losses"][:7], rtol=0, atol=1e-6)


def test_the_published_torch_run_is_reproduced_until_noise_sets_in():
    # From step 2 on the published run depends on the rounding noise of its solver.
    start = _run("torch")
    losses = _losses(start, TorchAdam(1e-2, epsilon=1e-8), 2)
    np.testing.assert_allclose(losses, start["published_losses"][:2], rtol=0, atol=2e-7)


def test_seventy_steps_with_momentum_are_those_of_an_ordinary_relu_network():
    start = _run("torch")
    losses = _losses(start, keras.optimizers.SGD(0.25, momentum=0.9), 70)
    np.testing.assert_allclose(
        losses, start["sgd_plain_relu_losses"], rtol=0, atol=1e-6
    )


def test_first_gradients_are_those_of_an_ordinary_relu_network():
    start = _run("torch")
    model = _model(start)
    with tf.GradientTape() as tape:
        error = model(tf.constant(start["inputs"])) - start["targets"]
        loss = tf.reduce_mean(tf.square(error))
    gradients = tape.gradient(loss, model.trainable_variables)
    with np.load(GRADIENTS) as expected:
        table = [expected[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3")]
    table[4] = table[4].T  # Keras keeps a kernel as [inputs, units]
    for found, reference in zip(gradients, table, strict=True):
        np.testing.assert_allclose(found, reference, rtol=0, atol=1e-8)


def test_dead_neurons_get_almost_no_gradient():
    # Adam divides by the size of a gradient: noise of 3e-11 would bring them to life.
    start = _run("torch")
    model = _model(start)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(tf.constant(start["inputs"])) ** 2)
    (gradient,) = tape.gradient(loss, [model.trainable_variables[3]])
    hidden = np.maximum(start["inputs"] @ start["weights_1"].T + start["biases_1"], 0.0)
    before = hidden @ start["weights_2"].T + start["biases_2"]
    dead = (before <= 0).all(axis=0)
    assert dead.sum() == 13
    assert np.abs(gradient.numpy()[dead]).max() <= 1e-12


def test_the_example_of_cvxpylayers_readme():
    n, m = 2, 3
    x, A, b = cp.Variable(n), cp.Parameter((m, n)), cp.Parameter(m)
    constraints = [x >= 0]
    objective = cp.Minimize(0.5 * cp.pnorm(A @ x - b, p=1))
    problem = cp.Problem(objective, constraints)
    assert problem.is_dpp()
    layer = CvxpyLayer(problem, parameters=[A, b], variables=[x])
    rng = np.random.default_rng(1)
    A_tf = tf.Variable(rng.normal(size=(m, n)), dtype=tf.float32)
    b_tf = tf.Variable(rng.normal(size=m), dtype=tf.float32)
    with tf.GradientTape() as tape:
        (solution,) = layer(A_tf, b_tf)
        summed_solution = tf.math.reduce_sum(solution)
    gradA, gradb = tape.gradient(summed_solution, [A_tf, b_tf])
    assert gradA.dtype == gradb.dtype == solution.dtype == tf.float32
    A.value, b.value = A_tf.numpy(), b_tf.numpy()
    problem.solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(solution, x.value, rtol=0, atol=1e-5)

    exact = CvxpyLayer(problem, [A, b], [x], dtype="float64")

    def total(values):
        pieces = values[: m * n].reshape(m, n), values[m * n :]
        return exact(*pieces)[0].numpy().sum(keepdims=True)

    point = np.r_[A.value.ravel(), b.value].astype("float64")
    expected = oracles.jacobian(total, point)[0]
    found = np.r_[gradA.numpy().ravel(), gradb.numpy()]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
