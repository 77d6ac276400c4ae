"""
Title: Learning polytopes and ellipsoids from projections
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: A hidden convex set is learned from points and their projections onto it,
    through the derivative of the projection; with an animation.
"""

"""
## Introduction

Somebody projects points onto a convex set, and shows us the points and where they went.
Can we find the set? With an optimization layer this is ordinary training: the layer
projects onto *our* set, the loss is how far its answer is from the true one, and the
gradient of the loss says how to move the sides of our set.

The sets are polytopes `{y : G y <= h}` with ten sides, and ellipsoids `{y : || A (y -
z) ||^2 <= 2}`. For one polytope there is a published run, of 2500 steps with one point
each. The others are learned from larger batches.
"""


import keras
import matplotlib.animation
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
import tensorflow as tf
from tools.harness import Example, console, stored

from tf_cvxlayers import layers

SIDES = 10
LEARNING_RATE = 1e-2
WINDOW = 100
FRAMES = 50
# Single precision numbers of a solver with a tolerance of about this.
PRINTED_PRECISION = 2e-6

"""
## Sets as layers

The point `(1/2, 1/2)` is in all polytopes, and stays: `z0` and `s0` are not trained. So
`h = G z0 + s0` follows `G`, and no polytope can become empty.
"""


def polytope(G):
    """Return the projection onto a polytope around `(1/2, 1/2)`."""
    half = {"initializer": keras.initializers.Constant(0.5), "trainable": False}
    layer = layers.PolytopeProjection(SIDES, G=G, z0=half, s0=half, dtype="float64")
    layer.build((None, 2))
    return layer


def ellipsoid(A, z):
    """Return the projection onto an ellipsoid."""
    layer = layers.EllipsoidProjection(A=A, z=z, dtype="float64")
    layer.build((None, 2))
    return layer


def outside(layer, grid):
    """Return how far each point of a grid is outside of the layer's set: its border is
    where this is zero."""
    if isinstance(layer, layers.PolytopeProjection):
        G, z0, s0 = (weight.numpy() for weight in (layer.G, layer.z0, layer.s0))
        return np.max((grid - z0) @ G.T - s0, axis=-1)
    away = (grid - layer.z.numpy()) @ layer.A.numpy().T
    return 0.5 * np.sum(away**2, axis=-1) - 1.0


"""
## Training

The loss is the distance of two points, whose derivative at zero TensorFlow takes for
NaN: it is often zero here, wherever both sets leave a point alone. PyTorch takes it for
zero, and so do we.
"""


def mean_distance(y, z):
    """Return the mean distance of points, with derivative zero at zero."""
    squares = tf.reduce_sum((y - z) ** 2, axis=-1)
    positive = squares > 0
    return tf.reduce_mean(
        tf.where(positive, tf.sqrt(tf.where(positive, squares, 1.0)), 0.0)
    )


