"""The two functions that NumPy calls: elements from `start` to `stop` of a batch."""

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import (
    PIECES,
    largest,
    span_of,
    transposed_times,
)
from tf_cvxlayers.engines.compiled.cones import basis_of, make_balance, turn
from tf_cvxlayers.engines.compiled.iteration import iterated
from tf_cvxlayers.engines.compiled.jit import compiled, kept_on_disk
from tf_cvxlayers.engines.compiled.kkt import solve_until
from tf_cvxlayers.engines.compiled.program import program_of, residuals
from tf_cvxlayers.engines.compiled.refinement import make_system, refined
from tf_cvxlayers.engines.compiled.units import make_units

# As in `engines.interior_point.phases`, `pipeline.verified` and `optimality.adjoint`.
_HANDOVERS = 1e-3, 1e-6
_FAR, _SOLVED = 1e5, 1e-7
_ACCEPTED, _REFINEMENTS = 1e-11, 6


@compiled
def _element(values, k):
    return values[0 if values.shape[0] == 1 else k]


@compiled
def _program(shape, P, q, A, b, k, d, e):
    """An element in its units, whose `d` and `e` come to be in these arrays; `beta` and
    `gamma`; and whether such units do for it."""
    own = _element(P, k), _element(q, k), _element(A, k), _element(b, k)
    beta, gamma, near = make_units(shape, own[0], own[1], own[2], own[3], d, e)
    program = program_of(shape, own[0], own[1], own[2], own[3], d, e, beta, gamma)
    return program, beta, gamma, near


@kept_on_disk
def solve(
    shape,
    P,
    q,
    A,
    b,
    tolerance,
    max_iterations,
    rounding,
    start,
    stop,
    found_x,
    found_y,
    found_s,
    settled,
    iterations,
    missed,
):
    n, m = found_x.shape[1], found_y.shape[1]
    d, e = np.empty(n), np.empty(m)
    x, y, s = np.empty(n), np.empty(m), np.empty(m)
    most = max(_SOLVED, rounding)
    for k in range(start, stop):
        program, beta, gamma, near = _program(shape, P, q, A, b, k, d, e)
        if not near:
            continue
        for phase in range(3):
            count, there = iterated(
                shape,
                program,
                x,
                y,
                s,
                phase == 0,
                _HANDOVERS[phase] if phase < 2 else tolerance,
                max_iterations - iterations[k],
            )
            iterations[k] += count
            if not there:
                break
            own = found_x[k], found_y[k], found_s[k]
            own[0][:], own[1][:], own[2][:] = x, y, s
            if not refined(shape, program, own[0], own[1], own[2]):
                continue
            slack = largest(own[2])
            left = residuals(program, own[0], own[1], own[2])
            missed[0, k], missed[1, k], missed[2, k] = left
            seen_well = slack == 0.0 or largest(own[0]) <= _FAR * slack
            settled[k] = seen_well and max(left) <= most
            break
        for j in range(n):
            found_x[k, j] *= beta * d[j]
        for i in range(m):
            found_y[k, i] *= gamma * e[i]
            found_s[k, i] *= beta / e[i]


@kept_on_disk
def adjoint(shape, P, q, A, b, x, y, s, gx, gy, gs, start, stop, dP, dq, dA, db, kept):
    n, m = x.shape[1], y.shape[1]
    d, e, values = np.empty(n), np.empty(m), np.empty(m)
    basis, lower, balance = basis_of(shape, m), np.empty(m), np.empty(m)
    diagonal, H = np.empty(n), np.empty((n, n))
    own_x, own_y, own_s = np.empty(n), np.empty(m), np.empty(m)
    a, r, spare = np.empty(n), np.empty(n), np.empty(n)
    c, rest, dual = np.empty(m), np.empty(m), np.empty(m)
    for k in range(start, stop):
        if max(largest(gx[k]), largest(gy[k]), largest(gs[k])) == 0.0:
            kept[k] = True
            continue
        program, beta, gamma, near = _program(shape, P, q, A, b, k, d, e)
        if not near:
            continue
        for i in range(m):
            own_y[i] = y[k, i] / (gamma * e[i])
            own_s[i] = s[k, i] / (beta / e[i])
        make_balance(shape, own_y, own_s, balance)
        for i in range(m):
            unit = balance[i]
            own_y[i] /= unit
            own_s[i] *= unit
            c[i] = gy[k, i] * gamma * e[i] * unit
            rest[i] = gs[k, i] * (beta / e[i]) / unit
            if unit != 1.0:
                for piece in PIECES:
                    for j in span_of(shape.spans, i, piece):
                        program.A[i, j] *= unit
        turned, works = make_system(
            shape, program, own_y, own_s, values, basis, lower, diagonal, H, dual
        )
        if not works:
            continue
        transposed_times(program.A, program.spans, rest, spare)
        for j in range(n):
            own_x[j] = x[k, j] / (beta * d[j])
            a[j] = gx[k, j] * (beta * d[j]) - spare[j]
        turn(shape, basis, c, True)
        for i in range(m):
            c[i] *= values[i]
        kept[k] = solve_until(
            program,
            turned,
            values,
            lower,
            diagonal,
            H,
            a,
            c,
            r,
            dual,
            _ACCEPTED,
            _REFINEMENTS,
        )
        turn(shape, basis, dual, False)
        for j in range(n):
            dq[k, j] = -r[j] * d[j] / gamma
        for i in range(m):
            dual[i] = (dual[i] - rest[i]) * balance[i]
            own_y[i] *= balance[i]
            db[k, i] = -dual[i] * e[i] / beta
        for t in range(dP.shape[1]):
            i, j = shape.P_at[0, t], shape.P_at[1, t]
            part = r[i] * own_x[j] + own_x[i] * r[j]
            dP[k, t] = -0.5 * part * d[i] * d[j] * (beta / gamma)
        for t in range(dA.shape[1]):
            i, j = shape.A_at[0, t], shape.A_at[1, t]
            dA[k, t] = (dual[i] * own_x[j] - own_y[i] * r[j]) * e[i] * d[j]
