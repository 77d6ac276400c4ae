"""
Title: Denoising with a learned total variation
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Total-variation denoising whose difference operator and weight are trained,
    and as a quadratic program of which everything is, beside fixed differences.
"""

"""
## Introduction

A noisy signal `x` is denoised by total variation as

    y = argmin_y  1/2 || y - x ||^2 + weight || D y ||_1,

where `D` takes the differences of neighbours: few jumps are cheap, many small steps are
not. The weight has to be chosen, and why should differences of neighbours be best? As a
layer the problem can be trained: its weight, and all of `D`. OptNet (Amos and Kolter,
2017, section 4.2) goes further: total variation is where a general quadratic program
starts, and all of that program is trained. It found that this does better than the best
fixed weight.

The signals have 100 points and up to nine constant pieces, with normal noise of
standard deviation 10: 9,000 to train on and 1,000 to test with, by OptNet's recipe. The
figures of its paper are for a draw of its own.
"""

import json

import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
from tools.harness import Example, console

from tf_cvxlayers import layers

LENGTH, NOISE, BATCH, RATE = 100, 10.0, 150, 1e-4
PIECES, HEIGHTS = (1, 10), (10, 100)
FIRST_DIFFERENCES = np.diff(np.eye(LENGTH), axis=0)
# Of the paper, on its own draw: mean squared error on training and test signals.
PUBLISHED = {"fixed": (16.3, 16.5), "program": (13.8, 14.4)}

"""
## Signals
"""


def signals(count):
    """Return noisy signals and clean ones, `[count, 100]`."""
    random = np.random.RandomState(0)
    noisy, clean = [], []
    for _ in range(count):
        pieces = random.randint(*PIECES)
        jumps = np.sort(random.choice(LENGTH - 2, pieces - 1, replace=False) + 1)
        heights = random.randint(*HEIGHTS, pieces)
        lengths = np.diff(np.concatenate([[0], jumps, [LENGTH]]))
        clean.append(np.repeat(heights, lengths))
        noisy.append(clean[-1] + random.normal(0.0, NOISE, LENGTH))
    return np.array(noisy, "float32"), np.array(clean, "float32")


"""
## Fixed differences

One layer, whose weight is set to each value in turn.
"""


def network(weight, rate=RATE):
    """Return the denoiser that starts at first differences, compiled."""
    model = keras.Sequential(
        [keras.Input((LENGTH,)), layers.TotalVariation(weight=weight)]
    )
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


def error(model, x, y):
    """Return the mean squared error."""
    return float(model.evaluate(x, y, batch_size=500, verbose=0))


def best_fixed(train, test, weights):
    """Return the model with the best weight on the training signals, and its errors."""
    model = network(1.0)
    errors = {}
    for weight in rich.progress.track(weights, "fixed weights", console=console):
        model.layers[0].weight.assign([weight])
        errors[weight] = error(model, *train)
    best = min(errors, key=errors.get)
    model.layers[0].weight.assign([best])
    return model, errors[best], error(model, *test)


"""
## Learned differences

All 9,900 entries of `D` are free, and each row must keep a sum near zero: what it has
beyond that it takes off the level of the signal. Adam's steps, all of one size, violate
this at first, and the error rises above that of the fixed differences. It falls as the
steps become smaller, to just below: the operator alone has little to gain.
"""


def learn(model, train, test, epochs, label):
    """Train; return the errors on training and test signals after each epoch.

    Those on training signals are means over the epoch, while the weights change.
    """
    history = [(error(model, *train), error(model, *test))]
    for _ in rich.progress.track(range(epochs), label, console=console):
        fitted = model.fit(*train, batch_size=BATCH, verbose=0)
        history.append((fitted.history["loss"][0], error(model, *test)))
    return history


"""
## A learned program

With a bound `t` on the differences total variation is a quadratic program,

    minimize 1/2 || y ||^2 - x'y + weight 1't  subject to  D y <= t, -D y <= t,

and so a starting point for `QuadraticProgram`: a dense map takes `x` to the linear term
`(-x, weight 1)`, and its weights are trained, like those of the quadratic term and of
the constraints. Such a program can do what total variation cannot: use the mean height
of the signals, treat their ends differently, or look further than the neighbours. It
takes a tenth off the error.
"""


