"""dQP (PyTorch) as a worker: any solver forward, the active set backward."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np
import torch
from dqp import dQP
from instances.sparse_forms import FORMS
from instances.workloads import LARGE, WORKLOADS
from torch import Tensor

from libraries import protocol
from libraries.derivations import size_of, sparse_torch
from libraries.torch_step import leaves_of, training_step

#: The two solvers that are fastest on these, asked for what the others are asked for.
#: What is active is told from what is not at 1e-6.
VARIANTS = {"PIQP": "piqp", "Clarabel": "clarabel"}


class DQP:
    """Times ``dQP_layer`` on sparse matrices, one element after another."""

    name = "dqp"
    version = ", ".join(
        f"{name} {version(name)}" for name in ("libdqp", "piqp", "clarabel", "qdldl")
    )
    variants = dict.fromkeys(
        VARIANTS, tuple(n for n, one in WORKLOADS.items() if one.form in LARGE)
    )

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; the matrices are made once."""
        leaves = leaves_of(workload, instance)
        program = sparse_torch(FORMS[WORKLOADS[workload].form](size_of(workload)))
        form, batch = program.form, len(instance["x"])
        layer = dQP.dQP_layer(
            settings=dQP.build_settings(
                solve_type="sparse",
                qp_solver=VARIANTS[variant],
                lin_solver="qdldl",
                eps_abs=1e-9,
                eps_rel=1e-9,
                eps_active=1e-6,
            )
        )
        P, A, G = ([_csc(matrix)] * batch for matrix in (form.P, form.A, form.G))
        has_equalities = form.A.shape[0] > 0

        def solve(leaves: dict[str, Tensor]) -> Tensor:
            q, b, h = (part.unsqueeze(-1) for part in program.vectors(leaves["x"]))
            more = (A, b) if has_equalities else ()
            return layer(P, q, G, h, *more)[0][:, program.asked]

        return training_step(leaves, instance, solve)


def _csc(matrix) -> Tensor:
    parts = (matrix.indptr, matrix.indices, matrix.data)
    return torch.sparse_csc_tensor(
        *(torch.from_numpy(np.asarray(part)) for part in parts), size=matrix.shape
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float64)
    protocol.serve(DQP())
