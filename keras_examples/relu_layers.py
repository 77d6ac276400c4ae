"""
Title: ReLU layers as convex optimization problems
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Trains two ReLU layers, each written as a quadratic program with learned
    parameters, and compares every loss with two published runs.
"""

"""
## Introduction

A ReLU layer `z = max(W x + b, 0)` projects `W x + b` onto the vectors without negative
entries, and a projection is a convex optimization problem:

    minimize    || z - Wtilde x - b ||^2
    subject to  z >= 0,  Wtilde == W

The copy `Wtilde` of `W` is there because CVXPY has to see at once that the problem
stays convex whatever the parameters are (it calls this rule DPP): `W x` would multiply
two parameters, `Wtilde x` multiplies a variable and a parameter.

Nobody should compute a ReLU in this way. It makes a good first example because the
right answer is known: the network below has to train as the ordinary network does. It
also has a published record. The authors of CVXPY's differentiable layers trained this
network in PyTorch and in TensorFlow and printed the loss before each of 25 steps. We
start from the same weights and the same data.
"""

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from tools.harness import Example, console, new_table, stored

from tf_cvxlayers import layers

SAMPLES = 300

# The published losses of the first run are single precision numbers near 1.
PRINTED_PRECISION = 2e-7
# Keras keeps an optimizer's constants in single precision: its momentum is
# 0.8999999762, and that alone moves the losses by 2e-8.
SGD_TOLERANCE = 1e-6

"""
## The layer and the network

`layers.DenseReLU` states this problem in CVXPY and wraps it in a `CvxpyLayer`, with `x`
fed and `W` and `b` its weights; here they start from given arrays. It is a Keras layer
like any other, so it goes straight into a `Sequential` model, in front of an ordinary
`Dense` layer.
"""


def relu_layer(weights, biases, name):
    """Return the layer `max(weights @ x + biases, 0)`, solved as a problem."""
    return layers.DenseReLU(
        len(biases), W=weights, b=biases, dtype="float64", name=name
    )


def two_relu_layers(start):
    """Return the network with the weights with which a published run started."""
    regression = keras.layers.Dense(1, dtype="float64", name="regression")
    model = keras.Sequential(
        [
            keras.Input((start["inputs"].shape[1],), dtype="float64"),
            relu_layer(start["weights_1"], start["biases_1"], name="relu_1"),
            relu_layer(start["weights_2"], start["biases_2"], name="relu_2"),
            regression,
        ]
    )
    regression.set_weights([start["kernel"], start["bias"]])
    return model


def published_run(archive, prefix):
    """Return the arrays of one run, in the float64 in which everything is computed."""
    return {
        key.removeprefix(f"{prefix}_"): archive[key].astype("float64")
        for key in archive
        if key.startswith(f"{prefix}_")
    }


"""
## The optimizers

PyTorch and Keras differ in one detail of Adam. Write `m` and `v` for the running means
of the gradient and of its square, and `c` for the correction `sqrt(1 - beta_2 ** step)`
of the start of `v`. PyTorch divides by `sqrt(v) / c + epsilon`, Keras by
`(sqrt(v) + epsilon) / c`. So PyTorch's `epsilon` is `epsilon * c` in Keras' formula: 32
times smaller at the first step. The difference shows in the second loss already, in the
sixth decimal, so for the PyTorch run we put `epsilon` where PyTorch has it. The
TensorFlow run was made with the formula that Keras still has, and needs no change.
"""


class TorchAdam(keras.optimizers.Adam):
    """Adam with `epsilon` added after the correction of the second moment."""

    def update_step(self, gradient, variable, learning_rate):
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        beta_2 = keras.ops.cast(self.beta_2, variable.dtype)
        epsilon = self.epsilon
        self.epsilon = epsilon * keras.ops.sqrt(1 - keras.ops.power(beta_2, step))
        super().update_step(gradient, variable, learning_rate)
        self.epsilon = epsilon


"""
## Training

One batch holds all 300 samples, as in the published runs. Keras reports for an epoch
the loss of its batches as they came in, each before its update. With one batch per
epoch the k-th reported loss is therefore the loss before step k, which is just what was
published. (No validation data: the published runs had none, and the targets are noise,
so there is nothing to generalise to.)
"""


def train(title, start, optimizer, epochs):
    """Return the loss before each step."""
    console.rule(title)
    model = two_relu_layers(start)
    model.compile(optimizer=optimizer, loss="mse")
    started = time.perf_counter()
    history = model.fit(
        start["inputs"],
        start["targets"],
        batch_size=SAMPLES,
        shuffle=False,
        epochs=epochs,
    )
    seconds = time.perf_counter() - started
    console.print(
        f"{2 * SAMPLES * epochs} problems solved and differentiated "
        f"in {seconds:.1f} s, start-up included"
    )
    return np.array(history.history["loss"])


