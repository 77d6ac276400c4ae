"""moreau (PyTorch) as a worker, with the problems in its own form, by hand.

    minimize 1/2 z'Pz + q'z  subject to  Az + s = b,  s in a product of cones

``A`` and ``P`` are sparse in a pattern that is the same for all elements.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import moreau
import numpy as np
import scipy.sparse as sp
import torch
from instances.sparse_forms import FORMS
from instances.workloads import LARGE, WORKLOADS
from moreau.torch import Solver
from torch import Tensor

from libraries import protocol
from libraries.derivations import DERIVATIONS, Matrices, size_of, sparse_torch
from libraries.torch_step import Leaves, leaves_of, training_step

#: By default, small quadratic programs go to an active-set method, and the rest to an
#: interior-point method that stops at 1e-8. The latter can do all of them; at less than
#: 1e-10 it fails for some.
TIGHT = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
VARIANTS: dict[str, Callable[[], dict]] = {
    "defaults": dict,
    "interior point, 1e-10": lambda: {
        "solver": "ipm",
        "ipm_settings": moreau.IPMSettings(**TIGHT),
    },
}


class Pattern(NamedTuple):
    """Which entries of a matrix may be other than zero, in the order of the rows."""

    offsets: Tensor
    columns: Tensor
    picks: Tensor | None

    @classmethod
    def of(cls, matrix: Tensor) -> Pattern:
        """Return the pattern of a matrix, or of a batch of them."""
        there = (matrix != 0).reshape(-1, *matrix.shape[-2:]).any(dim=0)
        counts = torch.cat([torch.zeros(1), there.sum(dim=1).cumsum(dim=0)])
        picks = None if there.all() else there.flatten().nonzero()[:, 0]
        return cls(counts.to(torch.int64), there.nonzero()[:, 1], picks)

    def values(self, matrix: Tensor) -> Tensor:
        """Return the entries, with the batch axis if there is one."""
        flat = matrix.flatten(-2)
        return flat if self.picks is None else flat[..., self.picks]


class Conic(NamedTuple):
    """The arguments of a call; ``P`` and ``A`` may do without a batch axis."""

    P: Tensor
    A: Tensor
    q: Tensor
    b: Tensor


def from_matrices(matrices: Matrices) -> Conic:
    """Return a quadratic program with its inequalities below its equalities."""
    Q, q, A, b, G, h = matrices
    if A is not None and b is not None:
        G, h = torch.cat([A, G], dim=-2), torch.cat([b, h], dim=-1)
    return Conic(Q, G, q, h.expand(len(q), -1))


def ellipsoid(leaves: Leaves) -> Conic:
    """Return the projection on ||Az + c|| <= 1: the cone holds (1, Az + c)."""
    A, c, x = leaves.values()
    rows = torch.cat([torch.zeros_like(A[:1]), -A])
    right = torch.cat([torch.ones_like(c[:1]), c])
    identity = torch.eye(len(c), dtype=torch.float64)
    return Conic(identity, rows, -x, right.expand(len(x), -1))


class Moreau:
    """Times ``moreau.torch.Solver``.

    As with qpth, P = L'L and the way back to L are part of the step. Elements that are
    said to be solved almost, or not to the end, are taken as they are: how right they
    are is measured anyway.
    """

    name = "moreau"
    version = f"{version('moreau')}, torch {version('torch')}"
    variants = dict.fromkeys(VARIANTS, tuple(WORKLOADS))

    def _large(self, workload: str, variant: str, instance: dict) -> protocol.Step:
        """Return the step of a large program, whose matrices are sparse."""
        leaves = leaves_of(workload, instance)
        program = sparse_torch(FORMS[WORKLOADS[workload].form](size_of(workload)))
        P = program.form.P.tocsr()
        rows = sp.vstack([program.form.A, program.form.G]).tocsr()
        cones = moreau.Cones(
            num_zero_cones=program.form.A.shape[0],
            num_nonneg_cones=program.form.G.shape[0],
        )
        batch = len(instance["x"])
        settings = moreau.Settings(
            device="cpu", batch_size=batch, enable_grad=True, **VARIANTS[variant]()
        )
        patterns = [
            torch.from_numpy(part.astype(np.int64))
            for matrix in (P, rows)
            for part in (matrix.indptr, matrix.indices)
        ]
        values = torch.from_numpy(P.data), torch.from_numpy(rows.data)
        solver = Solver(
            P.shape[0], rows.shape[0], *patterns, cones=cones, settings=settings
        )

        def solve(leaves: Leaves) -> Tensor:
            q, b, h = program.vectors(leaves["x"])
            z = solver.solve(*values, q, torch.cat([b, h], dim=-1)).x
            return z[:, program.asked]

        return training_step(leaves, instance, solve)

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> protocol.Step:
        """Return the step; patterns and solver are made once."""
        form = WORKLOADS[workload].form
        if form in LARGE:
            return self._large(workload, variant, instance)
        leaves = leaves_of(workload, instance)
        if form == "ellipsoid":
            derive: Callable[[Leaves], Conic] = ellipsoid
            cones = moreau.Cones(so_cone_dims=[1 + len(instance["c"])])
        else:
            matrices = DERIVATIONS[form](leaves)
            first = matrices(leaves)
            equalities = 0 if first.b is None else first.b.shape[-1]
            cones = moreau.Cones(
                num_zero_cones=equalities, num_nonneg_cones=first.h.shape[-1]
            )

            def derive(leaves: Leaves) -> Conic:
                return from_matrices(matrices(leaves))

        conic = derive(leaves)
        objective, constraints = Pattern.of(conic.P), Pattern.of(conic.A)
        settings = moreau.Settings(
            device="cpu",
            batch_size=len(conic.q),
            enable_grad=True,
            **VARIANTS[variant](),
        )
        solver = Solver(
            conic.q.shape[1],
            conic.b.shape[1],
            *objective[:2],
            *constraints[:2],
            cones=cones,
            settings=settings,
        )

        def solve(leaves: Leaves) -> Tensor:
            P, A, q, b = derive(leaves)
            values = objective.values(P), constraints.values(A)
            return solver.solve(*values, q, b).x

        return training_step(leaves, instance, solve)


if __name__ == "__main__":
    protocol.serve(Moreau())
