"""Matrices and vectors of one element: products, factors, powers of two.

Loops run along rows, which are contiguous, and along the two pieces of each row in
which it may differ from zero: one before the `border`, one in it, each from `spans[0]`
to `spans[1]`. Symmetric matrices that are factored are their upper triangles. Before
the border their rows end at `reach`, which never falls from row to row, so that a
factor fits there too (George and Liu, "Computer solution of large sparse positive
definite systems", 1981, section 4.2); in the border they are whole.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.jit import compiled, summing

_LEAST = 2.0**-1022
# Rows of a factor that are shorter than this are not worth being taken together.
_NARROW = 8
# Of a row: before the border, and in it.
PIECES = 0, 1


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
def span_of(spans, row, piece):
    """The columns of a piece of a row: the first one, or that in the border."""
    return between(spans[piece, 0, row], spans[piece, 1, row])


@compiled
def pieces_of(start, stop, border, n):
    """The columns of a row of a factor, from `start` on."""
    start = np.int64(start)
    return (start, stop), (max(start, border), n)


@summing
def times(A, spans, x, out):
    """`A x`."""
    for i in range(A.shape[0]):
        total = 0.0
        for piece in PIECES:
            for j in span_of(spans, i, piece):
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
            for piece in PIECES:
                for j in span_of(spans, i, piece):
                    out[j] += factor * A[i, j]


@compiled
def _add_row(H, A, spans, weight, row):
    for piece in PIECES:
        for i in span_of(spans, row, piece):
            part = weight * A[row, i]
            for other in PIECES:
                first = max(np.int64(i), spans[other, 0, row])
                for j in between(first, spans[other, 1, row]):
                    H[i, j] += part * A[row, j]


@compiled
def add_gram(H, A, spans, weights):
    """`H + A'diag(weights) A`, in the place of `H`. Rows are taken four at a time where
    they are near each other, which is as often as `H` is read and written."""
    m = A.shape[0]
    whole = m - m % 4
    for k in range(0, whole, 4):
        pieces = _joined(spans, k, 0), _joined(spans, k, 1)
        joined = own = 0
        for piece in PIECES:
            joined += pieces[piece][1] - pieces[piece][0]
            for row in range(k, k + 4):
                own += spans[piece, 1, row] - spans[piece, 0, row]
        if joined > own:
            for row in range(k, k + 4):
                _add_row(H, A, spans, weights[row], row)
            continue
        for start, stop in pieces:
            for i in between(start, stop):
                a, b = weights[k] * A[k, i], weights[k + 1] * A[k + 1, i]
                c, d = weights[k + 2] * A[k + 2, i], weights[k + 3] * A[k + 3, i]
                for first, last in pieces:
                    for j in between(max(np.int64(i), first), last):
                        H[i, j] += (a * A[k, j] + b * A[k + 1, j]) + (
                            c * A[k + 2, j] + d * A[k + 3, j]
                        )
    for row in range(whole, m):
        _add_row(H, A, spans, weights[row], row)


@compiled
def _joined(spans, k, piece):
    """Where that piece of four rows starts and ends."""
    start, stop = spans[piece, 0, k], spans[piece, 1, k]
    for row in range(k + 1, k + 4):
        # What is empty starts anywhere.
        if spans[piece, 0, row] < spans[piece, 1, row]:
            some = start < stop
            start = min(start, spans[piece, 0, row]) if some else spans[piece, 0, row]
            stop = max(stop, spans[piece, 1, row])
    return start, stop


@summing
def squared_norm_of_row(A, spans, row):
    """The squared norm of a row."""
    total = 0.0
    for piece in PIECES:
        for j in span_of(spans, row, piece):
            total += A[row, j] * A[row, j]
    return total


@compiled
def _divide_row(H, k, stop, border):
    """The row of a pivot, divided by its root; whether it has one."""
    pivot = H[k, k]
    if not (pivot > 0.0 and pivot < np.inf):
        return False
    pivot = math.sqrt(pivot)
    H[k, k] = pivot
    inverse = 1.0 / pivot
    for first, last in pieces_of(k + 1, stop, border, H.shape[0]):
        for j in between(first, last):
            H[k, j] *= inverse
    return True


@compiled
def _subtract(H, k, i, stop, border):
    """From row `i` what row `k` has there."""
    part = H[k, i]
    for first, last in pieces_of(i, stop, border, H.shape[0]):
        for j in between(first, last):
            H[i, j] -= part * H[k, j]


@compiled
def _eliminate(H, k, stop, border):
    """The step of a pivot; whether it has a root."""
    if not _divide_row(H, k, stop, border):
        return False
    for start, end in pieces_of(k + 1, stop, border, H.shape[0]):
        for i in between(start, end):
            _subtract(H, k, i, stop, border)
    return True


@compiled
def factor(H, reach, border):
    """The upper triangular `U` with `U'U = H`, in the place of `H`. Returns whether
    there is one."""
    n = H.shape[0]
    whole = n - n % 4
    for k in range(0, whole, 4):
        stop = reach[k + 3]
        if max(stop - k, 0) + (n - max(k, border)) < _NARROW:
            for pivot in range(k, k + 4):
                if not _eliminate(H, pivot, reach[pivot], border):
                    return False
            continue
        for pivot in range(k, k + 4):
            if not _divide_row(H, pivot, stop, border):
                return False
            for i in range(pivot + 1, k + 4):
                _subtract(H, pivot, i, stop, border)
        for start, end in pieces_of(k + 4, stop, border, n):
            for i in between(start, end):
                a, b, c, d = H[k, i], H[k + 1, i], H[k + 2, i], H[k + 3, i]
                for first, last in pieces_of(i, stop, border, n):
                    for j in between(first, last):
                        H[i, j] -= (a * H[k, j] + b * H[k + 1, j]) + (
                            c * H[k + 2, j] + d * H[k + 3, j]
                        )
    for k in range(whole, n):  # noqa: SIM110 - Numba has no generators in `all`
        if not _eliminate(H, k, reach[k], border):
            return False
    return True


@summing
def solve(U, reach, border, x):
    """The solution of `U'U x = b`, in the place of `b`."""
    n = U.shape[0]
    for k in range(n):
        x[k] /= U[k, k]
        part = x[k]
        for first, last in pieces_of(k + 1, reach[k], border, n):
            for j in between(first, last):
                x[j] -= part * U[k, j]
    for k in range(n - 1, -1, -1):
        total = 0.0
        for first, last in pieces_of(k + 1, reach[k], border, n):
            for j in between(first, last):
                total += U[k, j] * x[j]
        x[k] = (x[k] - total) / U[k, k]


@compiled
def power_of_two(value):
    """The power of two below a positive number; one for what has none."""
    if value >= _LEAST and value < np.inf:
        return math.ldexp(1.0, math.frexp(value)[1] - 1)
    return 1.0
