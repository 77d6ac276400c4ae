"""
Title: What a layer of OptNet represents and a layer of ReLU does not
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Any piecewise linear function of one variable as one quadratic program, and
    the maximum of three linear functions, which no single ReLU layer is.
"""

"""
## Introduction

Section 3.2 of OptNet (Amos and Kolter, 2017) compares one optimization layer with one
layer of ReLUs, in two steps:

* whatever a layer of ReLUs represents of one variable, `sum w_i max(a_i x + b_i, 0)`, a
  quadratic program does as well, which has the same `a`, `b` and `w` as parameters:
  `PiecewiseLinear`. Any piecewise linear function is of this form;
* the converse is false: `max(a_1'x, a_2'x, a_3'x)` is a problem in one variable,
  `MaxAffine`, but a layer of ReLUs of any width with a linear output has kinks along
  whole lines through the origin, while this function has kinks along three half-lines.

Both are shown by training: the same target, the same steps, for both kinds of layer.
"""


import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
from tools.harness import Example, console

from tf_cvxlayers import layers

# Corners of the function of one variable.
CORNERS = np.array([[-2.0, 0.5], [-1.0, -0.5], [0.0, 1.0], [0.5, 0.0], [2.0, 0.8]])
# Three slopes at 120 degrees.
SLOPES = np.array([[np.cos(t), np.sin(t)] for t in np.pi * np.array([1, 5, 9]) / 6])

"""
## One variable

The pieces can be read off the corners: two make the first line, one its constant, and
each further corner adds one that begins there, with the change of the slope.
"""


def pieces_of(corners):
    """Return `a`, `b` and `w` of the function through the corners."""
    x, y = corners.T
    slopes = np.diff(y) / np.diff(x)
    # max(u, 0) - max(-u, 0) is u, and max(0 x + 1, 0) is one.
    a = [1.0, -1.0, 0.0]
    b = [-x[0], x[0], 1.0]
    w = [slopes[0], -slopes[0], y[0]]
    for corner, change in zip(x[1:-1], np.diff(slopes), strict=True):
        a.append(1.0)
        b.append(-corner)
        w.append(change)
    return np.array(a), np.array(b), np.array(w)


def target(x):
    """Return the function through the corners, between the first and the last."""
    return np.interp(x, *CORNERS.T)


def one_variable(epochs, run):
    """Represent the function, and learn it; return points, and both layers' values."""
    x = np.linspace(CORNERS[0, 0], CORNERS[-1, 0], 401)[:, None]
    a, b, w = pieces_of(CORNERS)
    exact = layers.PiecewiseLinear(len(a), a=a, b=b, w=w, dtype="float64")(x).numpy()
    apart = np.abs(exact - target(x)).max()
    console.print(f"one variable, pieces read off the corners: {apart:.1e} apart")
    run.expect(apart <= 1e-9, f"the pieces are {apart:.1e} from the function")
    model = keras.Sequential([keras.Input((1,)), layers.PiecewiseLinear(16)])
    loss = fit(model, x, target(x), epochs, "learning pieces")
    console.print(f"one variable, 16 pieces learned: mean squared error {loss:.1e}")
    return x, exact, model.predict(x, verbose=0)


def fit(model, x, y, epochs, title):
    """Train a model with a falling learning rate; return its mean squared error."""
    steps = epochs * -(-len(x) // 64)
    rate = keras.optimizers.schedules.CosineDecay(0.02, steps)
    model.compile(keras.optimizers.Adam(rate), "mse")
    for _ in rich.progress.track(range(epochs), title, console=console):
        model.fit(x, y, batch_size=64, verbose=0)
    return model.evaluate(x, y, verbose=0)


"""
## Two variables

`MaxAffine` with three pieces, six numbers, against layers of ReLUs of growing width.
"""


def two_variables(epochs, widths, run):
    """Train all; return the error of each on a grid."""
    line = np.linspace(-1, 1, 41)
    grid = np.stack(np.meshgrid(line, line), axis=-1)
    x = grid.reshape(-1, 2)
    y = (x @ SLOPES.T).max(axis=1, keepdims=True)
    models = {"MaxAffine(3)": keras.Sequential([layers.MaxAffine(3)])}
    for width in widths:
        models[f"{width} ReLUs"] = keras.Sequential(
            [
                keras.layers.Dense(width, "relu", use_bias=False),
                keras.layers.Dense(1, use_bias=False),
            ]
        )
    errors = {}
    for name, model in models.items():
        loss = fit(model, x, y, epochs, name)
        console.print(f"two variables, {name}: mean squared error {loss:.1e}")
        errors[name] = np.abs(model.predict(x, verbose=0) - y).reshape(grid.shape[:2])
    largest = {name: error.max() for name, error in errors.items()}
    run.expect(
        largest["MaxAffine(3)"] <= min(list(largest.values())[1:]),
        "a layer of ReLUs came closer than MaxAffine",
    )
    return errors


def plot(function, errors, run):
    """Draw the function of one variable, and the errors in the plane."""
    x, exact, learned = function
    figure, axes = plt.subplots(
        1, 1 + len(errors), figsize=(13, 3.4), layout="constrained"
    )
    axes[0].plot(x, target(x), "k", linewidth=3, label="target")
    axes[0].plot(x, exact, "C1", label="pieces from the corners")
    axes[0].plot(x, learned, "C0--", label="16 learned pieces")
    axes[0].set_ylim(-0.7, 1.7)
    axes[0].legend(frameon=False, fontsize="small")
    axes[0].set_title("PiecewiseLinear")
    top = max(error.max() for error in errors.values())
    for axis, (name, error) in zip(axes[1:], errors.items(), strict=True):
        image = axis.imshow(
            error, extent=(-1, 1, -1, 1), origin="lower", vmin=0, vmax=top
        )
        axis.set_title(f"{name}: error to {error.max():.1e}", fontsize="medium")
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(image, ax=axes[-1])
    run.save(figure, "representation.png")


"""
## Run it
"""


def main():
    run = Example("What an OptNet layer represents.", quick="a few epochs")
    keras.utils.set_random_seed(0)

    quick = run.quick
    function = one_variable(20 if quick else 400, run)
    errors = two_variables(15 if quick else 100, [3] if quick else [3, 8, 64], run)
    plot(function, errors, run)
    run.finish()


if __name__ == "__main__":
    main()
