"""Quadratic programs built backwards from their solutions, with exact gradients.

    minimize 1/2 z'Hz + q'z  subject to  Az = b,  Gz <= h

The solution and the multipliers are drawn first; ``q``, ``b`` and ``h`` then follow
from the optimality conditions. Which inequalities are active is known as well, and
with a margin, so the conditions can be differentiated with the active set held fixed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from instances.arrays import COTANGENT, SOLUTION, Arrays, outer, times, transpose

#: An inactive inequality has at least this slack, an active one at least this
#: multiplier: strictly complementary, and not by the skin of its teeth.
MARGIN = 0.1


class Optimum(NamedTuple):
    """Quadratic programs at their solutions; whatever is shared is broadcast."""

    hessian: np.ndarray
    A: np.ndarray
    G: np.ndarray
    z: np.ndarray
    nu: np.ndarray
    lam: np.ndarray
    active: np.ndarray

    def linear(self) -> np.ndarray:
        """Return the ``q`` for which the point is stationary."""
        pull = times(transpose(self.A), self.nu) + times(transpose(self.G), self.lam)
        return -times(self.hessian, self.z) - pull

    def adjoint(self, cotangent: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return (dz, dnu, dlam), which every gradient is a product with.

        Solves with the derivative of the optimality conditions, the active set held
        fixed; a row of an inactive inequality says "its multiplier stays zero".
        """
        (batch, n), equalities = self.z.shape, self.nu.shape[1]
        constraints = equalities + self.lam.shape[1]
        held = self.G * self.active[..., None]
        shape = (batch, equalities, n)
        rows = np.concatenate([np.broadcast_to(self.A, shape), held], axis=1)
        kkt = np.zeros((batch, n + constraints, n + constraints))
        kkt[:, :n, :n] = self.hessian
        kkt[:, n:, :n] = rows
        kkt[:, :n, n:] = transpose(rows)
        idle = np.arange(n + equalities, n + constraints)
        kkt[:, idle, idle] = np.where(self.active, 0.0, 1.0)
        right = np.zeros((batch, n + constraints, 1))
        right[:, :n, 0] = -cotangent
        step = np.linalg.solve(kkt, right)[..., 0]
        return tuple(np.split(step, [n, n + equalities], axis=1))


def quadratic_programs(
    rng: np.random.Generator, batch: int, n: int, equalities: int, inequalities: int
) -> tuple[Arrays, Arrays]:
    """Return OptNet's quadratic programs, every parameter one of its own per element.

    Every inequality is, by the toss of a coin, active or inactive. The coin is such
    that half of the ``n - equalities`` dimensions are used up on average, and no more
    than all of them are, so the multipliers are unique. The matrices are well
    conditioned: first-order solvers are not put at a disadvantage by the choice of
    numbers. Without equalities there is no ``A`` and no ``b``.
    """
    root = np.eye(n) + 0.5 * rng.normal(size=(batch, n, n)) / np.sqrt(n)
    A = rng.normal(size=(batch, equalities, n))
    G = rng.normal(size=(batch, inequalities, n))
    z = rng.normal(size=(batch, n))
    nu = rng.normal(size=(batch, equalities))
    room = n - equalities
    coin = min(0.5, 0.5 * room / inequalities)
    active = rng.random(size=(batch, inequalities)) < coin
    active &= np.cumsum(active, axis=1) <= room
    margin = MARGIN + rng.random(size=(batch, inequalities))
    lam = np.where(active, margin, 0.0)
    slack = np.where(active, 0.0, margin)
    cotangent = rng.normal(size=(batch, n))

    optimum = Optimum(transpose(root) @ root, A, G, z, nu, lam, active)
    dz, dnu, dlam = optimum.adjoint(cotangent)
    instance = {
        "Q_sqrt": root,
        "q": optimum.linear(),
        "A": A,
        "b": times(A, z),
        "G": G,
        "h": times(G, z) + slack,
        COTANGENT: cotangent,
    }
    answer = {
        SOLUTION: z,
        "Q_sqrt": outer(times(root, z), dz) + outer(times(root, dz), z),
        "q": dz,
        "A": outer(nu, dz) + outer(dnu, z),
        "b": -dnu,
        "G": outer(lam, dz) + outer(dlam, z),
        "h": -dlam,
    }
    if not equalities:
        for name in ("A", "b"):
            del instance[name], answer[name]
    return instance, answer


#: The weight of Sudoku's quadratic term, which makes its solution unique.
SUDOKU_WEIGHT = 0.1


def sudoku(
    rng: np.random.Generator,
    batch: int = 150,
    n: int = 64,
    equalities: int = 40,
    zeros: int = 12,
) -> tuple[Arrays, Arrays]:
    """Return programs of the form of OptNet's layer for Sudokus of 4 x 4.

    The hessian is a small multiple of the identity, ``A`` and ``b`` are shared, the
    inequalities are z >= 0. One ``b`` for all means that all solutions are points of
    one polytope: they are looked for on its faces, ``zeros`` of the entries zero and
    the others at least ``MARGIN``.
    """
    A = rng.normal(size=(equalities, n))
    inside = 0.5 + rng.random(n)
    z = np.empty((0, n))
    while len(z) < batch:
        z = np.concatenate([z, _on_faces(rng, A, inside, 4 * batch, zeros)])
    z = z[:batch]
    nu = rng.normal(size=(batch, equalities))
    active = z == 0.0
    lam = np.where(active, MARGIN + rng.random(size=(batch, n)), 0.0)
    cotangent = rng.normal(size=(batch, n))

    bounds = -np.eye(n)
    optimum = Optimum(SUDOKU_WEIGHT * np.eye(n), A, bounds, z, nu, lam, active)
    dz, dnu, _ = optimum.adjoint(cotangent)
    instance = {
        "A": A,
        "b": A @ inside,
        "q": optimum.linear(),
        COTANGENT: cotangent,
    }
    answer = {
        SOLUTION: z,
        "A": nu.T @ dz + dnu.T @ z,
        "b": -dnu.sum(axis=0),
        "q": dz,
    }
    return instance, answer


def _on_faces(
    rng: np.random.Generator, A: np.ndarray, inside: np.ndarray, count: int, zeros: int
) -> np.ndarray:
    """Return points z >= 0 with the same Az as the point inside, on random faces.

    Projects, in turns, on the face's plane and on the points that are well above
    zero. Not every face is there, and not every one is big enough: points that are
    not where they should be after some turns are dropped.
    """
    n = len(inside)
    ranks = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    free = (ranks >= zeros).astype(float)
    inverse = np.linalg.inv((A * free[:, None, :]) @ A.T)
    z = np.tile(inside, (count, 1))
    for _ in range(200):
        z = free * np.maximum(z, 2 * MARGIN)
        z += free * (times(inverse, A @ inside - z @ A.T) @ A)
    return z[np.all((z >= MARGIN) | (free == 0), axis=1)]
