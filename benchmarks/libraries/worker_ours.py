"""tf_cvxlayers as a worker, eager and inside ``tf.function``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from instances.arrays import COTANGENT, SOLUTION
from instances.workloads import WORKLOADS

import tf_cvxlayers
from libraries import protocol, statements
from tf_cvxlayers import CvxpyLayer

try:
    from tf_cvxlayers.runtime.graphs import FIRST_CALLS
except ImportError:  # a version before it had any
    FIRST_CALLS = 0

#: How the same step is called; the layer and its engine are the same in both.
WRAPPERS: dict[str, Callable] = {"eager": lambda step: step, "tf.function": tf.function}


class Ours:
    """Times the layer under a ``tf.GradientTape``, with the engine it chooses."""

    name = "tf_cvxlayers"
    version = f"{tf_cvxlayers.__version__}, tensorflow {tf.__version__}"
    variants = dict.fromkeys(WRAPPERS, tuple(WORKLOADS))

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; parameters shared by the batch become learned weights."""
        names = WORKLOADS[workload].parameters
        shared = WORKLOADS[workload].shared
        fed = [name for name in names if name not in shared]
        statement = statements.state(workload, instance)
        layer = CvxpyLayer(
            statement.problem,
            parameters=[statement.parameters[name] for name in fed],
            variables=statement.variable,
            learned={statement.parameters[name]: instance[name] for name in shared},
            dtype="float64",
        )
        inputs = [tf.constant(instance[name]) for name in fed]
        cotangent = tf.constant(instance[COTANGENT])
        layer(*inputs)
        weights = {weight.name: weight.value for weight in layer.trainable_weights}
        shared_weights = [weights[name] for name in shared]

        def forward_backward(inputs, cotangent):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                z = layer(*inputs)
                loss = tf.reduce_sum(z * cotangent)
            sources = dict(zip(fed, inputs, strict=True))
            sources |= dict(zip(shared, shared_weights, strict=True))
            return {SOLUTION: z, **tape.gradient(loss, sources)}

        wrapped = WRAPPERS[variant](forward_backward)
        if variant == "eager":
            # The first ones run op by op.
            for _ in range(FIRST_CALLS):
                wrapped(inputs, cotangent)

        def step() -> dict[str, np.ndarray]:
            answer = wrapped(inputs, cotangent)
            return {name: tensor.numpy() for name, tensor in answer.items()}

        return step


if __name__ == "__main__":
    protocol.serve(Ours())
