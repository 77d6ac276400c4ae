"""Matrices and vectors of one element: products, factors, powers of two.

Loops run along rows, which are contiguous, and along the part of each row in which it
may differ from zero: from `spans[0]` to `spans[1]`. Symmetric matrices that are
factored are their upper triangles. Their rows end at `reach`, which never falls from
row to row, so that a factor fits there too (George and Liu, "Computer solution of large
sparse positive definite systems", 1981, section 4.2).
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.jit import compiled, summing

_LEAST = 2.0**-1022
# Rows of a factor that are shorter than this are not worth being taken together.
_NARROW = 8


@summing
def dot(u, v):
    """The inner product."""
    total = 0.0
    for k in range(u.size):
        total += u[k] * v[k]
    return total


@compiled
def add(u, factor, v):
    """`u + factor v`, in the place of `u`."""
    for k in range(u.size):
        u[k] += factor * v[k]


@compiled
def largest(v):
    """The largest absolute value; NaN if there is one."""
    most = 0.0
    for k in range(v.size):
        size = abs(v[k])
        if not size <= most:
            most = size
    return most


@compiled
def between(start, stop):
    """The range, of numbers without a sign: a negative index would count from the end,
    and a loop that may have one is not made of vectors."""
    return range(np.uint64(start), np.uint64(stop))


@compiled
def span_of(spans, row):
    """The columns of a row."""
    return between(spans[0, row], spans[1, row])


@summing
def times(A, spans, x, out):
    """`A x`."""
    for i in range(A.shape[0]):
        total = 0.0
        for j in span_of(spans, i):
            total += A[i, j] * x[j]
        out[i] = total


@compiled
def transposed_times(A, spans, y, out):
    """`A'y`."""
    for j in range(A.shape[1]):
        out[j] = 0.0
    for i in range(A.shape[0]):
        factor = y[i]
        if factor != 0.0:
            for j in span_of(spans, i):
                out[j] += factor * A[i, j]


@compiled
def _add_row(H, A, spans, weight, row):
    for i in span_of(spans, row):
        part = weight * A[row, i]
        for j in between(i, spans[1, row]):
            H[i, j] += part * A[row, j]


@compiled
def add_gram(H, A, spans, weights):
    """`H + A'diag(weights) A`, in the place of `H`. Rows are taken four at a time where
    they are near each other, which is as often as `H` is read and written."""
    m = A.shape[0]
    whole = m - m % 4
    for k in range(0, whole, 4):
        start, stop, own = spans[0, k], 0, 0
        for row in range(k, k + 4):
            own += spans[1, row] - spans[0, row]
            start = min(start, spans[0, row])
            stop = max(stop, spans[1, row])
        if stop - start > own:
            for row in range(k, k + 4):
                _add_row(H, A, spans, weights[row], row)
            continue
        for i in between(start, stop):
            a, b = weights[k] * A[k, i], weights[k + 1] * A[k + 1, i]
            c, d = weights[k + 2] * A[k + 2, i], weights[k + 3] * A[k + 3, i]
            for j in between(i, stop):
                H[i, j] += (a * A[k, j] + b * A[k + 1, j]) + (
                    c * A[k + 2, j] + d * A[k + 3, j]
                )
    for row in range(whole, m):
        _add_row(H, A, spans, weights[row], row)


@summing
def squared_norm_of_row(A, spans, row):
    """The squared norm of a row."""
    total = 0.0
    for j in span_of(spans, row):
        total += A[row, j] * A[row, j]
    return total


@compiled
def _divide_row(H, k, stop):
    """The row of a pivot, divided by its root; whether it has one."""
    pivot = H[k, k]
    if not (pivot > 0.0 and pivot < np.inf):
        return False
    pivot = math.sqrt(pivot)
    H[k, k] = pivot
    inverse = 1.0 / pivot
    for j in between(k + 1, stop):
        H[k, j] *= inverse
    return True


@compiled
def _eliminate(H, k, stop):
    """The step of a pivot; whether it has a root."""
    if not _divide_row(H, k, stop):
        return False
    for i in between(k + 1, stop):
        part = H[k, i]
        for j in between(i, stop):
            H[i, j] -= part * H[k, j]
    return True


@compiled
def factor(H, reach):
    """The upper triangular `U` with `U'U = H`, in the place of `H`. Returns whether
    there is one."""
    n = H.shape[0]
    whole = n - n % 4
    for k in range(0, whole, 4):
        stop = reach[k + 3]
        if stop - k < _NARROW:
            for pivot in range(k, k + 4):
                if not _eliminate(H, pivot, reach[pivot]):
                    return False
            continue
        for pivot in range(k, k + 4):
            if not _divide_row(H, pivot, stop):
                return False
            for i in range(pivot + 1, k + 4):
                part = H[pivot, i]
                for j in between(i, stop):
                    H[i, j] -= part * H[pivot, j]
        for i in between(k + 4, stop):
            a, b, c, d = H[k, i], H[k + 1, i], H[k + 2, i], H[k + 3, i]
            for j in between(i, stop):
                H[i, j] -= (a * H[k, j] + b * H[k + 1, j]) + (
                    c * H[k + 2, j] + d * H[k + 3, j]
                )
    for k in range(whole, n):  # noqa: SIM110 - Numba has no generators in `all`
        if not _eliminate(H, k, reach[k]):
            return False
    return True


@summing
def solve(U, reach, x):
    """The solution of `U'U x = b`, in the place of `b`."""
    n = U.shape[0]
    for k in range(n):
        x[k] /= U[k, k]
        part = x[k]
        for j in between(k + 1, reach[k]):
            x[j] -= part * U[k, j]
    for k in range(n - 1, -1, -1):
        total = 0.0
        for j in between(k + 1, reach[k]):
            total += U[k, j] * x[j]
        x[k] = (x[k] - total) / U[k, k]


@compiled
def power_of_two(value):
    """The power of two below a positive number; one for what has none."""
    if value >= _LEAST and value < np.inf:
        return math.ldexp(1.0, math.frexp(value)[1] - 1)
    return 1.0
