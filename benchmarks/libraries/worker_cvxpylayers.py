"""cvxpylayers (PyTorch) as a worker; runs in the environment of the peers."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from cvxpylayers.torch import CvxpyLayer
from instances.workloads import LARGE, WORKLOADS

from libraries import protocol, statements
from libraries.torch_step import leaves_of, training_step

#: What is handed to the layer. The first two are SCS through diffcp, which is the
#: library's default. Its own tolerance is 1e-4 or so, hence the second row, which is
#: comparable in accuracy to what the other libraries return.
VARIANTS: dict[str, dict] = {
    "defaults": {},
    "accuracy 1e-8": {"solver_args": {"eps": 1e-8}},
    "moreau": {"solver": "MOREAU"},
}
#: With Moreau, CVXPY hands over bounds on a variable (``z >= 0``) as cones of the
#: variable's own instead of rows of the matrix, and cvxpylayers 1.2.0 does not pass
#: those on: what is solved is the problem without its bounds. That leaves out relu,
#: sudoku and sparsemax.
WITHOUT_BOUNDS = tuple(
    name
    for name, workload in WORKLOADS.items()
    if workload.form in ("quadratic", "ellipsoid", "chain", "variation", "control")
)
#: Large programs take minutes with SCS.
SMALL = tuple(name for name, one in WORKLOADS.items() if one.form not in LARGE)


class Cvxpylayers:
    """Times ``layer(...)`` and ``torch.autograd.grad``."""

    name = "cvxpylayers"
    version = ", ".join(
        [version("cvxpylayers")]
        + [f"{name} {version(name)}" for name in ("diffcp", "scs", "moreau", "torch")]
    )
    variants = dict.fromkeys(VARIANTS, SMALL) | {"moreau": WITHOUT_BOUNDS}

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; parameters shared by the batch are passed as they are.

        Repeating them, which older versions asked for, was measured too: the two
        ways take the same time, within the noise.
        """
        leaves = leaves_of(workload, instance)
        statement = statements.state(workload, instance)
        layer = CvxpyLayer(
            statement.problem,
            parameters=[statement.parameters[name] for name in leaves],
            variables=[statement.variable],
            **VARIANTS[variant],
        )
        return training_step(leaves, instance, lambda fed: layer(*fed.values())[0])


if __name__ == "__main__":
    protocol.serve(Cvxpylayers())
