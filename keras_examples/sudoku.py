"""
Title: Sudoku, with the rules learned
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: A network of one optimization layer learns the rules of 4 x 4 Sudoku from
    solved puzzles, beside a convolutional network that learns the puzzles by heart.
"""

"""
## Introduction

A 4 x 4 Sudoku is a grid whose rows, columns and 2 x 2 blocks each hold the numbers 1 to
4. Given puzzles and their solutions, but not the rules, OptNet (Amos and Kolter, 2017,
section 4.4) learns the rules as equalities:

    minimize    0.1 / 2 || z ||^2 - p'z
    subject to  A z == b,  z >= 0

`p` is the puzzle, one-hot (64 numbers, zeros for a blank), `z` the proposed solution,
and the 40 rows of `A` are learned; the true rules are 40 independent equalities. `b = A
z0` with a learned `z0 >= 0`, so that there is a solution whatever `A` is. The network
beside it has ten convolutions with up to 512 filters, and no notion of a constraint.

The puzzles are those of OptNet's repository (Apache-2.0): 9,000 to train on and 1,000
to test with. There are 288 grids in all, so that tests have solutions that occur in
training; 72 test puzzles are themselves among the training puzzles, and we count with
and without them.
"""

import json

import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
from tools.harness import Example, console, stored

from tf_cvxlayers import layers

CELLS, RULES = 64, 40
BATCH = 150

"""
## Puzzles as numbers
"""


def one_hot(grids):
    """Return grids of 1 to 4, and 0 for a blank, as `[grids, 64]`."""
    return (grids[..., None] == np.arange(1, 5)).reshape(-1, CELLS).astype("float32")


def puzzles(count):
    """Return training and test puzzles, and which test puzzles are in training."""
    data = stored("sudoku4x4")
    return (
        (one_hot(data["x_train"][:count]), one_hot(data["y_train"][:count])),
        (one_hot(data["x_test"]), one_hot(data["y_test"])),
        data["test_in_train"],
    )


"""
## When a board counts as solved

Strictly: every cell has the solution's number. The check of the paper's code is milder:
it asks whether the board keeps to the rules, not whether it keeps the given numbers.
"""


def boards(outputs):
    """Return the most likely number of each cell, 0 to 3."""
    return np.asarray(outputs).reshape(-1, 4, 4, 4).argmax(axis=-1)


def is_valid(grids):
    """Return whether each grid keeps to the rules."""
    blocks = grids.reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4)
    sets = np.stack([grids, grids.transpose(0, 2, 1), blocks], axis=1)
    return np.all(np.sort(sets, axis=-1) == np.arange(4), axis=(1, 2, 3))


def score(model, x, y):
    """Return mean squared error, whether boards are solved, and whether valid."""
    outputs = model.predict(x, batch_size=500, verbose=0)
    found = boards(outputs)
    solved = np.all(found == boards(y), axis=(1, 2))
    return float(np.mean((outputs - y) ** 2)), solved, is_valid(found)


"""
## The two networks

The optimization layer's input is the linear term of its objective, minus the puzzle.
"""


def optnet():
    """Return the network of one quadratic program, compiled."""
    model = keras.Sequential(
        [
            keras.Input((CELLS,)),
            keras.layers.Rescaling(-1.0),
            layers.QuadraticProgram(
                CELLS,
                equalities=RULES,
                nonneg=True,
                eps=0.1,
                L=None,
                A=keras.initializers.RandomUniform(0.0, 1.0, seed=0),
            ),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def convolutional(filters):
    """Return the network of ten convolutions, compiled."""
    hidden = [
        keras.layers.Conv2D(filters, 3, padding="same", activation="relu")
        for _ in range(9)
    ]
    model = keras.Sequential(
        [
            keras.Input((CELLS,)),
            keras.layers.Reshape((4, 4, 4)),
            *hidden,
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.Softmax(),
            keras.layers.Reshape((CELLS,)),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    return model


"""
## Training
"""


def train(name, model, data, epochs):
    """Train; return the history of errors, with that before the first epoch."""
    (x, y), (x_test, y_test), seen = data
    history = []
    for epoch in rich.progress.track(range(epochs + 1), name, console=console):
        if epoch:
            model.fit(x, y, batch_size=BATCH, verbose=0)
        train_loss, train_solved, _ = score(model, x[:1000], y[:1000])
        loss, solved, valid = score(model, x_test, y_test)
        history.append(
            {
                "train_loss": train_loss,
                "train_error": float(1 - train_solved.mean()),
                "test_loss": loss,
                "test_error": float(1 - solved.mean()),
                "test_error_unseen": float(1 - solved[~seen].mean()),
                "test_error_paper": float(1 - valid.mean()),
            }
        )
    last = history[-1]
    console.print(
        f"{name}, {epochs} epochs: unsolved {last['train_error']:.1%} of the training "
        f"puzzles, {last['test_error']:.1%} of the test puzzles "
        f"({last['test_error_unseen']:.1%} of those not in training); against the "
        f"rules {last['test_error_paper']:.1%}"
    )
    return history


def plot(histories, run):
    """Draw losses and unsolved boards over the epochs."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for colour, (name, history) in zip(("C1", "C0"), histories.items(), strict=True):
        for key, style in (("train", "--"), ("test", "-")):
            for axis, what in zip(axes, ("loss", "error"), strict=True):
                values = [epoch[f"{key}_{what}"] for epoch in history]
                axis.plot(values, colour + style, label=f"{name}, {key}")
    axes[0].set_yscale("log")
    axes[0].set_ylabel("mean squared error")
    axes[1].set_ylabel("puzzles not solved")
    axes[1].legend(frameon=False, fontsize="small")
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    run.save(figure, "sudoku.png")


"""
## Run it

On two cores an epoch of the optimization layer takes seconds, one of the convolutional
network with 512 filters minutes: `--filters 64` makes a smaller one.
"""


def main():
    run = Example(
        "Sudoku, with the rules learned.",
        quick="an epoch, few puzzles",
        options={
            "--epochs": {"type": int, "default": 20, "help": "of both networks"},
            "--filters": {"type": int, "default": 512, "help": "of the convolutions"},
        },
    )
    keras.utils.set_random_seed(0)

    epochs, filters, count = run.options.epochs, run.options.filters, 9000
    if run.quick:
        epochs, filters, count = 1, 8, 600
    data = puzzles(count)
    histories = {}
    for name, model in (
        ("OptNet", optnet()),
        ("convolutions", convolutional(filters)),
    ):
        histories[name] = train(name, model, data, epochs)
        run.path("sudoku.json").write_text(json.dumps(histories, indent=1))
    plot(histories, run)


if __name__ == "__main__":
    main()
