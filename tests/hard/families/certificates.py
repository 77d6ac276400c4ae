"""Programs without a solution, and a certificate of that with small integers.

Rounding must not mend them: with integers the certificate holds exactly, after moving
by integers and scaling by powers of two as well.
"""

import numpy as np

from tests.hard.points import interior, packed, positive
from tf_cvxlayers.program.cone_program import ConeData
from tf_cvxlayers.program.cones import (
    EXPONENTIAL,
    KINDS,
    NONNEGATIVE,
    PSD,
    SECOND_ORDER,
    ZERO,
    ConeDims,
)

_DIMS = {
    "qp": ConeDims(zero=1, nonnegative=6),
    "lp": ConeDims(zero=1, nonnegative=6),
    "soc": ConeDims(nonnegative=3, second_order=(3, 4)),
    "sdp": ConeDims(nonnegative=3, psd=(3,)),
    "exp": ConeDims(nonnegative=3, exponential=2),
}


def dims_of(kind: str) -> ConeDims:
    """The cones of a kind of certificate."""
    return _DIMS[kind]


def infeasible(kind: str, rng, kinds: list[str]) -> ConeData:
    """`A'y = 0` and `b'y < 0` for a `y` in the dual cone; the dual is feasible."""
    dims, n = _DIMS[kind], 4
    y = _inside(dims, rng, dual=True)
    # The last linear row completes the combination.
    last = dims.zero + dims.nonnegative - 1
    y[last] = 1.0
    A = rng.integers(-3, 4, (dims.size, n)).astype(float)
    A[last] = -np.delete(y, last) @ np.delete(A, last, axis=0)
    b = rng.integers(-3, 4, dims.size).astype(float)
    b[last] = -np.delete(y, last) @ np.delete(b, last) - _gap(rng, kinds)
    P = np.eye(n) if kind == "qp" else np.zeros((n, n))
    q = -A.T @ _inside(dims, rng, dual=True)
    return _moved(dims, ConeData(P, q, A, b), rng, kinds)


def unbounded(kind: str, rng, kinds: list[str]) -> ConeData:
    """`P d = 0`, `-A d` in the cone and `q'd < 0` for a `d`; there is a point."""
    dims, n = _DIMS[kind], 4
    d = np.concatenate([rng.integers(-2, 3, n - 1), [1.0]]).astype(float)
    A = rng.integers(-3, 4, (dims.size, n)).astype(float)
    A[:, -1] = -_inside(dims, rng) - A[:, :-1] @ d[:-1]
    G = rng.integers(-2, 3, (2, n)).astype(float)
    G[:, -1] = -G[:, :-1] @ d[:-1]
    P = G.T @ G if kind == "qp" else np.zeros((n, n))
    q = rng.integers(-3, 4, n).astype(float)
    q[-1] = -q[:-1] @ d[:-1] - _gap(rng, kinds)
    b = A @ rng.integers(-2, 3, n) + _inside(dims, rng)
    return _moved(dims, ConeData(P, q, A, b), rng, kinds)


def _gap(rng, kinds):
    """By how much; from 1e-6 to 1e-3 where it is thin."""
    return 2.0 ** rng.integers(-20, -9) if "thin" in kinds else rng.integers(1, 5)


def _inside(dims, rng, dual=False):
    """A point in the relative interior, in eighths."""
    parts = []
    for cone in dims.blocks:
        if cone.kind == ZERO:
            part = rng.integers(-2, 3, cone.rows) if dual else np.zeros(cone.rows)
        elif cone.kind == NONNEGATIVE:
            part = rng.integers(1, 4, cone.rows)
        elif cone.kind == SECOND_ORDER:
            part = interior(cone.rows, rng)
            part[0] += 0.5
        elif cone.kind == PSD:
            V = rng.normal(size=(int(cone.parameter),) * 2)
            part = packed(V @ V.T + np.eye(len(V)))
        elif cone.kind == EXPONENTIAL and dual:
            u, v = _eighths([-positive(rng), rng.normal()])
            part = np.array([u, v, 1.0 - u * np.exp(v / u - 1.0)])
        elif cone.kind == EXPONENTIAL:
            a, b = _eighths([rng.normal(), positive(rng)])
            part = np.array([a, b, b * np.exp(a / b) + 1.0])
        else:
            raise ValueError(f"Expected a kind of cone. Received: {cone.kind}.")
        # The distance to the boundary is large enough for this.
        parts.append(_eighths(part))
    return np.concatenate(parts)


def _eighths(values):
    return np.round(8.0 * np.asarray(values, float)) / 8.0


def _moved(dims, data, rng, kinds):
    """Translated and scaled without rounding."""
    P, q, A, b = data
    n = len(q)
    for word in (kind for kind in kinds if kind.startswith("far")):
        distance = float(word.removeprefix("far") or rng.choice([1e2, 1e4, 1e6]))
        t = np.round(distance * rng.normal(size=n))
        q, b = q - P @ t, b + A @ t
    if "scaled" in kinds:
        rows = [
            _powers(rng, c.rows if KINDS[c.kind].is_flat else 1) for c in dims.blocks
        ]
        sizes = [c.rows // len(r) for c, r in zip(dims.blocks, rows, strict=True)]
        R, D = np.concatenate(list(map(np.repeat, rows, sizes))), _powers(rng, n)
        objective, size = _powers(rng, 2)
        P, q = objective * P * (D[:, None] * D), objective * q * D
        A, b = A * (R[:, None] * D), b * R
        P, A = P / size, A / size
        q, P = q / size, P / size
    return ConeData(P, q, A, b)


def _powers(rng, number):
    """Powers of two from 1e-4 to 1e4."""
    return 2.0 ** rng.integers(-13, 14, number)
