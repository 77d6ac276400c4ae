"""
Title: ReLU, sigmoid and softmax as optimization problems
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Three activations as solutions of convex problems: values and derivatives
    beside the closed forms and beside published numbers.
"""

"""
## Introduction

The usual activations are solutions of small convex problems:

    ReLU      argmin_y  || y - x ||^2            subject to  y >= 0
    sigmoid   argmin_y  -x'y - H_b(y)            H_b: the entropy of each (y, 1 - y)
    softmax   argmin_y  -x'y - H(y)              subject to  sum(y) == 1

Nobody computes them so, but it shows two things: that the derivative of a solution is a
derivative like any other, and where to begin if one wants another activation. Change a
constraint, and a layer results that has no closed form (the next example does that).

Here the layers are asked for values and derivatives on a grid, and compared with the
closed forms; and for the softmax with what the authors of CVXPY's layers printed.
"""


import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tools.harness import Example, console, new_table

from tf_cvxlayers import layers

# Published in single precision: the input, its softmax, the gradient of the last
# output.
X = [-0.1467951, 0.7861413, 0.94682163, -1.114344, 1.6907902]
SOFTMAX = [0.07582434, 0.1927426, 0.22633949, 0.02881426, 0.47627935]
GRADIENT = [-0.03611356, -0.09179932, -0.10780083, -0.01372364, 0.24943732]
PRINTED_PRECISION = 1e-7

"""
## Values and derivatives

A layer is differentiated by TensorFlow's tape, as everything else.
"""


def value_and_derivative(function, x):
    """Return `function(x)` and the gradient of its sum."""
    x = tf.constant(x, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y.numpy(), tape.gradient(y, x).numpy()


def on_a_grid(points):
    """Return the layers with a value for each number, beside TensorFlow's functions."""
    x = np.linspace(-5, 5, points)
    pairs = {
        "ReLU": (layers.VariationalReLU(dtype="float64"), tf.nn.relu),
        "sigmoid": (layers.VariationalSigmoid(dtype="float64"), tf.sigmoid),
    }
    return x, {
        name: (value_and_derivative(layer, x), value_and_derivative(closed, x))
        for name, (layer, closed) in pairs.items()
    }


"""
## Softmax
"""


def softmax():
    """Return the layer's softmax of the published input, and a row of its Jacobian."""
    layer = layers.VariationalSoftmax(dtype="float64")
    x = tf.constant(X, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        last = y[4]
    return y.numpy(), tape.gradient(last, x).numpy()


"""
## Comparison

At zero the ReLU has a kink, where any slope from 0 to 1 is a derivative: it is left
out.
"""


def compare(x, grid, values, gradient, run):
    """Print all differences; return what is not as it should be."""
    table = new_table(
        "Largest differences", "activation", "from", "value", "derivative", "at most"
    )
    away = np.abs(x) > 1e-9
    rows = [
        (name, "closed form", np.abs(y - closed_y), np.abs(dy - closed_dy)[away], 1e-8)
        for name, ((y, dy), (closed_y, closed_dy)) in grid.items()
    ]
    exact = np.exp(X) / np.exp(X).sum()
    row = exact[4] * (np.eye(5)[4] - exact)
    rows += [
        (
            "softmax",
            "closed form",
            np.abs(values - exact),
            np.abs(gradient - row),
            1e-7,
        ),
        (
            "softmax",
            "published numbers",
            np.abs(values - SOFTMAX),
            np.abs(gradient - GRADIENT),
            PRINTED_PRECISION,
        ),
    ]
    for name, source, value, derivative, most in rows:
        largest = value.max(), derivative.max()
        table.add_row(name, source, *(f"{e:.1e}" for e in (*largest, most)))
        run.expect(
            max(largest) <= most, f"{name}: off by {max(largest):.1e} from the {source}"
        )
    console.print(table)


def plot(x, grid, run):
    """Draw values and derivatives of the layers, the closed forms as dots."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, (name, (layer, closed)) in zip(axes, grid.items(), strict=True):
        for label, values, exact in zip(
            ("value", "derivative"), layer, closed, strict=True
        ):
            (line,) = axis.plot(x, values, label=label)
            axis.plot(x[::10], exact[::10], "o", color=line.get_color(), markersize=3)
        axis.set_ylim(-0.1, 2.0 if name == "ReLU" else 1.1)
        axis.set_xlabel("x")
        axis.set_title(f"{name} as a problem (dots: closed form)")
        axis.legend(frameon=False)
    run.save(figure, "variational_activations.png")


"""
## Run it
"""


def main():
    run = Example("Activations as convex problems.", quick="a coarser grid")

    x, grid = on_a_grid(41 if run.quick else 201)
    compare(x, grid, *softmax(), run)
    plot(x, grid, run)
    run.finish()


if __name__ == "__main__":
    main()
