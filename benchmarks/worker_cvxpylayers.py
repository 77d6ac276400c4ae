"""cvxpylayers (PyTorch) as a worker; runs in the environment of the peers."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import problems
import protocol
import torch
from cvxpylayers.torch import CvxpyLayer
from workloads import COTANGENT, SOLUTION, WORKLOADS

#: What is handed to the solver, SCS through diffcp, which is the library's default.
#: Its own tolerance is 1e-4 or so, hence the second row, which is comparable in
#: accuracy to what the other libraries return.
SOLVER_ARGUMENTS = {
    "defaults": {},
    "accuracy 1e-8": {"eps": 1e-8},
}


class Cvxpylayers:
    """Times ``layer(...)`` and ``torch.autograd.grad``."""

    name = "cvxpylayers"
    version = ", ".join(
        [version("cvxpylayers")]
        + [f"{name} {version(name)}" for name in ("diffcp", "scs", "torch")]
    )
    variants = tuple(SOLVER_ARGUMENTS)
    workloads = tuple(problems.names())

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; parameters shared by the batch are passed as they are.

        Repeating them, which older versions asked for, was measured too: the two
        ways take the same time, within the noise.
        """
        names = WORKLOADS[workload].parameters
        statement = problems.state(workload, instance)
        layer = CvxpyLayer(
            statement.problem,
            parameters=[statement.parameters[name] for name in names],
            variables=[statement.variable],
            solver_args=SOLVER_ARGUMENTS[variant],
        )
        leaves = [torch.from_numpy(instance[name]) for name in names]
        for leaf in leaves:
            leaf.requires_grad_()
        cotangent = torch.from_numpy(instance[COTANGENT])

        def step() -> dict[str, np.ndarray]:
            (z,) = layer(*leaves)
            gradients = torch.autograd.grad((z * cotangent).sum(), leaves)
            answer = {
                name: gradient.numpy()
                for name, gradient in zip(names, gradients, strict=True)
            }
            return {SOLUTION: z.detach().numpy(), **answer}

        return step


if __name__ == "__main__":
    protocol.serve(Cvxpylayers())
