"""The problems that are timed: their numbers, and their answers.

Only NumPy is imported here, because the driver and every worker, each in an
environment of its own, read this file. How a workload is *stated* (in CVXPY, or by
hand for a library that wants matrices) is the worker's side of the matter.

An instance is built backwards from its answer, so the exact solution and the exact
gradients are known without trusting any solver. What a library returns can then be
called wrong, and not merely different from what another library returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]

#: Names in an instance, or an answer, that are not parameters of the problem.
SOLUTION = "z"
COTANGENT = "cotangent"


@dataclass(frozen=True)
class Workload:
    """One problem, fed with one batch of numbers.

    ``parameters`` lists what is differentiated, in the order of the call. Those in
    ``shared`` have no batch axis: one value serves the whole batch, as the weights
    of a layer do. ``make`` returns the instance and its exact answer.
    """

    name: str
    title: str
    parameters: tuple[str, ...]
    shared: tuple[str, ...]
    make: Callable[[np.random.Generator], tuple[Arrays, Arrays]]

    def instance(self, seed: int) -> tuple[Arrays, Arrays]:
        """Return (instance, answer), the same ones for the same seed."""
        return self.make(np.random.default_rng(seed))


def _relu(rng: np.random.Generator, batch: int = 300, units: int = 20):
    """Return a ReLU layer's weights and samples, and what max(Wx + b, 0) gives.

    Samples that bring some unit close to its kink are drawn again. The derivative
    jumps there, so a library with an error of 1e-4 in z would be on the right side
    by luck, and the table would report the luck.
    """
    weight = rng.normal(size=(units, units)) / np.sqrt(units)
    bias = rng.normal(size=units)
    samples = rng.normal(size=(8 * batch, units))
    clear = np.abs(samples @ weight.T + bias).min(axis=1) > 1e-2
    samples = samples[clear][:batch]
    cotangent = rng.normal(size=(batch, units))

    before = samples @ weight.T + bias
    upstream = np.where(before > 0, cotangent, 0.0)
    instance = {"W": weight, "b": bias, "x": samples, COTANGENT: cotangent}
    answer = {
        SOLUTION: np.maximum(before, 0.0),
        "W": upstream.T @ samples,
        "b": upstream.sum(axis=0),
        "x": upstream @ weight,
    }
    return instance, answer


def _quadratic_programs(
    rng: np.random.Generator, batch: int, n: int, equalities: int, inequalities: int
):
    """Return OptNet's quadratic programs with known solutions and gradients.

    Every inequality is, by the toss of a coin, active with a multiplier of at least
    0.1 or inactive with a slack of at least 0.1; ``q``, ``b`` and ``h`` then follow
    from the optimality conditions. No more than ``n - equalities`` are active, so
    the multipliers are unique. The matrices are well conditioned: first-order
    solvers are not put at a disadvantage by the choice of numbers.
    """
    root = np.eye(n) + 0.5 * rng.normal(size=(batch, n, n)) / np.sqrt(n)
    A = rng.normal(size=(batch, equalities, n))
    G = rng.normal(size=(batch, inequalities, n))
    z = rng.normal(size=(batch, n))
    nu = rng.normal(size=(batch, equalities))
    active = rng.random(size=(batch, inequalities)) < 0.5
    active &= np.cumsum(active, axis=1) <= n - equalities
    margin = 0.1 + rng.random(size=(batch, inequalities))
    lam = np.where(active, margin, 0.0)
    slack = np.where(active, 0.0, margin)

    hessian = _transpose(root) @ root
    q = -_times(hessian, z) - _times(_transpose(A), nu) - _times(_transpose(G), lam)
    cotangent = rng.normal(size=(batch, n))
    instance = {
        "Q_sqrt": root,
        "q": q,
        "A": A,
        "b": _times(A, z),
        "G": G,
        "h": _times(G, z) + slack,
        COTANGENT: cotangent,
    }

    # The derivative of the optimality conditions with the active set held fixed;
    # a row of an inactive inequality is replaced by "its multiplier stays zero".
    held = G * active[..., None]
    size = n + equalities + inequalities
    kkt = np.zeros((batch, size, size))
    kkt[:, :n, :n] = hessian
    rows = np.concatenate([A, held], axis=1)
    kkt[:, n:, :n] = rows
    kkt[:, :n, n:] = _transpose(rows)
    idle = np.arange(n + equalities, size)
    kkt[:, idle, idle] = np.where(active, 0.0, 1.0)
    right = np.zeros((batch, size, 1))
    right[:, :n, 0] = -cotangent
    step = np.linalg.solve(kkt, right)[..., 0]
    dz, dnu, dlam = np.split(step, [n, n + equalities], axis=1)

    answer = {
        SOLUTION: z,
        "Q_sqrt": _outer(_times(root, z), dz) + _outer(_times(root, dz), z),
        "q": dz,
        "A": _outer(nu, dz) + _outer(dnu, z),
        "b": -dnu,
        "G": _outer(lam, dz) + _outer(dlam, z),
        "h": -dlam,
    }
    return instance, answer


def _transpose(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[..., None])[..., 0]


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return left[..., :, None] * right[..., None, :]


def _optnet(rng: np.random.Generator):
    return _quadratic_programs(rng, batch=128, n=10, equalities=5, inequalities=5)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            name="relu",
            title="ReLU layer as a problem: 20 units, 300 samples, W and b shared",
            parameters=("W", "b", "x"),
            shared=("W", "b"),
            make=_relu,
        ),
        Workload(
            name="optnet",
            title="OptNet QP: batch 128, n=10, 5 equalities, 5 inequalities",
            parameters=("Q_sqrt", "q", "A", "b", "G", "h"),
            shared=(),
            make=_optnet,
        ),
    )
}
