"""
Title: A two-layer ReLU network as a convex program
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Fits ten points of a sine with gradient descent and with the convex program
    that has the same optimum, and turns the optimum into a Keras model.
"""

"""
## Introduction

A network with one hidden layer of ReLUs is trained by gradient descent, on an objective
that is not convex, from weights drawn at random. Pilanci and Ergen ("Neural networks
are convex regularizers", 2020) found that with enough neurons and weight decay this
objective has a convex twin. Its key is that data of a few rows only allow a few
*activation patterns*: ways in which a neuron can be on for some rows and off for
others. Given a pattern, a neuron is linear; that it keeps to its pattern is a linear
constraint; and weight decay becomes the sum of the neurons' norms, which switches
neurons off.

Here are ten points of a fast sine, and both ways to fit them.
"""


import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
import tensorflow as tf
from tools.harness import Example, console

from tf_cvxlayers.convex_networks import ConvexReLUNetwork, activation_patterns

POINTS, NEURONS, FREQUENCY = 10, 500, 10
LEARNING_RATE, REGULARIZATION = 0.01, 1e-3
STEPS, STEPS_A_ROUND = 20000, 2000
# The optimal value of the program for these ten points; the notebook that the example
# follows prints none, this is the value of an independent solver.
OBJECTIVE = 0.0861000

"""
## Data

The second column is constant, and takes the place of a bias.
"""


def with_constant(x):
    """Return the points as rows `(x, 1)`."""
    return np.stack([x, np.ones_like(x)], axis=1)


def sine():
    """Return the points of the sine and their values."""
    x = np.linspace(-1, 1, POINTS)
    return with_constant(x), np.sin(FREQUENCY * x)[:, None]


"""
## Gradient descent

Plain gradient descent on the mean squared error, without weight decay, on all points at
once. The starting weights are uniform, as PyTorch's are in the notebook that this
follows: its seed is not known, so that its losses cannot come out again to the digit;
that they fall in the same way can.
"""


def descended_network(X, Y, rounds):
    """Return the trained network, and its loss before every 2000 steps."""
    width = X.shape[1] ** -0.5, NEURONS**-0.5
    kernels = [
        keras.initializers.RandomUniform(-w, w, seed=k) for k, w in enumerate(width)
    ]
    model = keras.Sequential(
        [
            keras.Input((X.shape[1],), dtype="float64"),
            keras.layers.Dense(
                NEURONS, "relu", use_bias=False, kernel_initializer=kernels[0]
            ),
            keras.layers.Dense(1, use_bias=False, kernel_initializer=kernels[1]),
        ]
    )
    model.compile(keras.optimizers.SGD(LEARNING_RATE), "mse", steps_per_execution=500)
    batches = tf.data.Dataset.from_tensors((X, Y)).repeat()
    losses = [model.evaluate(X, Y, verbose=0)]
    for _ in rich.progress.track(range(rounds), "gradient descent", console=console):
        model.fit(batches, steps_per_epoch=STEPS_A_ROUND, shuffle=False, verbose=0)
        losses.append(model.evaluate(X, Y, verbose=0))
    return model, losses


"""
## The convex program

`ConvexReLUNetwork` states the program in CVXPY and solves it. Ten points in two
dimensions have twenty activation patterns. The notebook takes those of 500 random
neurons: among so many all twenty occur, so that its optimum is the optimum of all
networks.
"""


def convex_network(X, Y):
    """Return the fitted network, and how many patterns there are."""
    patterns = activation_patterns(X)
    network = ConvexReLUNetwork(REGULARIZATION, patterns=patterns)
    return network.fit(X, Y), len(patterns)


"""
## Back to Keras

`to_keras` writes the optimum into two `Dense` layers. The model predicts the same, and
its mean squared error plus its weight decay is the value of the convex program: no
gradient descent from anywhere can get below.
"""


def objective(model, X, Y):
    """Return the regularised objective of a network with two kernels."""
    error = np.mean((model.predict(X, verbose=0) - Y) ** 2)
    squares = sum(np.sum(kernel**2) for kernel in model.get_weights())
    return error + REGULARIZATION / 2 * squares


def compare(descended, losses, network, patterns, model, X, Y, run):
    """Print the figures; return what is not as it should be."""
    for step, loss in zip(np.arange(len(losses)) * STEPS_A_ROUND, losses, strict=True):
        console.print(
            f"gradient descent, step {step:5d}: mean squared error {loss:.6f}"
        )
    apart = np.abs(model.predict(X, verbose=0) - network.predict(X)).max()
    value = objective(model, X, Y)
    used = np.sum(np.linalg.norm(network.neurons_, axis=-1) > 1e-6)
    console.print(
        f"convex program: {patterns} patterns, objective {network.objective_:.7f} "
        f"(expected {OBJECTIVE:.7f}), {used} neurons in use\n"
        f"as a Keras model: objective {value:.7f}, difference "
        f"{value - network.objective_:+.1e}; predictions differ by {apart:.1e}\n"
        f"gradient descent: the same objective {objective(descended, X, Y):.7f}"
    )
    run.expect(
        abs(network.objective_ - OBJECTIVE) <= 1e-7,
        f"objective {network.objective_:.9f}, not {OBJECTIVE}",
    )
    run.expect(
        abs(value - network.objective_) <= 1e-8 and apart <= 1e-9,
        "the Keras model is not the convex network",
    )


def plot(descended, model, X, Y, run):
    """Draw the points and both networks between and beyond them."""
    x = np.linspace(-1.5, 1.5, 1000)
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    for network, label in (
        (descended, "gradient descent"),
        (model, "convex program"),
    ):
        axis.plot(x, network.predict(with_constant(x), verbose=0), label=label)
    axis.plot(X[:, 0], Y, "kx", label="data")
    axis.set_xlabel("x")
    axis.set_ylabel("network")
    axis.legend(frameon=False)
    run.save(figure, "convex_reformulation.png")


"""
## Run it
"""


def main():
    run = Example("A ReLU network as a convex program.", quick="descend for 2000 steps")
    keras.config.set_floatx("float64")

    X, Y = sine()
    rounds = 1 if run.quick else STEPS // STEPS_A_ROUND
    descended, losses = descended_network(X, Y, rounds)
    network, patterns = convex_network(X, Y)
    model = network.to_keras()
    compare(descended, losses, network, patterns, model, X, Y, run)
    plot(descended, model, X, Y, run)
    run.finish()


if __name__ == "__main__":
    main()
