"""The workloads as matrices, for PyTorch libraries that do not take CVXPY problems.

    minimize 1/2 z'Qz + q'z  subject to  Az = b,  Gz <= h

What a user would have to derive by hand: ``Q`` from its root, bounds as inequalities.
All of it is done in PyTorch, so that the gradients reach the workload's parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from instances.programs import SUDOKU_WEIGHT
from instances.sparse_forms import SparseForm
from instances.workloads import WORKLOADS
from torch import Tensor


class Matrices(NamedTuple):
    """The matrices of a workload; only ``q`` is sure to have a batch axis.

    ``A`` and ``b`` are None if there are no equalities.
    """

    Q: Tensor
    q: Tensor
    A: Tensor | None
    b: Tensor | None
    G: Tensor
    h: Tensor

    def batched(self) -> Matrices:
        """Return all of them with a batch axis, and empty ones instead of None.

        qpth takes matrices without a batch axis too, but what it returns for them is
        the mean of their gradients over the batch, where it should be the sum. A view
        of the same memory for each element is all it takes to be right.
        """
        batch = len(self.q)
        ranks = Matrices(Q=3, q=2, A=3, b=2, G=3, h=2)
        return Matrices(*(map(_batched, self, ranks, [batch] * len(self))))


def _batched(tensor: Tensor | None, rank: int, batch: int) -> Tensor:
    if tensor is None:
        return torch.empty(0, dtype=torch.float64)
    if tensor.dim() == rank:
        return tensor
    return tensor.expand(batch, *tensor.shape)


#: Makes the matrices from the parameters; called in every step.
Derivation = Callable[[dict[str, Tensor]], Matrices]


def _quadratic(leaves: dict[str, Tensor]) -> Derivation:
    """Return OptNet's matrices. ``Q`` is a product of 2 n^3 operations each."""

    def derive(leaves: dict[str, Tensor]) -> Matrices:
        root = leaves["Q_sqrt"]
        A, b = leaves.get("A"), leaves.get("b")
        return Matrices(root.mT @ root, leaves["q"], A, b, leaves["G"], leaves["h"])

    return derive


def _sudoku(leaves: dict[str, Tensor]) -> Derivation:
    Q, G, h = _bounds(SUDOKU_WEIGHT, leaves["q"].shape[1])

    def derive(leaves: dict[str, Tensor]) -> Matrices:
        return Matrices(Q, leaves["q"], leaves["A"], leaves["b"], G, h)

    return derive


def _sparsemax(leaves: dict[str, Tensor]) -> Derivation:
    Q, G, h = _bounds(2.0, leaves["x"].shape[1])
    A, b = torch.ones_like(Q[:1]), torch.ones_like(h[:1])

    def derive(leaves: dict[str, Tensor]) -> Matrices:
        return Matrices(Q, -2 * leaves["x"], A, b, G, h)

    return derive


def _relu(leaves: dict[str, Tensor]) -> Derivation:
    """Return the projection of Wx + b, which is affine: no copy of W is needed."""
    Q, G, h = _bounds(2.0, len(leaves["b"]))

    def derive(leaves: dict[str, Tensor]) -> Matrices:
        before = leaves["x"] @ leaves["W"].T + leaves["b"]
        return Matrices(Q, -2 * before, None, None, G, h)

    return derive


def _bounds(weight: float, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (Q, G, h) of a multiple of the squared norm over z >= 0."""
    identity = torch.eye(n, dtype=torch.float64)
    return weight * identity, -identity, torch.zeros(n, dtype=torch.float64)


class SparseTorch(NamedTuple):
    """A large program with its vectors as functions of the parameter, in PyTorch."""

    form: SparseForm
    asked: Tensor
    q: tuple[Tensor, Tensor]
    b: tuple[Tensor, Tensor]
    h: Tensor

    def vectors(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``q``, ``b`` and ``h`` of a batch."""
        q, b = (
            constant + torch.sparse.mm(matrix, x.mT).mT
            for constant, matrix in (self.q, self.b)
        )
        return q, b, self.h.expand(len(x), -1)


def sparse_torch(form: SparseForm) -> SparseTorch:
    """Return a form in PyTorch."""

    def pair(constant, matrix):
        parts = (matrix.indptr, matrix.indices, matrix.data)
        tensors = [torch.from_numpy(np.asarray(part)) for part in parts]
        return torch.from_numpy(constant), torch.sparse_csr_tensor(
            *tensors, size=matrix.shape
        )

    return SparseTorch(
        form,
        torch.from_numpy(form.asked),
        pair(form.q, form.Q),
        pair(form.b, form.B),
        torch.from_numpy(form.h),
    )


def size_of(workload: str) -> int:
    """Return the size of a large workload, which is in its name."""
    return int(workload.rpartition("_")[2])


#: By the workload's form. The ellipsoid is no quadratic program.
DERIVATIONS: dict[str, Callable[[dict[str, Tensor]], Derivation]] = {
    "quadratic": _quadratic,
    "sudoku": _sudoku,
    "sparsemax": _sparsemax,
    "relu": _relu,
}

#: The workloads that have such matrices, by name.
QUADRATIC = tuple(
    name for name, workload in WORKLOADS.items() if workload.form in DERIVATIONS
)
