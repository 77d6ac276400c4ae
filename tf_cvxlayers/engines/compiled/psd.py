"""One cone of positive semidefinite matrices: what `optimality.cones.psd` and
`engines.interior_point.cones.psd` say, in loops.

A part of a vector is a packed triangle (`program.cones`). `W v` is the matrix `R'V R`,
and `lambda` is diagonal.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.eigenvalues import decompose, make_eigenvalues
from tf_cvxlayers.engines.compiled.jit import compiled

_HALF = math.sqrt(0.5)


@compiled
def make_matrix(v, start, V):
    """The matrix of a packed triangle."""
    order, k = V.shape[0], start
    for j in range(order):
        V[j, j] = v[k]
        k += 1
        for i in range(j + 1, order):
            V[i, j] = V[j, i] = _HALF * v[k]
            k += 1


@compiled
def make_triangle(V, v, start):
    """The packed triangle of a matrix."""
    order, k = V.shape[0], start
    for j in range(order):
        v[k] = V[j, j]
        k += 1
        for i in range(j + 1, order):
            v[k] = _HALF * (V[i, j] + V[j, i])
            k += 1


@compiled
def make_product(A, B, transpose, out):
    """`A B`, or `A B'`."""
    order = A.shape[0]
    for i in range(order):
        for j in range(order):
            out[i, j] = 0.0
        for k in range(order):
            part = A[i, k]
            if part != 0.0:
                for j in range(order):
                    out[i, j] += part * (B[j, k] if transpose else B[k, j])


@compiled
def congruent(R, transpose, v, start, V, half):
    """`R V R'`, or `R'V R`, in the place of the packed triangle; `V` and `half` are
    lost."""
    order = R.shape[0]
    make_matrix(v, start, V)
    # The one that is multiplied from the right has its rows next to each other.
    make_product(V, R, not transpose, half)
    for i in range(order):
        for j in range(order):
            V[i, j] = 0.0
    for k in range(order):
        for i in range(order):
            part = R[k, i] if transpose else R[i, k]
            if part != 0.0:
                for j in range(order):
                    V[i, j] += part * half[k, j]
    make_triangle(V, v, start)


@compiled
def make_parts(y, s, start, order):
    """The positive part of `y - s` and of `s - y`, in the place of `y` and `s`."""
    V, Q, values = np.empty((order, order)), np.empty((order, order)), np.empty(order)
    size = order * (order + 1) // 2
    for i in range(start, start + size):
        y[i] -= s[i]
    make_matrix(y, start, V)
    decompose(V, values, Q)
    for k in range(order):
        values[k], V[k, 0] = max(values[k], 0.0), max(-values[k], 0.0)
    k = start
    for j in range(order):
        for i in range(j, order):
            up = down = 0.0
            for t in range(order):
                both = Q[t, i] * Q[t, j]
                up += values[t] * both
                down += V[t, 0] * both
            unit = 1.0 if i == j else 2.0 * _HALF
            y[k], s[k] = unit * up, unit * down
            k += 1


@compiled
def make_own_values(y, s, start, values):
    """The eigenvalues of `y - s`, ascending."""
    order = values.size
    V = np.empty((order, order))
    _make_difference(y, s, start, V)
    make_eigenvalues(V, values)


@compiled
def make_spectrum(y, s, start, values, Q):
    """The eigenvalues of `D` in the rows of the cone, and the eigenvectors of `y - s`
    in those of `Q`."""
    order = Q.shape[0]
    V, w = np.empty((order, order)), np.empty(order)
    _make_difference(y, s, start, V)
    decompose(V, w, Q)
    k = start
    for j in range(order):
        for i in range(j, order):
            up = max(w[i], w[j], 0.0)
            down = max(-w[i], -w[j], 0.0)
            # Of one sign, one or zero; else what the positive one is of both.
            values[k] = up / (up + down) if up > 0.0 else 0.0
            k += 1


@compiled
def _make_difference(y, s, start, V):
    order = V.shape[0]
    v = np.empty(order * (order + 1) // 2)
    for i in range(v.size):
        v[i] = y[start + i] - s[start + i]
    make_matrix(v, 0, V)


@compiled
def make_scaling(s, z, start, R, inverse, values):
    """The scaling at `s`, `z`: with `S = L L'` and `L'Z L = V diag(lambda)^2 V'`,

    R = L V diag(lambda)^-1/2,     R^-1 = diag(lambda)^-1 R'Z.
    """
    order = values.size
    shape = (order, order)
    L, Z, V, half = np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape)
    make_matrix(s, start, L)
    make_matrix(z, start, Z)
    for j in range(order):
        for i in range(j, order):
            total = L[i, j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            # Of what is not inside, NaN.
            L[i, j] = math.sqrt(total) if i == j else total / L[j, j]
        for i in range(j):
            L[i, j] = 0.0
    make_product(Z, L, False, half)
    for i in range(order):
        for j in range(order):
            total = 0.0
            for k in range(i, order):
                total += L[k, i] * half[k, j]
            R[i, j] = total
    decompose(R, values, V)
    for k in range(order):
        values[k] = math.sqrt(values[k])
    make_product(L, V, True, R)
    for j in range(order):
        unit = 1.0 / math.sqrt(values[j])
        for i in range(order):
            R[i, j] *= unit
    for i in range(order):
        for j in range(order):
            inverse[i, j] = 0.0
        for k in range(order):
            part = R[k, i] / values[i]
            for j in range(order):
                inverse[i, j] += part * Z[k, j]


@compiled
def make_corrected(values, ds, dz, level, d, start):
    """`d = lambda + lambda \\ (ds o dz - level e)`."""
    order = values.size
    shape = (order, order)
    S, Z, both = np.empty(shape), np.empty(shape), np.empty(shape)
    make_matrix(ds, start, S)
    make_matrix(dz, start, Z)
    make_product(S, Z, False, both)
    for i in range(order):
        both[i, i] -= level
    for i in range(order):
        for j in range(i + 1):
            part = (both[i, j] + both[j, i]) / (values[i] + values[j])
            both[i, j] = both[j, i] = part
        both[i, i] += values[i]
    make_triangle(both, d, start)


@compiled
def steepness(values, d, start):
    """The largest `t` with `lambda + d / t` on the boundary."""
    order = values.size
    D, own = np.empty((order, order)), np.empty(order)
    make_matrix(d, start, D)
    for i in range(order):
        for j in range(order):
            D[i, j] /= math.sqrt(values[i] * values[j])
    make_eigenvalues(D, own)
    return -own[0]


@compiled
def smallest(v, start, order):
    """The smallest eigenvalue."""
    V, own = np.empty((order, order)), np.empty(order)
    make_matrix(v, start, V)
    make_eigenvalues(V, own)
    return own[0]
