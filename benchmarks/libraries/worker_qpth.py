"""qpth (PyTorch), the library of OptNet, as a worker."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from instances.workloads import WORKLOADS
from qpth.qp import QPFunction

from libraries import protocol
from libraries.derivations import DERIVATIONS, QUADRATIC
from libraries.torch_step import leaves_of, training_step


class Qpth:
    """Times ``QPFunction``, a batched interior-point method, at its defaults.

    Those ask for 1e-12 and stop after 20 iterations, or three without progress. The
    library takes ``Q`` and not its root: Q = L'L, and the way back to L, are part of
    the step, as they would be for whoever learns L. Equalities and inequalities are
    dense matrices, bounds as well.
    """

    name = "qpth"
    version = f"{version('qpth')}, torch {version('torch')}"
    variants = dict.fromkeys(["defaults"], QUADRATIC)

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; its matrices are derived from the parameters each time."""
        leaves = leaves_of(workload, instance)
        derive = DERIVATIONS[WORKLOADS[workload].form](leaves)
        program = QPFunction(verbose=-1)

        def solve(leaves):
            Q, q, A, b, G, h = derive(leaves).batched()
            return program(Q, q, G, h, A, b)

        return training_step(leaves, instance, solve)


if __name__ == "__main__":
    protocol.serve(Qpth())
