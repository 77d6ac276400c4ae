"""
Title: The OptNet quadratic program and its sensitivities
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: A quadratic program all of whose six parameters are inputs: its solution
    and six gradients beside published and exact ones, and its solution along a line.
"""

"""
## Introduction

OptNet (Amos and Kolter, 2017) put a quadratic program into a network,

    minimize    1/2 || Q_sqrt z ||^2 + q'z
    subject to  A z == b,  G z <= h

and any of the six parameters may come from the layers before. Here all of them do: the
layer is a function of six tensors, and its gradient has six parts.

Solution and gradients are compared with those of an instance that was published, and
with exact ones. Then one entry of `h` moves: the solution follows in straight pieces,
with a kink wherever a constraint becomes active or inactive, and the gradient is its
slope.
"""


import cvxpy
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tools.harness import Example, console, new_table, stored

from tf_cvxlayers import CvxpyLayer

NAMES = ("Q_sqrt", "q", "A", "b", "G", "h")
# Printed for the instance, in single precision.
PUBLISHED = [
    0.33921832,
    0.3794181,
    0.2201209,
    -0.01115552,
    -0.3120785,
    -0.22344528,
    0.5120355,
    -0.30485314,
    -0.11274885,
    0.21256374,
]

"""
## The layer
"""


def optnet(n, equalities, inequalities):
    """Return the layer, from six parameters to the solution."""
    Q_sqrt = cvxpy.Parameter((n, n), name="Q_sqrt")
    q = cvxpy.Parameter(n, name="q")
    A = cvxpy.Parameter((equalities, n), name="A")
    b = cvxpy.Parameter(equalities, name="b")
    G = cvxpy.Parameter((inequalities, n), name="G")
    h = cvxpy.Parameter(inequalities, name="h")
    z = cvxpy.Variable(n, name="z")
    problem = cvxpy.Problem(
        cvxpy.Minimize(0.5 * cvxpy.sum_squares(Q_sqrt @ z) + q @ z),
        [A @ z == b, G @ z <= h],
    )
    return CvxpyLayer(problem, [Q_sqrt, q, A, b, G, h], z, dtype="float64")


"""
## Solution and gradients
"""


def compare(layer, data, run):
    """Print the solution and the gradients of its sum beside what they should be."""
    parameters = [tf.constant(data[name].astype("float64")) for name in NAMES]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        z = layer(*parameters)
        total = tf.reduce_sum(z)
    gradients = tape.gradient(total, parameters)
    table = new_table("Largest differences", "", "from", "difference", "at most")
    rows = [
        ("solution", "published", np.abs(z - PUBLISHED).max(), 1e-6),
        ("solution", "exact", np.abs(z - data["exact_x"]).max(), 1e-6),
    ]
    for name, gradient in zip(NAMES, gradients, strict=True):
        apart = np.abs(gradient - data[f"grad_sum_{name}"]).max()
        rows.append((f"gradient in {name}", "exact", apart, 1e-8))
    for what, source, apart, most in rows:
        table.add_row(what, source, f"{apart:.1e}", f"{most:.0e}")
        run.expect(apart <= most, f"{what}: {apart:.1e} from the {source} one")
    console.print(table)
    return parameters


"""
## Along a line

All points of the line are one batch: only `h` has a batch axis, what is shared has
none.
"""


def along_a_line(layer, parameters, points):
    """Return the values of `h[0]`, the solutions, and their derivatives."""
    *shared, h = parameters
    values = np.linspace(float(h[0]) - 3.0, float(h[0]) + 1.5, points)
    line = np.tile(h.numpy(), (points, 1))
    line[:, 0] = values
    line = tf.constant(line)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(line)
        z = layer(*shared, line)
        parts = tf.unstack(z, axis=1)
    slopes = np.stack([tape.gradient(part, line)[:, 0] for part in parts], axis=1)
    return values, z.numpy(), slopes


def plot(values, z, slopes, run):
    """Draw the solution above its derivative."""
    figure, axes = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
    axes[0].plot(values, z)
    axes[0].set_ylabel("entries of the solution")
    axes[1].plot(values, slopes)
    axes[1].set_ylabel("their derivatives")
    axes[1].set_xlabel("first entry of h")
    run.save(figure, "optnet_qp.png")


"""
## Run it
"""


def main():
    run = Example("OptNet's quadratic program.", quick="fewer points of the line")

    data = stored("optnet_qp")
    layer = optnet(10, 5, 5)
    console.print(layer.describe(), highlight=False)
    parameters = compare(layer, data, run)
    values, z, slopes = along_a_line(layer, parameters, 31 if run.quick else 301)
    middle = slice(1, -1)
    differences = (z[2:] - z[:-2]) / (values[2:] - values[:-2])[:, None]
    apart = np.abs(differences - slopes[middle]).max(axis=1)
    console.print(
        f"on the line, derivatives are differences to 1e-6 at {np.sum(apart < 1e-6)} "
        f"of {apart.size} points; the others are next to a kink"
    )
    run.expect(
        np.sum(apart > 1e-6) <= 12,
        "the derivatives on the line are not the differences",
    )
    plot(values, z, slopes, run)
    run.finish()


if __name__ == "__main__":
    main()
