"""
Title: Denoising with a learned total variation
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Total-variation denoising whose difference operator and weight are trained,
    beside the same with fixed differences at their best weight.
"""

"""
## Introduction

A noisy signal `x` is denoised by total variation as

    y = argmin_y  1/2 || y - x ||^2 + weight || D y ||_1,

where `D` takes the differences of neighbours: few jumps are cheap, many small steps are
not. The weight has to be chosen, and why should differences of neighbours be best? As a
layer the problem can be trained: its weight, and all of `D`. OptNet (Amos and Kolter,
2017, section 4.2) found that this does better than the best fixed weight.

The signals have 100 points and up to nine constant pieces, with normal noise of
standard deviation 10: 9,000 to train on and 1,000 to test with, by OptNet's recipe. The
figures of its paper are for a draw of its own.
"""

import argparse
import json
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress

from tf_cvxlayers import layers

EXAMPLES = pathlib.Path(__file__).resolve().parent
LENGTH, NOISE, BATCH, RATE = 100, 10.0, 150, 1e-4
PIECES, HEIGHTS = (1, 10), (10, 100)
# Of the paper, on its own draw: mean squared error on training and test signals.
PUBLISHED = {"fixed": (16.3, 16.5), "learned": (13.8, 14.4)}

console = rich.console.Console()

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
    """Return the best weight on the training signals, and both errors with it."""
    model = network(1.0)
    errors = {}
    for weight in rich.progress.track(weights, "fixed weights", console=console):
        model.layers[0].weight.assign([weight])
        errors[weight] = error(model, *train)
    best = min(errors, key=errors.get)
    model.layers[0].weight.assign([best])
    return best, errors[best], error(model, *test)


"""
## Learned differences

All 9,900 entries of `D` are free, and each row must keep a sum near zero: what it has
beyond that it takes off the level of the signal. Adam's steps, all of one size, violate
this at first, and the error rises above that of the fixed differences. It falls as the
steps become smaller.
"""


def learn(model, train, test, epochs):
    """Train; return the errors on training and test signals after each epoch."""
    history = [(error(model, *train), error(model, *test))]
    for _ in rich.progress.track(range(epochs), "learning", console=console):
        model.fit(*train, batch_size=BATCH, verbose=0)
        history.append((error(model, *train), error(model, *test)))
    return history


def plot(model, weight, history, fixed, test, path):
    """Draw the errors, the operators, and a signal."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for values, label in zip(
        zip(*history, strict=True), ("train", "test"), strict=True
    ):
        axes[0].plot(values, label=f"learned, {label}")
    axes[0].axhline(fixed, color="k", linestyle=":", label="fixed at its best, test")
    axes[0].set_xlabel("epoch")
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("mean squared error")
    axes[0].legend(frameon=False, fontsize="small")
    change = model.layers[0].D.numpy() - np.diff(np.eye(LENGTH), axis=0)
    limit = np.abs(change).max()
    image = axes[1].imshow(change, cmap="RdBu", vmin=-limit, vmax=limit)
    axes[1].set_title("learned D, less first differences")
    figure.colorbar(image, ax=axes[1])
    x, y = (part[:1] for part in test)
    axes[2].plot(x[0], ".", color="0.7", label="noisy")
    axes[2].plot(y[0], "k", label="clean")
    axes[2].plot(network(weight).predict(x, verbose=0)[0], "C0", label="fixed")
    axes[2].plot(model.predict(x, verbose=0)[0], "C1", label="learned")
    axes[2].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    console.print(f"plot: {path}")


"""
## Run it
"""


def main():
    parser = argparse.ArgumentParser(description="Learned total variation.")
    parser.add_argument("--quick", action="store_true", help="few signals, one epoch")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=EXAMPLES / "output",
        help="folder for the plot and the curve (default: %(default)s)",
    )
    arguments = parser.parse_args()
    # Files only, so that the example also runs where there is no display.
    plt.switch_backend("Agg")
    keras.utils.set_random_seed(0)

    epochs, count, weights = arguments.epochs, 9000, np.arange(15.0, 29.0, 1.0)
    if arguments.quick:
        epochs, count, weights = 1, 300, [15.0, 21.0, 27.0]
    x, y = signals(10000)
    train, test = (x[:count], y[:count]), (x[9000:], y[9000:])
    if arguments.quick:
        test = tuple(part[:300] for part in test)
    weight, fixed_train, fixed = best_fixed(train, test, weights)
    console.print(
        f"fixed differences, weight {weight:g}: {fixed_train:.3f} train, {fixed:.3f} "
        f"test (the paper, on its own draw: {PUBLISHED['fixed']})"
    )
    steps = epochs * -(-len(train[0]) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model = network(float(weight), rate)
    history = learn(model, train, test, epochs)
    console.print(
        f"learned, {epochs} epochs: {history[-1][0]:.3f} train, {history[-1][1]:.3f} "
        f"test (the paper, on its own draw: {PUBLISHED['learned']})"
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "denoising.json").write_text(json.dumps(history))
    path = arguments.output / "denoising.png"
    plot(model, float(weight), history, fixed, test, path)
    if not arguments.quick and history[-1][1] >= fixed:
        raise SystemExit("the learned operator is not better than fixed differences")


if __name__ == "__main__":
    main()