"""
## What can be compared, and how closely

At the start, 13 of the 20 neurons of the second layer in the PyTorch run (15 in the
TensorFlow run) are dead: no sample makes them positive. The exact gradient of their
weights is zero, and a ReLU computed as usual returns exactly that. A solver returns
zero up to rounding, say 3e-11. Adam then divides it by its own size plus `epsilon`:
with `epsilon = 1e-8`, a gradient that means nothing moves a weight by 0.3 % of a full
step. That is enough to bring some dead neurons to life, and from there on the runs
part. The published runs contain such noise from their solver, and nobody can reproduce
it without that very solver.

So we compare in two ways:

* The losses before steps 0 and 1 cannot have felt the noise yet. They have to agree to
  the digits printed. (Step 1 follows the first update, where the noise enters, but it
  has not reached the output.)
* Later losses are set against an *envelope*: the smallest and largest loss that an
  ordinary ReLU network had in 200 runs with normal noise of size 3e-11 added to each
  gradient. Ours should lie inside it, as the published ones do, and close to the
  noiseless ReLU network.

A third run trains with momentum in place of Adam. Without the division the noise stays
as small as it is, so 70 steps have to agree with an ordinary ReLU network throughout.
"""


def compare(title, losses, start):
    """Print one published run beside ours; return whether steps 0 and 1 agree."""
    published, plain, lowest, highest = (
        start[key][: len(losses)]
        for key in (
            "published_losses",
            "plain_relu_losses",
            "envelope_min",
            "envelope_max",
        )
    )
    inside = (losses >= lowest - PRINTED_PRECISION) & (
        losses <= highest + PRINTED_PRECISION
    )
    table = new_table(
        title, "step", "published", "ours", "difference", "envelope", "inside"
    )
    for step, loss in enumerate(losses):
        table.add_row(
            str(step),
            f"{published[step]:.7f}",
            f"{loss:.7f}",
            f"{loss - published[step]:+.1e}",
            f"{lowest[step]:.7f} to {highest[step]:.7f}",
            "yes" if inside[step] else "no",
        )
    console.print(table)
    console.print(
        f"largest difference: {np.abs(losses - published).max():.1e} from the "
        f"published run, {np.abs(losses - plain).max():.1e} from an ordinary ReLU "
        f"network; inside the envelope: {inside.sum()} of {len(losses)}"
    )
    return np.abs(losses - published)[:2].max() <= PRINTED_PRECISION


def plot(adam_runs, momentum_losses, momentum_reference, run):
    """Draw the runs with Adam above their envelopes, and the run with momentum."""
    figure, axes = plt.subplots(
        1, len(adam_runs) + 1, figsize=(13, 4), layout="constrained"
    )
    for axis, (title, (start, losses)) in zip(axes, adam_runs.items(), strict=False):
        steps = np.arange(len(start["published_losses"]))
        axis.fill_between(
            steps,
            start["envelope_min"],
            start["envelope_max"],
            color="0.85",
            label="ordinary ReLU, gradient noise 3e-11",
        )
        axis.plot(steps, start["published_losses"], "k.", label="published")
        axis.plot(losses, color="tab:orange", label="tf_cvxlayers")
        axis.set_title(title)
    axes[-1].plot(momentum_reference, "k.", label="ordinary ReLU")
    axes[-1].plot(momentum_losses, color="tab:orange", label="tf_cvxlayers")
    axes[-1].set_title("SGD with momentum")
    for axis in axes:
        axis.set_xlabel("step")
        axis.legend(frameon=False, fontsize="small")
    axes[0].set_ylabel("mean squared error before the step")
    run.save(figure, "relu_layers.png")


"""
## All three runs
"""


def main():
    run = Example("ReLU layers as convex problems.", quick="train for a few steps")
    adam_steps, momentum_steps = (3, 5) if run.quick else (25, 70)

    # The loss that Keras reports has this precision.
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(0)

    archive = stored("relu_layers")
    torch_run = published_run(archive, "torch")
    tensorflow_run = published_run(archive, "tensorflow")
    optimizers = {
        "PyTorch data, Adam": (torch_run, TorchAdam(1e-2, epsilon=1e-8)),
        "TensorFlow data, Adam": (
            tensorflow_run,
            keras.optimizers.Adam(1e-2, epsilon=1e-7),
        ),
    }

    console.print(two_relu_layers(torch_run).layers[0].describe(), highlight=False)
    adam_runs = {}
    for title, (start, optimizer) in optimizers.items():
        losses = train(title, start, optimizer, adam_steps)
        run.expect(
            compare(title, losses, start),
            f"{title}: steps 0 and 1 are not the published ones",
        )
        adam_runs[title] = start, losses

    title = "PyTorch data, SGD with momentum"
    reference = torch_run["sgd_plain_relu_losses"]
    losses = train(
        title,
        torch_run,
        keras.optimizers.SGD(0.25, momentum=0.9),
        momentum_steps,
    )
    difference = np.abs(losses - reference[:momentum_steps]).max()
    console.print(
        f"largest difference from an ordinary ReLU network in {momentum_steps} steps: "
        f"{difference:.1e}; last loss {losses[-1]:.7f}"
    )
    run.expect(difference <= SGD_TOLERANCE, f"{title}: off by {difference:.1e}")

    plot(adam_runs, losses, reference, run)
    run.finish()


if __name__ == "__main__":
    main()
