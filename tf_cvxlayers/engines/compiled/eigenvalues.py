"""Eigenvalues of small symmetric matrices: Householder's reflections to a tridiagonal
matrix, then the implicit QL iteration with Wilkinson's shift (Golub and Van Loan,
"Matrix Computations", 2013, sections 8.3.1 and 8.3.5).

A library's routine takes longer to be called than this takes for a matrix of order 5.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.jit import compiled

_EPSILON = 2.0**-53
# Steps for one eigenvalue; two are usual.
_MOST = 60


@compiled
def _make_tridiagonal(A, d, e, factors):
    """The diagonal and what is below it of `H'A H`, in these arrays; the vectors of the
    reflections that `H` is the product of stay in the columns of `A`, and what they are
    multiplied by in `factors`."""
    n = d.size
    for k in range(n - 2):
        norm = 0.0
        for i in range(k + 1, n):
            norm += A[i, k] * A[i, k]
        norm, head = math.sqrt(norm), A[k + 1, k]
        tail = 0.0
        for i in range(k + 2, n):
            tail = max(tail, abs(A[i, k]))
        e[k], factors[k] = head, 0.0
        if tail == 0.0:
            continue
        e[k] = -math.copysign(norm, head)
        A[k + 1, k] = head - e[k]
        factors[k] = factor = 1.0 / (norm * (norm + abs(head)))
        # `d` from `k + 1` on is spare until the end.
        along = 0.0
        for i in range(k + 1, n):
            total = 0.0
            for j in range(k + 1, n):
                total += A[i, j] * A[j, k]
            d[i] = factor * total
            along += d[i] * A[i, k]
        for i in range(k + 1, n):
            d[i] -= 0.5 * factor * along * A[i, k]
        for i in range(k + 1, n):
            for j in range(k + 1, n):
                A[i, j] -= A[i, k] * d[j] + d[i] * A[j, k]
    if n > 1:
        e[n - 2] = A[n - 1, n - 2]
    e[n - 1] = 0.0
    for i in range(n):
        d[i] = A[i, i]


@compiled
def _make_reflected(A, factors, V):
    """`H'`, in the place of `V`."""
    n = factors.size
    for i in range(n):
        for j in range(n):
            V[i, j] = 1.0 if i == j else 0.0
    for k in range(n - 3, -1, -1):
        if factors[k] == 0.0:
            continue
        for i in range(k + 1, n):
            along = 0.0
            for j in range(k + 1, n):
                along += V[i, j] * A[j, k]
            along *= factors[k]
            for j in range(k + 1, n):
                V[i, j] -= along * A[j, k]


@compiled
def _make_diagonal(d, e, V, turned):
    """The eigenvalues, in the place of `d`; if `turned`, with the rows of `V` turned
    along."""
    n = d.size
    for first in range(n):
        for _ in range(_MOST):
            last = first
            while last < n - 1:
                if not abs(e[last]) > _EPSILON * (abs(d[last]) + abs(d[last + 1])):
                    break
                last += 1
            if last == first:
                break
            half = 0.5 * (d[first + 1] - d[first]) / e[first]
            away = half + math.copysign(math.hypot(half, 1.0), half)
            g = d[last] - d[first] + e[first] / away
            sine, cosine, shift = 1.0, 1.0, 0.0
            for i in range(last - 1, first - 1, -1):
                f, b = sine * e[i], cosine * e[i]
                length = math.hypot(f, g)
                e[i + 1] = length
                if length == 0.0:
                    d[i + 1] -= shift
                    e[last] = 0.0
                    break
                sine, cosine = f / length, g / length
                g = d[i + 1] - shift
                more = (d[i] - g) * sine + 2.0 * cosine * b
                shift = sine * more
                d[i + 1] = g + shift
                g = cosine * more - b
                if turned:
                    for j in range(n):
                        f = V[i + 1, j]
                        V[i + 1, j] = sine * V[i, j] + cosine * f
                        V[i, j] = cosine * V[i, j] - sine * f
            else:
                d[first] -= shift
                e[first] = g
                e[last] = 0.0


@compiled
def decompose(A, values, V):
    """The eigenvalues of `A`, in no order, and its eigenvectors, in the rows of `V`.
    `A` is lost."""
    n = values.size
    e, factors = np.empty(n), np.zeros(n)
    _make_tridiagonal(A, values, e, factors)
    _make_reflected(A, factors, V)
    _make_diagonal(values, e, V, True)


@compiled
def make_eigenvalues(A, values):
    """The eigenvalues of `A`, ascending. `A` is lost."""
    n = values.size
    e, factors = np.empty(n), np.zeros(n)
    _make_tridiagonal(A, values, e, factors)
    _make_diagonal(values, e, A, False)
    for i in range(1, n):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
