"""
Title: Tuning a control policy by gradient descent
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Approximate dynamic programming: a policy that solves a second-order cone
    program at each time step is trained through 25 steps of a noisy system, and its
    costs are those of two published runs.
"""

"""
## Introduction

A system moves from its state `x` to `A x + B u + noise`, where `u` is what we do, and
must be in the unit ball. States and controls cost their squared lengths. Without the
bound on `u` the best policy is known: it minimizes a quadratic function of `u` that a
Riccati equation gives. With the bound nobody knows it, and a common remedy is to keep
the form of the policy,

    u(x) = argmin_u  1/2 || P_sqrt u ||^2 + x'P_21 u + q'u   subject to  || u || <= 1

and to look for better `P_sqrt`, `P_21` and `q`. Here that is training: the layer is the
policy, a simulation of 25 time steps calls it again and again, the loss is the average
cost, and its gradient goes back through all 25 cone programs.

The authors of CVXPY's layers published 100 costs of such a training, in TensorFlow and
in PyTorch, which differ in their noise. We start from the same policy, with their
noise.
"""


import cvxpy
import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
import tensorflow as tf
from tools.harness import Example, console, stored

from tf_cvxlayers import CvxpyLayer

ITERATIONS = 100
NOISE = 0.2
# The costs were printed with six digits.
PRINTED_PRECISION = 1e-5

"""
## The policy

The parameters of the policy are learned, the state is fed. `x'P_21 u` would multiply
two parameters, so `P_21 u` has a name of its own.
"""


def policy_layer(P_sqrt, P_21):
    """Return the policy, from the state to the control."""
    n, m = P_21.shape
    x = cvxpy.Parameter(n, name="x")
    root = cvxpy.Parameter((m, m), name="P_sqrt")
    mixed = cvxpy.Parameter((n, m), name="P_21")
    q = cvxpy.Parameter(m, name="q")
    u, y = cvxpy.Variable(m, name="u"), cvxpy.Variable(n, name="y")
    objective = 0.5 * cvxpy.sum_squares(root @ u) + x @ y + q @ u
    problem = cvxpy.Problem(
        cvxpy.Minimize(objective), [cvxpy.norm(u) <= 1, y == mixed @ u]
    )
    return CvxpyLayer(
        problem,
        parameters=x,
        variables=u,
        learned={root: P_sqrt, mixed: P_21, q: "zeros"},
        dtype="float64",
    )


"""
## The simulation

Eight runs side by side are one batch: each step in time solves eight problems. Within a
`tf.function` the loop over time is a loop of the graph, which holds the layer once.
"""


def average_cost(policy, A, B, noise):
    """Return the cost of the runs `[runs, time, n]`, each of which starts at zero."""
    runs, horizon, n = noise.shape
    noise = tf.constant(noise)
    x = tf.zeros([runs, n], tf.float64)
    cost = tf.constant(0.0, tf.float64)
    for t in tf.range(horizon):
        u = policy(x)
        cost += tf.reduce_sum(x**2) + tf.reduce_sum(u**2)
        x = x @ A.T + u @ B.T + NOISE * noise[:, t]
    return cost / (runs * horizon)


def train(policy, A, B, noise, iterations, title):
    """Train on the same noise each time; return the cost before each step."""
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    optimizer.build(policy.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            cost = average_cost(policy, A, B, noise)
        optimizer.apply(tape.gradient(cost, policy.trainable_variables))
        return cost

    steps = rich.progress.track(range(iterations), title, console=console)
    return np.array([float(step()) for _ in steps])


def plot(runs, run):
    """Draw the costs beside the published ones."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, (title, (costs, published)) in zip(axes, runs.items(), strict=True):
        axis.plot(published, "k.", label="published")
        axis.plot(costs, color="C1", label="tf_cvxlayers")
        axis.set_title(title)
        axis.set_xlabel("iteration")
        axis.legend(frameon=False)
    axes[0].set_ylabel("average cost")
    run.save(figure, "stochastic_control.png")


"""
## Run it
"""


def main():
    run = Example("A control policy, tuned.", quick="ten iterations")
    # Keras keeps an optimizer's variables in this precision.
    keras.config.set_floatx("float64")

    data = stored("stochastic_control")
    iterations = 10 if run.quick else ITERATIONS
    runs = {}
    for title, key in (("noise of TensorFlow", "tf"), ("noise of PyTorch", "torch")):
        policy = policy_layer(data["P_sqrt0"], data["P_21_0"])
        noise = data[f"noise_{key}"][..., 0]
        costs = train(policy, data["A"], data["B"], noise, iterations, title)
        published = data[f"published_losses_{key}"]
        apart = np.abs(costs - published[:iterations]).max()
        console.print(
            f"{title}: cost {costs[0]:.6f} at first (published {published[0]:g}), "
            f"{costs[-1]:.6f} before step {iterations} "
            f"(published {published[iterations - 1]:g}); "
            f"largest difference of {iterations}: {apart:.1e}"
        )
        run.expect(
            apart <= PRINTED_PRECISION,
            f"{title}: a cost is {apart:.1e} from the published one",
        )
        runs[title] = costs, published[:iterations]
    plot(runs, run)
    run.finish()


if __name__ == "__main__":
    main()
