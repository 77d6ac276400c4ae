"""The system (*) of `optimality.kkt` for one element: factored, solved, refined.

    P r - F'e = a,      diag(d) F r + diag(1 - d) e = c

With `F = U'A` and the eigenvalues `d` of the derivative of the projection it is that of
Newton's method and of the adjoint. With the rows of cones in scaled coordinates,
`F = W^-1 A`, and `d` one for equalities and a half for others, it is that of a step of
the interior-point method: there `F r - z~ = c` for `e = -z~`.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import (
    add_gram,
    between,
    factor,
    largest,
    pieces_of,
    solve,
    squared_norm_of_row,
    times,
    transposed_times,
)
from tf_cvxlayers.engines.compiled.further import raise_matrices
from tf_cvxlayers.engines.compiled.jit import compiled

# As in `optimality.kkt`.
DELTA, _EPSILON = 1e-8, 1e-15


@compiled
def _scale_of(program):
    """That of the objective."""
    return program.curvature if program.curvature > 0.0 else 1.0


@compiled
def factor_system(further, program, F, d, lower, diagonal, H, weights, delta):
    """The diagonal block of `e`, the diagonal of `H`, and its factor, in these arrays.
    Returns whether there is one. What is added to rows that are not equalities is
    `delta`."""
    n, rank, scale = diagonal.size, 0.0, _scale_of(program)
    for i in range(d.size):
        weights[i] = squared_norm_of_row(F, program.spans, i)
    if delta > 0.0:
        # See `mixes_rows` of `optimality.cones.protocol`.
        raise_matrices(further, weights)
    for i in range(d.size):
        unit = (weights[i] if weights[i] > 0.0 else 1.0) / scale
        of_row = delta if d[i] < 1.0 else DELTA
        lower[i] = 1.0 - d[i] + of_row * d[i] * unit
        weights[i] = d[i] / lower[i]
        if d[i] > 0.0:
            rank += 1.0
    # Of a matrix with too few rows, what rounding may take from its diagonal; of others
    # if it does so, as where nothing holds a variable without curvature of its own.
    few = rank < n and program.curvature == 0.0
    works = _factor_with(program, F, weights, diagonal, H, scale, few)
    return works or (
        not few and _factor_with(program, F, weights, diagonal, H, scale, True)
    )


@compiled
def _factor_with(program, F, weights, diagonal, H, scale, few):
    n, reach = diagonal.size, program.reach
    for i in range(n):
        # Of four rows that are taken together, up to where the last one ends.
        stop = reach[min(i + 3, n - 1)]
        for first, last in pieces_of(i, stop, program.border, n):
            for j in between(first, last):
                H[i, j] = program.P[i, j]
    add_gram(H, F, program.spans, weights)
    small = DELTA**1.5 * scale
    for j in range(n):
        H[j, j] += max(small, _EPSILON * n * H[j, j]) if few else small
        diagonal[j] = H[j, j]
    return factor(H, reach, program.border)


@compiled
def solve_system(program, F, d, lower, U, a, c, r, e):
    """`(r, e)` for `(a, c)`, but for the effect of `delta`."""
    for i in range(c.size):
        e[i] = c[i] / lower[i]
    transposed_times(F, program.spans, e, r)
    for j in range(a.size):
        r[j] += a[j]
    solve(U, program.reach, program.border, r)
    times(F, program.spans, r, e)
    for i in range(c.size):
        e[i] = (c[i] - d[i] * e[i]) / lower[i]


@compiled
def make_left(program, F, d, a, c, r, e, left, left_of_c, spare):
    """What `(r, e)` leave of `(a, c)`."""
    times(program.P, program.P_spans, r, left)
    transposed_times(F, program.spans, e, spare)
    for j in range(a.size):
        left[j] = a[j] - (left[j] - spare[j])
    times(F, program.spans, r, left_of_c)
    for i in range(c.size):
        left_of_c[i] = c[i] - d[i] * left_of_c[i] - (1.0 - d[i]) * e[i]


@compiled
def _in_units(v, squares):
    most = 0.0
    for k in range(v.size):
        most = max(most, abs(v[k]) * math.sqrt(squares[k]))
    return most


@compiled
def solve_until(program, F, d, lower, diagonal, U, a, c, r, e, accepted, refinements):
    """`(r, e)`, with refinement. Returns whether little of it, and of what it has to
    meet, is missed."""
    n, m = a.size, c.size
    left, dr, spare = np.empty(n), np.empty(n), np.empty(n)
    left_of_c, de = np.empty(m), np.empty(m)
    solve_system(program, F, d, lower, U, a, c, r, e)
    size, scale, enough = max(largest(a), largest(c)), _scale_of(program), False
    for _ in range(refinements):
        make_left(program, F, d, a, c, r, e, left, left_of_c, spare)
        solve_system(program, F, d, lower, U, left, left_of_c, dr, de)
        own = max(_in_units(r, diagonal), _in_units(e, lower))
        more_of_r, more_of_e = _in_units(dr, diagonal), _in_units(de, lower)
        missed = max(largest(left), largest(left_of_c))
        for j in range(n):
            r[j] += dr[j]
        for i in range(m):
            e[i] += de[i]
        met = missed <= accepted * (size if size > 0.0 else 1.0)
        most = accepted * (own if own > 0.0 else 1.0)
        met = met and more_of_e <= most
        if met and more_of_r <= most:
            return True
        # In the end, see `optimality.kkt`.
        enough = met and largest(dr) * scale <= accepted * size
    return enough
