"""One element in its units, and what a point misses of its optimality conditions."""

from typing import NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import (
    dot,
    largest,
    times,
    transposed_times,
)
from tf_cvxlayers.engines.compiled.jit import compiled

# As in `optimality.newton_point`.
_INNER, _NOTHING = 1e-2, 1e-14


class Program(NamedTuple):
    """Matrices, `P` symmetric, with the spans of their rows, see `profile`; vectors;
    and the largest number of `P`."""

    P: np.ndarray
    q: np.ndarray
    A: np.ndarray
    b: np.ndarray
    curvature: float
    P_spans: np.ndarray
    spans: np.ndarray
    reach: np.ndarray
    border: int


@compiled
def program_of(shape, P, q, A, b, d, e, beta, gamma):
    """The program of entries, in units."""
    n, m = q.size, b.size
    dense, rows = np.zeros((n, n)), np.zeros((m, n))
    own_q, own_b = np.empty(n), np.empty(m)
    curvature = 0.0
    for k in range(P.size):
        i, j = shape.P_at[0, k], shape.P_at[1, k]
        half = 0.5 * P[k] * d[i] * d[j] * (beta / gamma)
        dense[i, j] += half
        dense[j, i] += half
        curvature = max(curvature, abs(dense[i, j]))
    for k in range(A.size):
        i, j = shape.A_at[0, k], shape.A_at[1, k]
        rows[i, j] += A[k] * e[i] * d[j]
    for j in range(n):
        own_q[j] = q[j] * d[j] / gamma
    for i in range(m):
        own_b[i] = b[i] * e[i] / beta
    return Program(
        dense,
        own_q,
        rows,
        own_b,
        curvature,
        shape.P_spans,
        shape.spans,
        shape.reach,
        shape.border,
    )


@compiled
def make_missing(program, x, y, s, F, size, G, size_of_G):
    """`F = P x + A'y + q`, `G = b - A x - s`, and the sizes of their terms; see
    `optimality.newton_point.NewtonPoint.of`. Returns the larger of what is missed,
    relative to that."""
    inner, most = 1.0 + _INNER * largest(y), 0.0
    times(program.P, program.P_spans, x, F)
    transposed_times(program.A, program.spans, y, size)
    for j in range(x.size):
        terms = inner + abs(F[j]) + abs(size[j])
        F[j] += size[j] + program.q[j]
        size[j] = terms
        most = max(most, abs(F[j]) / terms)
    times(program.A, program.spans, x, G)
    for i in range(s.size):
        terms = 1.0 + abs(G[i]) + abs(s[i])
        G[i] = program.b[i] - G[i] - s[i]
        size_of_G[i] = terms
        most = max(most, abs(G[i]) / terms)
    return most


@compiled
def drop_rounding(F, size):
    """What is missing, without what rounding may have left there."""
    for k in range(F.size):
        if abs(F[k]) <= _NOTHING * size[k]:
            F[k] = 0.0


@compiled
def residuals(program, x, y, s):
    """The relative residuals, see `optimality.residuals`: primal, dual, of the gap."""
    n, m = x.size, s.size
    Px, Aty, Ax = np.empty(n), np.empty(n), np.empty(m)
    times(program.P, program.P_spans, x, Px)
    times(program.A, program.spans, x, Ax)
    transposed_times(program.A, program.spans, y, Aty)
    dual = primal = size_of_dual = size_of_primal = 0.0
    for j in range(n):
        dual = max(dual, abs(Px[j] + (Aty[j] + program.q[j])))
        most = max(abs(Px[j]), abs(Aty[j]), abs(program.q[j]))
        size_of_dual = max(size_of_dual, most)
    for i in range(m):
        primal = max(primal, abs(Ax[i] + s[i] - program.b[i]))
        most = max(abs(Ax[i]), abs(s[i]), abs(program.b[i]))
        size_of_primal = max(size_of_primal, most)
    xPx, qx, by = dot(x, Px), dot(program.q, x), dot(program.b, y)
    gap = abs(xPx + (qx + by)) / (1.0 + max(abs(xPx), abs(qx), abs(by)))
    return primal / (1.0 + size_of_primal), dual / (1.0 + size_of_dual), gap
