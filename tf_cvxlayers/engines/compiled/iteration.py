"""The primal-dual interior-point iteration of one element.

Mehrotra's predictor and corrector with Nesterov and Todd's scaling (Vandenberghe, "The
CVXOPT linear and quadratic cone program solvers", 2010, section 5.3), without an
embedding: what has no solution does not get near one here, and is left to others.
Equalities are in the system that is factored, see `kkt`. `y` has all rows: of
equalities it is free, of others in the dual cones.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import (
    PIECES,
    dot,
    largest,
    span_of,
    times,
    transposed_times,
)
from tf_cvxlayers.engines.compiled.further_scaling import are_symmetric
from tf_cvxlayers.engines.compiled.jit import compiled
from tf_cvxlayers.engines.compiled.kkt import factor_system, make_left, solve_system
from tf_cvxlayers.engines.compiled.scaling import (
    make_corrected,
    make_scaled_rows,
    make_scaling,
    move_inside,
    put_on_path,
    scaled,
    scaling_of,
    steepness,
    unscaled,
)

# As in `engines.interior_point.step`.
_BACK_OFF, _CAUTION, _USUAL = 0.99, 0.6, 0.1
_SHORTEST = 1e-7


@compiled
def _solve(program, F, weights, lower, U, a, c, dx, dz, refined, n_spare, m_spare):
    """`(dx, z~)` with `P dx + F'z~ = a`, `F dx - z~ = c`; for equalities, whose weights
    are ones, `F dx = c`. The right-hand sides are lost."""
    for i in range(c.size):
        c[i] *= weights[i]
    solve_system(program, F, weights, lower, U, a, c, dx, dz)
    if refined:
        left, r, left_of_c, e = n_spare[0], n_spare[1], m_spare[0], m_spare[1]
        make_left(program, F, weights, a, c, dx, dz, left, left_of_c, r)
        solve_system(program, F, weights, lower, U, left, left_of_c, r, e)
        for j in range(dx.size):
            dx[j] += r[j]
        for i in range(dz.size):
            dz[i] += e[i]
    for i in range(dz.size):
        dz[i] = -dz[i]


@compiled
def iterated(shape, program, x, y, s, start, tolerance, most):
    """Move the point `(x, y, s)` until it meets the tolerance.

    Args:
        start: whether to begin at the point of least squares, moved into the cones; or,
            where one of them is not symmetric, on the central path. From elsewhere on,
            systems are solved with a step of refinement.
        most: how many steps there may be.

    Returns:
        How many steps there were, and whether the point meets the tolerance.
    """
    n, m, p, refined = x.size, s.size, shape.equalities, not start
    scaling = scaling_of(shape, s, y)
    lam = scaling.point
    dx, a, dual, diagonal, n_spare = (
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty((2, n)),
    )
    H, F, weights, lower = (
        np.empty((n, n)),
        np.zeros((m, n)),
        np.empty(m),
        np.empty(m),
    )
    rows, missing, d, c, dy, ds, m_spare = (
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty((2, m)),
    )
    for i in range(m):
        weights[i] = 1.0 if i < p else 0.5
        for piece in PIECES:
            for j in span_of(program.spans, i, piece):
                F[i, j] = program.A[i, j]
    if start and not are_symmetric(shape.further):
        for j in range(n):
            x[j] = 0.0
        put_on_path(shape, scaling)
    elif start:
        for j in range(n):
            a[j] = -program.q[j]
        for i in range(m):
            c[i] = program.b[i]
        if not factor_system(
            shape.further, program, F, weights, lower, diagonal, H, d, 0.0
        ):
            return 0, False
        _solve(program, F, weights, lower, H, a, c, x, y, refined, n_spare, m_spare)
        for i in range(m):
            s[i] = 0.0 if i < p else -y[i]
        if m > p:
            move_inside(shape, s)
            move_inside(shape, y)
    for count in range(most + 1):
        # What is missing, and whether it is little.
        times(program.P, program.P_spans, x, dx)
        transposed_times(program.A, program.spans, y, dual)
        size_of_dual = 0.0
        for j in range(n):
            size_of_dual = max(size_of_dual, abs(dx[j]), abs(program.q[j]))
            dual[j] += dx[j] + program.q[j]
        times(program.A, program.spans, x, rows)
        size_of_primal = 0.0
        for i in range(m):
            size_of_primal = max(size_of_primal, abs(s[i]), abs(program.b[i]))
            rows[i] += s[i] - program.b[i]
        qx, by = dot(program.q, x), dot(program.b, y)
        gap = abs(dot(x, dx) + qx + by)
        if (
            largest(rows) <= tolerance * (1.0 + size_of_primal)
            and largest(dual) <= tolerance * (1.0 + size_of_dual)
            and gap <= tolerance * (1.0 + max(abs(qx), abs(by)))
        ):
            return count, True
        if count == most:
            break

        make_scaling(shape, scaling)
        make_scaled_rows(shape, scaling, program.A, F)
        if not factor_system(
            shape.further, program, F, weights, lower, diagonal, H, d, 0.0
        ):
            break
        for i in range(m):
            missing[i] = rows[i]
        scaled(shape, scaling, missing)

        # The predictor.
        for j in range(n):
            a[j] = -dual[j]
        for i in range(m):
            c[i] = -missing[i] if i < p else lam[i] - missing[i]
        _solve(program, F, weights, lower, H, a, c, dx, dy, refined, n_spare, m_spare)
        mu = 0.0
        for i in range(p, m):
            ds[i] = -(lam[i] + dy[i])
            mu += lam[i] * lam[i]
        mu /= scaling.degree
        t = steepness(shape, scaling, dy, ds)
        remaining = 1.0 - _BACK_OFF / max(t, _BACK_OFF)
        centring = remaining * remaining * remaining

        # The corrector.
        make_corrected(shape, scaling, ds, dy, centring * mu, d)
        for j in range(n):
            a[j] = -(1.0 - centring) * dual[j]
        for i in range(m):
            c[i] = -(1.0 - centring) * missing[i]
            if i >= p:
                c[i] += d[i]
        _solve(program, F, weights, lower, H, a, c, dx, dy, refined, n_spare, m_spare)
        for i in range(m):
            ds[i] = 0.0 if i < p else -(d[i] + dy[i])
        t = steepness(shape, scaling, dy, ds)
        share = _BACK_OFF - _CAUTION * max(centring - _USUAL, 0.0)
        length = share / max(t, share)
        if not (length > _SHORTEST and math.isfinite(dot(dx, dx))):
            break
        unscaled(shape, scaling, dy, ds)
        for j in range(n):
            x[j] += length * dx[j]
        for i in range(m):
            y[i] += length * dy[i]
            s[i] += length * ds[i]
    return count, False
