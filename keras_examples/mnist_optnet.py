"""
Title: A quadratic program in a digit classifier
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: OptNet's MNIST experiment: a classifier whose last layer is a learned
    quadratic program, beside the same with a dense layer in its place.
"""

"""
## Introduction

OptNet (Amos and Kolter, 2017, section 4.3) puts a quadratic program near the end of a
plain network for MNIST, to show that it can be trained like any other layer:

    784 - 600 - ReLU - 10 - ReLU - QP with 10 variables, 50 inequalities - softmax
    784 - 600 - ReLU - 10 - ReLU - dense with 10 units                   - softmax

The ten outputs before the program are the linear term of its objective; `L` (of its
quadratic term), `G`, `z0` and `s0` are learned. On this task nothing needs an
optimization layer: both networks reach about the same error.
"""

import json
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
from tools.harness import Example, console

from tf_cvxlayers import layers

BATCH = 64
# Of MNIST's training pixels, as fractions of 255.
MEAN, DEVIATION = 0.1307, 0.3081

"""
## Data

The whole of MNIST. Keras downloads it once; `--data` takes a copy of its `mnist.npz`.
"""


def mnist(path, count):
    """Return training and test images, normalised and flat, with labels."""
    if path is None:
        train, test = keras.datasets.mnist.load_data()
    else:
        with np.load(path) as archive:
            train = archive["x_train"], archive["y_train"]
            test = archive["x_test"], archive["y_test"]

    def normalised(images, labels):
        flat = images[:count].reshape(-1, 784).astype("float32") / 255
        return (flat - MEAN) / DEVIATION, labels[:count]

    return normalised(*train), normalised(*test)


"""
## The two networks
"""


def quadratic_program():
    """Return the last layer of the first network, with OptNet's starting values."""
    return layers.QuadraticProgram(
        10,
        inequalities=50,
        eps=1e-4,
        L=keras.initializers.RandomUniform(0.0, 1.0, seed=0),
        G=keras.initializers.RandomUniform(-1.0, 1.0, seed=1),
    )


def classifier(last):
    """Return the network with this last layer, compiled."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(600, "relu"),
            keras.layers.Dense(10, "relu"),
            last,
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


"""
## Training

Both start from the same seed, and see the same batches.
"""


def train(name, model, data, epochs):
    """Train; return losses and errors on training and test images, epoch by epoch."""
    (images, labels), test = data
    history = []
    for _ in rich.progress.track(range(epochs), name, console=console):
        fitted = model.fit(images, labels, BATCH, verbose=0).history
        loss, accuracy = model.evaluate(*test, batch_size=500, verbose=0)
        history.append(
            {
                "train_loss": round(fitted["loss"][0], 6),
                "train_error": round(1 - fitted["accuracy"][0], 6),
                "test_loss": round(loss, 6),
                "test_error": round(1 - accuracy, 6),
            }
        )
    errors = [epoch["test_error"] for epoch in history]
    console.print(
        f"{name}, {epochs} epochs: test error {errors[-1]:.2%} at the end, "
        f"{min(errors):.2%} at best; mean of the last five {np.mean(errors[-5:]):.2%}, "
        f"their standard deviation {np.std(errors[-5:]):.2%}"
    )
    return history


def plot(histories, run):
    """Draw losses and errors over the epochs."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for colour, (name, history) in zip(("C1", "C0"), histories.items(), strict=True):
        epochs = np.arange(1, len(history) + 1)
        for key, style in (("train", "--"), ("test", "-")):
            for axis, what in zip(axes, ("loss", "error"), strict=True):
                values = [epoch[f"{key}_{what}"] for epoch in history]
                axis.plot(epochs, values, colour + style, label=f"{name}, {key}")
    axes[0].set_ylabel("cross-entropy")
    axes[1].set_ylabel("classification error")
    for axis in axes:
        axis.set_yscale("log")
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(frameon=False, fontsize="small")
    run.save(figure, "mnist_optnet.png")


"""
## Run it
"""


def main():
    run = Example(
        "OptNet's MNIST experiment.",
        quick="one epoch on a few images; random ones where there is no MNIST",
        options={
            "--epochs": {"type": int, "default": 20},
            "--data": {"type": pathlib.Path, "help": "a copy of Keras's mnist.npz"},
        },
    )

    epochs = 1 if run.quick else run.options.epochs
    if run.quick and run.options.data is None:
        random = np.random.default_rng(0)
        part = random.normal(size=(640, 784)).astype("float32"), np.arange(640) % 10
        data = part, part
    else:
        data = mnist(run.options.data, 6400 if run.quick else None)
    histories = {
        name: train(name, classifier(last), data, epochs)
        for name, last in (
            ("quadratic program", quadratic_program()),
            ("dense", keras.layers.Dense(10)),
        )
    }
    run.path("mnist_optnet.json").write_text(json.dumps(histories, indent=1))
    plot(histories, run)


if __name__ == "__main__":
    main()
