"""
Title: Data poisoning, seen through a trained classifier
Author: the tf_cvxlayers contributors
Date created: 2026/11/22
Last modified: 2026/11/22
Description: Logistic regression as a layer from its training points to its weights, and
    the gradient of the test loss with respect to the training points.
"""

"""
## Introduction

Fitting a classifier is a convex problem, whose parameters are the training points. As a
layer it maps training points to a fitted classifier, and can be differentiated: how
does the *test* loss change when a *training* point moves? Somebody who may shift each
training point a little, and wants to do harm, shifts it along the sign of that
derivative. The classifier is logistic regression with an elastic net,

    minimize  mean of log(1 + exp(a'x_i + b)) - y_i (a'x_i + b)
              + 0.1 || a ||_1 + 0.1 || a ||_2^2

as in section 6.1 of Agrawal et al., "Differentiable convex optimization layers" (2019).
"""


import cvxpy
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tools.harness import Example, console

from tf_cvxlayers import CvxpyLayer

# How far a point may be shifted in each coordinate.
SHIFT = 0.01

"""
## Data

Two wide, overlapping clouds of points; half of them to train, half to test.
"""


def clouds(points):
    """Return training points and labels, and test points and labels."""
    random = np.random.default_rng(1)
    labels = np.tile([0.0, 1.0], points)
    centres = np.where(labels[:, None] == 1.0, 2.0, -2.0)
    X = centres + 3.0 * random.normal(size=(2 * points, 2))
    return X[:points], labels[:points], X[points:], labels[points:]


"""
## The classifier as a layer
"""


def logistic_regression(labels):
    """Return the layer from training points to the fitted `a` and `b`."""
    X = cvxpy.Parameter((labels.size, 2), name="X")
    a, b = cvxpy.Variable(2, name="a"), cvxpy.Variable(name="b")
    scores = X @ a + b
    likelihood = cvxpy.sum(cvxpy.multiply(labels, scores) - cvxpy.logistic(scores))
    net = 0.1 * cvxpy.norm(a, 1) + 0.1 * cvxpy.sum_squares(a)
    problem = cvxpy.Problem(cvxpy.Maximize(likelihood / labels.size - net))
    return CvxpyLayer(problem, parameters=X, variables=[a, b], dtype="float64")


def test_loss(a, b, X, labels):
    """Return the mean logistic loss of a classifier."""
    scores = tf.linalg.matvec(tf.constant(X), a) + b
    losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.constant(labels), scores)
    return tf.reduce_mean(losses)


"""
## The attack

The derivative predicts by how much the attack raises the test loss: the shift times the
sum of absolute derivatives. Then we move the points, fit again, and see.
"""


def attack(points, run):
    """Return what the picture needs."""
    X, labels, X_test, labels_test = clouds(points)
    layer = logistic_regression(labels)
    training = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(training)
        a, b = layer(training)
        loss = test_loss(a, b, X_test, labels_test)
    gradient = tape.gradient(loss, training).numpy()
    predicted = SHIFT * np.abs(gradient).sum()
    poisoned = layer(X + SHIFT * np.sign(gradient))
    gained = float(test_loss(*poisoned, X_test, labels_test) - loss)
    console.print(
        f"test loss {float(loss):.6f}; shifting each training point by {SHIFT} raises "
        f"it by {gained:.3e}, predicted {predicted:.3e}"
    )
    run.expect(
        abs(gained - predicted) <= 0.05 * predicted,
        "the derivative does not predict the attack",
    )
    report = layer.check_gradients(X)
    console.print(f"derivatives and differences: {report.max_relative_error:.1e} apart")
    run.expect(report.max_relative_error <= 1e-5, "the derivative is wrong")
    best = logistic_regression(labels_test)(X_test)
    return X, labels, gradient, (a, b), best


def plot(X, labels, gradient, fitted, best, run):
    """Draw the points, the direction in which each does harm, and both classifiers."""
    figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
    for label, marker in ((0.0, "o"), (1.0, "^")):
        axis.scatter(
            *X[labels == label].T, marker=marker, s=30, label=f"class {label:.0f}"
        )
    arrows = 2.0 * gradient / np.abs(gradient).max()
    axis.quiver(
        *X.T,
        *arrows.T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.004,
        color="0.3",
    )
    reach = np.array([-9.0, 9.0])
    for (a, b), style, name in (
        (fitted, "C3--", "fitted to the training points"),
        (best, "C0", "fitted to the test points"),
    ):
        a, b = a.numpy(), float(b)
        axis.plot(reach, -(b + a[0] * reach) / a[1], style, label=name)
    axis.set_xlim(*reach)
    axis.set_ylim(*reach)
    axis.set_title("Where moving a training point raises the test loss")
    axis.legend(frameon=False, fontsize="small", loc="lower left")
    run.save(figure, "data_poisoning.png")


"""
## Run it
"""


def main():
    run = Example("Data poisoning.", quick="fewer points")

    picture = attack(10 if run.quick else 30, run)
    plot(*picture, run)
    run.finish()


if __name__ == "__main__":
    main()