def learn(layer, points, targets, description):
    """Train a layer with one batch of points after the other.

    Return the loss of each batch, and the layer's weights before every few.
    """
    optimizer = keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8)
    optimizer.build(layer.trainable_variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = mean_distance(layer(x), y)
        gradients = tape.gradient(loss, layer.trainable_variables)
        optimizer.apply(gradients)
        return loss

    every = max(20, len(points) // FRAMES)
    losses, frames = [], []
    batches = tf.data.Dataset.from_tensor_slices((points, targets))
    for k, (x, y) in enumerate(
        rich.progress.track(batches, description, len(points), console=console)
    ):
        if k % every == 0:
            frames.append(layer.get_weights())
        losses.append(float(step(x, y)))
    frames.append(layer.get_weights())
    return np.array(losses), frames


def projected(layer, points):
    """Return the projections of all points, `[steps, batch, 2]`."""
    return layer(points.reshape(-1, 2)).numpy().reshape(points.shape)


"""
## The published polytope
"""


def rolling(losses):
    """Return the mean of each hundred losses in a row."""
    return np.convolve(losses, np.full(WINDOW, 1 / WINDOW), mode="valid")


def published(steps, run):
    """Learn the published polytope; return what the pictures need."""
    data = {name: of.astype("float64") for name, of in stored("polytope").items()}
    true, ours = polytope(data["G"]), polytope(data["G_start"])
    apart = np.abs(true(data["x"]) - data["y"]).max()
    console.print(f"projection of {data['x']}: {apart:.1e} from the published one")
    run.expect(
        apart <= PRINTED_PRECISION, f"the published projection is {apart:.1e} off"
    )
    points = data["points"][:steps, None]
    losses, frames = learn(ours, points, projected(true, points), "published polytope")
    means, reference = rolling(losses), rolling(data["losses"])
    for step in range(0, len(means), 500):
        console.print(
            f"steps {step} to {step + WINDOW}: mean loss {means[step]:.4f} "
            f"(reference {reference[step]:.4f})"
        )
    # With this optimizer, single and double precision part after 1370 steps.
    same = np.abs(losses - data["losses"][: len(losses)])[:1000].max()
    console.print(f"largest difference from the reference in 1000 steps: {same:.1e}")
    run.expect(same <= 1e-3, f"the losses are {same:.1e} from the reference")
    return {"polytope, as published": (true, ours, frames)}, means, reference


"""
## More shapes
"""


def shapes(seeds, steps, batch):
    """Learn more polytopes, of the seeds 0 and 1, and ellipsoids, of the others."""
    found = {}
    for seed in seeds:
        random = np.random.default_rng(seed)
        if seed < 2:
            name = f"polytope {seed + 2}"
            true, ours = (polytope(random.uniform(-4, 4, (SIDES, 2))) for _ in "ab")
        else:
            name = f"ellipsoid {seed - 1}"
            true = ellipsoid(
                np.eye(2) + random.normal(size=(2, 2)), 0.5 * random.normal(size=2)
            )
            ours = ellipsoid(np.eye(2), np.zeros(2))
        points = 1.5 * random.normal(size=(steps, batch, 2))
        losses, frames = learn(ours, points, projected(true, points), name)
        first, last = np.mean(losses[:WINDOW]), np.mean(losses[-WINDOW:])
        console.print(f"{name}: mean loss {first:.4f} at first, {last:.4f} at last")
        found[name] = true, ours, frames
    return found


"""
## Pictures
"""


def animate(found, run):
    """Draw the true sets, and the learned ones as they come."""
    rows = -(-len(found) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(9, 3 * rows), layout="constrained")

    def draw(frame):
        for axis, (name, (true, ours, frames)) in zip(
            axes.flat, found.items(), strict=True
        ):
            axis.clear()
            ours.set_weights(frames[min(frame, len(frames) - 1)])
            first, last = (0.0, 1.0) if "polytope" in name else (-2.5, 2.5)
            line = np.linspace(first, last, 200)
            grid = np.stack(np.meshgrid(line, line), axis=-1)
            axis.contour(line, line, outside(true, grid), [0], colors="k")
            axis.contour(line, line, outside(ours, grid), [0], colors="C3")
            axis.set_title(name, fontsize="medium")
            axis.set_aspect("equal")
            axis.set_xticks([])
            axis.set_yticks([])

    last = max(len(frames) for _, _, frames in found.values()) - 1
    times = [0] * 5 + list(range(last)) + [last] * 10
    animation = matplotlib.animation.FuncAnimation(figure, draw, times)
    path = run.path("learning_sets.gif")
    animation.save(path, matplotlib.animation.PillowWriter(10), dpi=60)
    plt.close(figure)
    console.print(f"animation (black: hidden, red: learned): {path}")


def plot(means, reference, run):
    """Draw the rolling loss of the published polytope."""
    figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axis.plot(np.arange(reference.size) + WINDOW, reference, "k", label="reference")
    axis.plot(np.arange(means.size) + WINDOW, means, "C3--", label="tf_cvxlayers")
    axis.set_xlabel("step")
    axis.set_ylabel("mean loss of the last 100 steps")
    axis.set_ylim(0, None)
    axis.legend(frameon=False)
    run.save(figure, "learning_sets.png")


"""
## Run it
"""


def main():
    run = Example("Convex sets, learned.", quick="a few hundred steps")

    if run.quick:
        found, means, reference = published(200, run)
        found |= shapes([0, 2], steps=110, batch=16)
    else:
        found, means, reference = published(2500, run)
        found |= shapes(range(5), steps=1000, batch=16)
    animate(found, run)
    plot(means, reference, run)
    run.finish()


if __name__ == "__main__":
    main()
