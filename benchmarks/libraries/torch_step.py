"""A step of training in PyTorch, the same for every library that lives there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from instances.arrays import COTANGENT, SOLUTION
from instances.workloads import WORKLOADS
from torch import Tensor

from libraries.protocol import Step

Leaves = dict[str, Tensor]


def leaves_of(workload: str, instance: dict[str, np.ndarray]) -> Leaves:
    """Return the parameters as tensors that are differentiated, in order."""
    names = WORKLOADS[workload].parameters
    return {name: torch.from_numpy(instance[name]).requires_grad_() for name in names}


def training_step(
    leaves: Leaves, instance: dict[str, np.ndarray], solve: Callable[[Leaves], Tensor]
) -> Step:
    """Return the step: ``solve``, and the gradients of its product with a vector."""
    cotangent = torch.from_numpy(instance[COTANGENT])

    def step() -> dict[str, np.ndarray]:
        z = solve(leaves)
        gradients = torch.autograd.grad((z * cotangent).sum(), list(leaves.values()))
        answer = {
            name: gradient.numpy()
            for name, gradient in zip(leaves, gradients, strict=True)
        }
        return {SOLUTION: z.detach().numpy(), **answer}

    return step
