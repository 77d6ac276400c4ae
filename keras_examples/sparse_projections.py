"""
Title: Sparse and constrained attention
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Sparsemax, capped softmax and sparsemax and the limited multi-label layer:
    their published outputs, and each as the attention of a small digit classifier.
"""

"""
## Introduction

A softmax gives every input some weight. Four projections do it differently:

    sparsemax     || y - x ||^2      on  sum(y) == 1, y >= 0         exact zeros
    csparsemax    || y - x ||^2      on  sum(y) == 1, 0 <= y <= u    zeros, and a cap
    csoftmax      -x'y - H(y)        on  sum(y) == 1, y <= u         a cap
    LML           -x'y - H_b(y)      on  sum(y) == k                 a soft choice of k

`tf_cvxlayers.layers` has them all. First we ask them for the outputs that the tutorial
of CVXPY's layers prints. Then each becomes the attention in a classifier of handwritten
digits that looks at an image row by row and has to decide which rows matter.
"""


import keras
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.progress
import rich.table
import sklearn.datasets
from tools.harness import Example, console, new_table

from tf_cvxlayers import layers

# The published input and outputs; where a zero is meant, a solver's 1e-10 was printed.
X = [1.5409961, -0.2934289, -2.1787894, 0.56843126]
PUBLISHED = {
    "sparsemax": [0.98628241, 0.0, 0.0, 0.013717593],
    "csoftmax": [0.5000002, 0.1420723, 0.02156317, 0.33636498],
    "csparsemax": [0.5, 0.0, 0.0, 0.5],
    "LML": [0.8254717, 0.43031406, 0.10285254, 0.64136344],
}
# As accurate as the printed outputs are.
PRINTED_PRECISION = 3e-6

"""
## Published outputs
"""


def published(run):
    """Print the layers' outputs beside the published ones."""
    projections = {
        "sparsemax": layers.Sparsemax(dtype="float64"),
        "csoftmax": layers.ConstrainedSoftmax(0.5, dtype="float64"),
        "csparsemax": layers.ConstrainedSparsemax(0.5, dtype="float64"),
        "LML": layers.LimitedMultiLabel(2, dtype="float64"),
    }
    table = new_table(
        "Projections of the published input", "layer", "output", "largest difference"
    )
    for name, layer in projections.items():
        y = layer(np.array(X)).numpy()
        apart = np.abs(y - PUBLISHED[name]).max()
        table.add_row(name, " ".join(f"{entry:.8f}" for entry in y), f"{apart:.1e}")
        run.expect(
            apart <= PRINTED_PRECISION, f"{name}: {apart:.1e} from the published output"
        )
    console.print(table)


"""
## Attention over the rows of a digit

Each of an image's eight rows gets features, and a score from a look at the whole image.
The attention turns the eight scores into weights, and the classifier sees the weighted
sum of the features. The cap of 1/4 forces the attention to look at four rows at least;
LML with k = 3 adds up to three.
"""

ATTENTIONS = {
    "softmax": keras.layers.Softmax,
    "sparsemax": layers.Sparsemax,
    "csoftmax, u = 1/4": lambda: layers.ConstrainedSoftmax(0.25),
    "csparsemax, u = 1/4": lambda: layers.ConstrainedSparsemax(0.25),
    "LML, k = 3": lambda: layers.LimitedMultiLabel(3),
}


def digits():
    """Return training and test images in [0, 1], with their labels."""
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8).astype("float32")
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    return images[:1300], labels[:1300], images[1300:], labels[1300:]


def classifier(attention):
    """Return a classifier, and the model of its attention weights."""
    image = keras.Input((8, 8))
    features = keras.layers.Dense(32, "relu")(image)
    whole = keras.layers.Dense(32, "relu")(keras.layers.Flatten()(image))
    scores = keras.layers.Dense(8)(whole)
    weights = attention(scores)
    seen = keras.layers.Dot(axes=1)([weights, features])
    outputs = keras.layers.Dense(10)(keras.layers.Dense(32, "relu")(seen))
    return keras.Model(image, outputs), keras.Model(image, weights)


def train(epochs, count):
    """Train with each attention; return accuracy and weights on test data."""
    images, labels, test_images, test_labels = digits()
    found = {}
    for name, attention in rich.progress.track(
        ATTENTIONS.items(), "training", console=console
    ):
        keras.utils.set_random_seed(0)
        model, weights = classifier(attention())
        model.compile(
            keras.optimizers.Adam(3e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(images[:count], labels[:count], 50, epochs=epochs, verbose=0)
        _, accuracy = model.evaluate(test_images, test_labels, verbose=0)
        found[name] = accuracy, weights.predict(test_images, verbose=0), test_labels
    return found


def describe(found, run):
    """Print what each attention does."""
    table = new_table(
        "Digit classifiers",
        "attention",
        "test accuracy",
        "rows seen",
        "largest weight",
        "sum",
    )
    for name, (accuracy, weights, _) in found.items():
        rows = np.mean(np.sum(weights > 1e-6, axis=1))
        table.add_row(
            name,
            f"{accuracy:.1%}",
            f"{rows:.2f}",
            f"{weights.max():.4f}",
            f"{weights.sum(axis=1).mean():.4f}",
        )
        run.expect(
            "1/4" not in name or weights.max() <= 0.25 + 1e-6,
            f"{name}: a weight above the cap",
        )
    console.print(table)


def plot(found, run):
    """Draw the mean weight of each row, for each digit."""
    figure, axes = plt.subplots(1, len(found), figsize=(12, 3), layout="constrained")
    for axis, (name, (accuracy, weights, labels)) in zip(
        axes, found.items(), strict=True
    ):
        means = np.stack([weights[labels == digit].mean(axis=0) for digit in range(10)])
        axis.imshow(means.T, cmap="Blues", vmin=0, vmax=1)
        axis.set_title(f"{name}: {accuracy:.1%}", fontsize="medium")
        axis.set_xlabel("digit")
        axis.set_xticks(range(0, 10, 3))
    axes[0].set_ylabel("row of the image")
    run.save(figure, "sparse_projections.png")


"""
## Run it
"""


def main():
    run = Example("Sparse and constrained attention.", quick="one epoch, few images")

    published(run)
    found = train(*(1, 200) if run.quick else (30, 1300))
    describe(found, run)
    plot(found, run)
    run.finish()


if __name__ == "__main__":
    main()
