"""Projections, whose solutions and gradients are known in closed form.

Elements that come close to a kink are drawn again. The derivative jumps there, so a
library with an error of 1e-4 in z would be on the right side by luck, and the table
would report the luck.
"""

from __future__ import annotations

import numpy as np

from instances.arrays import COTANGENT, SOLUTION, Arrays, dot, entries, outer, times

#: How far, at least, from where the derivative jumps.
CLEARANCE = 1e-2


def relu(
    rng: np.random.Generator, batch: int = 300, units: int = 20
) -> tuple[Arrays, Arrays]:
    """Return a ReLU layer's weights and samples, and what max(Wx + b, 0) gives."""
    weight = rng.normal(size=(units, units)) / np.sqrt(units)
    bias = rng.normal(size=units)
    samples = rng.normal(size=(8 * batch, units))
    clear = np.abs(samples @ weight.T + bias).min(axis=1) > CLEARANCE
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


def sparsemax(
    rng: np.random.Generator, batch: int = 128, n: int = 10
) -> tuple[Arrays, Arrays]:
    """Return points and their projections on the simplex.

    An entry keeps what it has above a threshold, at which the sum is one. It is found
    by sorting: the k largest entries are the support for the last k that is possible.
    """
    x = rng.normal(size=(4 * batch, n))
    descending = -np.sort(-x, axis=1)
    thresholds = (np.cumsum(descending, axis=1) - 1) / np.arange(1, n + 1)
    size = np.sum(descending > thresholds, axis=1)
    threshold = entries(thresholds[np.arange(len(x)), size - 1])
    clear = np.abs(x - threshold).min(axis=1) > CLEARANCE
    x, threshold = x[clear][:batch], threshold[clear][:batch]
    cotangent = rng.normal(size=(batch, n))

    support = x > threshold
    mean = dot(support, cotangent) / support.sum(axis=1)
    instance = {"x": x, COTANGENT: cotangent}
    answer = {
        SOLUTION: np.where(support, x - threshold, 0.0),
        "x": np.where(support, cotangent - entries(mean), 0.0),
    }
    return instance, answer


def ellipsoid(
    rng: np.random.Generator, batch: int = 128, n: int = 4
) -> tuple[Arrays, Arrays]:
    """Return points and their projections on the ellipsoid ||Az + c|| <= 1.

    Built backwards: ``r = Az + c`` is drawn. Three in four are of length one, where z
    is pushed outwards by a multiplier of at least 0.1; the others are shorter than
    0.9, where z is a point inside and its own projection.
    """
    A = np.eye(n) + 0.5 * rng.normal(size=(n, n)) / np.sqrt(n)
    c = rng.normal(size=n)
    u = rng.normal(size=(batch, n))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    active = rng.random(batch) < 0.75
    r = u * entries(np.where(active, 1.0, 0.9 * rng.random(batch)))
    z = np.linalg.solve(A, (r - c).T).T
    lam = np.where(active, 0.1 + rng.random(batch), 0.0)
    x = z + entries(lam) * (u @ A)
    cotangent = rng.normal(size=(batch, n))

    # Derivative of  z - x + lam A'u = 0  and  ||r|| = 1  (or lam = 0 where inactive).
    # Where the multiplier is not zero, r has length one, and u changes with r only
    # as far as that goes across.
    across = np.eye(n) - outer(u, u)
    kkt = np.zeros((batch, n + 1, n + 1))
    kkt[:, :n, :n] = np.eye(n) + lam[:, None, None] * (A.T @ across @ A)
    kkt[:, :n, n] = kkt[:, n, :n] = (u @ A) * entries(active)
    kkt[:, n, n] = np.where(active, 0.0, 1.0)
    right = np.concatenate([-cotangent, np.zeros((batch, 1))], axis=1)
    step = np.linalg.solve(kkt, right[..., None])[..., 0]
    dz, dlam = step[:, :n], step[:, n]
    dr = entries(lam) * times(across, dz @ A.T) + entries(dlam) * u
    instance = {"A": A, "c": c, "x": x, COTANGENT: cotangent}
    answer = {
        SOLUTION: z,
        "A": (entries(lam) * u).T @ dz + dr.T @ z,
        "c": dr.sum(axis=0),
        "x": -dz,
    }
    return instance, answer
