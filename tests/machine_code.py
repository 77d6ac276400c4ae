"""Compile the machine code that tests use, for processes that then find it on disk.

python -m tests.machine_code
"""

import cvxpy as cp
import numpy as np
import tensorflow as tf

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Compiled


def main() -> None:
    """Solve and differentiate a program without, and one with curved cones."""
    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    for terms in ([], [cp.sum(cp.exp(y))]):
        problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x) + sum(terms)), [y >= 0])
        layer = CvxpyLayer(problem, x, y, engine=Compiled(), dtype="float64")
        point = tf.constant(np.ones((2, 3)))
        with tf.GradientTape() as tape:
            tape.watch(point)
            total = tf.reduce_sum(layer(point))
        tape.gradient(total, point)


if __name__ == "__main__":
    main()
