"""proxsuite (ProxQP, PyTorch) as a worker."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import torch
from instances.workloads import WORKLOADS
from proxsuite.torch.qplayer import QPFunction

from libraries import protocol
from libraries.derivations import DERIVATIONS, QUADRATIC
from libraries.torch_step import leaves_of, training_step

#: Forward stops at 1e-9 by default, backward at 1e-4. Its regularization counts too.
VARIANTS = {
    "defaults": {},
    "accuracy 1e-8": {
        "eps_backward": 1e-8,
        "rho_backward": 1e-10,
        "mu_backward": 1e-10,
    },
}
#: What the library's documentation takes for a bound that is not there.
NO_BOUND = -1e20


class Proxsuite:
    """Times ``QPFunction``, which solves the elements one after the other.

    As with qpth, Q = L'L and the way back to L are part of the step.
    """

    name = "proxsuite"
    version = f"{version('proxsuite')}, torch {version('torch')}"
    variants = dict.fromkeys(VARIANTS, QUADRATIC)

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; its matrices are derived from the parameters each time."""
        leaves = leaves_of(workload, instance)
        derive = DERIVATIONS[WORKLOADS[workload].form](leaves)
        program = QPFunction(**VARIANTS[variant])

        def solve(leaves):
            Q, q, A, b, G, h = derive(leaves).batched()
            low = torch.full_like(h, NO_BOUND)
            return program(Q, q, A, b, G, low, h)[0]

        return training_step(leaves, instance, solve)


if __name__ == "__main__":
    # Gradients are rounded to the default type, whatever the type of the arguments.
    torch.set_default_dtype(torch.float64)
    protocol.serve(Proxsuite())
