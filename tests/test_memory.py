"""Memory stays flat over thousands of calls."""

import subprocess
import sys

import pytest

_SCRIPT = """
import sys

import cvxpy as cp
import numpy as np
import psutil
import tensorflow as tf

from tf_cvxlayers import CvxpyLayer

x, y = cp.Parameter(4, name="x"), cp.Variable(4, name="y")
problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1, y >= 0])
layer = CvxpyLayer(problem, x, y, dtype="float64")
values = tf.constant(np.random.default_rng(0).normal(size=(4, 4)))


def forward_and_backward():
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(layer(values)[:, 0])
    tape.gradient(total, values)


def forward_under_an_unused_tape():
    with tf.GradientTape() as tape:
        tape.watch(values)
        layer(values)


step = globals()[sys.argv[1]]
resident = lambda: psutil.Process().memory_info().rss
for _ in range(500):  # graphs are traced and pools are filled
    step()
before = resident()
for _ in range(5000):
    step()
growth = resident() / before - 1.0
assert growth < 0.03, f"memory grew by {growth:.1%}"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", ["forward_and_backward", "forward_under_an_unused_tape"]
)
def test_memory_stays_flat_over_five_thousand_calls(step):
    subprocess.run([sys.executable, "-c", _SCRIPT, step], check=True)