def program(weight):
    """Return the program that starts at total variation, compiled."""
    D, eye = FIRST_DIFFERENCES, np.eye(LENGTH - 1)
    zeros, ones = np.zeros(LENGTH), np.ones(LENGTH - 1)
    layer = layers.QuadraticProgram(
        2 * LENGTH - 1,
        inequalities=2 * LENGTH - 2,
        dense=True,
        W=np.vstack([-np.eye(LENGTH), np.zeros((LENGTH - 1, LENGTH))]),
        c=np.concatenate([zeros, weight * ones]),
        # Nothing in t but what keeps the solution unique.
        L=np.diag(np.concatenate([zeros + 1.0, 1e-4 * ones])),
        G=np.block([[D, -eye], [-D, -eye]]),
        # So that h = G z0 + s0 starts at zero.
        z0=np.concatenate([zeros, ones]),
        s0="ones",
    )
    x = keras.Input((LENGTH,))
    model = keras.Model(x, layer(x)[:, :LENGTH])
    model.compile(keras.optimizers.Adam(RATE), "mse")
    return model


def plot(models, histories, fixed, test, run):
    """Draw the errors, the learned operator, and a signal."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for color, (label, history) in zip(("C1", "C2"), histories.items(), strict=True):
        train_errors, test_errors = zip(*history, strict=True)
        axes[0].plot(train_errors, color + ":", label=f"{label}, train")
        axes[0].plot(test_errors, color, label=f"{label}, test")
    axes[0].axhline(fixed, color="C0", label="fixed at its best, test")
    axes[0].set_xlabel("epoch")
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("mean squared error")
    axes[0].legend(frameon=False, fontsize="small")
    change = models["learned D"].layers[0].D.numpy() - FIRST_DIFFERENCES
    limit = np.abs(change).max()
    image = axes[1].imshow(change, cmap="RdBu", vmin=-limit, vmax=limit)
    axes[1].set_title("learned D, less first differences")
    figure.colorbar(image, ax=axes[1])
    x, y = (part[:1] for part in test)
    axes[2].plot(x[0], ".", color="0.7", label="noisy")
    axes[2].plot(y[0], "k", label="clean")
    for color, (label, model) in enumerate(models.items()):
        denoised = model.predict(x, verbose=0)[0]
        axes[2].plot(denoised, f"C{color}", label=label)
    axes[2].legend(frameon=False, fontsize="small")
    run.save(figure, "denoising.png")


"""
## Run it
"""


def main():
    run = Example(
        "Learned total variation.",
        quick="few signals, one epoch",
        options={
            "--epochs": {"type": int, "default": 50, "help": "of the operator"},
            "--program-epochs": {"type": int, "default": 50, "help": "of the program"},
        },
    )
    keras.utils.set_random_seed(0)

    epochs, program_epochs = run.options.epochs, run.options.program_epochs
    count, weights = 9000, np.arange(15.0, 29.0, 1.0)
    if run.quick:
        epochs, program_epochs, count, weights = 1, 1, 300, [15.0, 21.0, 27.0]
    x, y = signals(10000)
    train, test = (x[:count], y[:count]), (x[9000:], y[9000:])
    if run.quick:
        test = tuple(part[:300] for part in test)
    best, fixed_train, fixed = best_fixed(train, test, weights)
    weight = float(best.layers[0].weight[0])
    console.print(
        f"fixed differences, weight {weight:g}: {fixed_train:.3f} train, {fixed:.3f} "
        f"test (the paper, on its own draw: {PUBLISHED['fixed']})"
    )
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-count // BATCH))
    models = {
        "fixed": best,
        "learned D": network(weight, rate),
        "learned program": program(weight),
    }
    histories = {}
    for label, length in (("learned D", epochs), ("learned program", program_epochs)):
        histories[label] = learn(models[label], train, test, length, label)
        train_error, test_error = histories[label][-1]
        console.print(
            f"{label}, {length} epochs: {train_error:.3f} train, {test_error:.3f} test"
        )
    console.print(f"the paper's program, on its own draw: {PUBLISHED['program']}")
    rounded = {k: np.round(v, 4).tolist() for k, v in histories.items()}
    run.path("denoising.json").write_text(json.dumps(rounded) + "\n")
    plot(models, histories, fixed, test, run)
    if not run.quick:
        for label, history in histories.items():
            run.expect(
                len(history) == 1 or history[-1][1] < fixed,
                f"{label} is not better than fixed differences",
            )
    run.finish()


if __name__ == "__main__":
    main()
