"""Newton's method on the optimality conditions of one element, and whether it has
settled: `optimality.refinement`, in loops."""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import largest, times
from tf_cvxlayers.engines.compiled.cones import (
    basis_of,
    make_pair,
    make_sides,
    make_spectrum,
    turn,
    turn_rows,
)
from tf_cvxlayers.engines.compiled.further import are_inside
from tf_cvxlayers.engines.compiled.jit import compiled
from tf_cvxlayers.engines.compiled.kkt import DELTA, factor_system, solve_system
from tf_cvxlayers.engines.compiled.program import drop_rounding, make_missing

# As there.
_STEPS, _ROUNDING = 4, 1e-13
_SHORTEST, _LEFT, _SHRINKS = 1e-10, 1e-11, 0.1
_FLAT, _CURVED, _KINK, _LEAST = 0.1, 1e-7, 1e-14, 1e-3


@compiled
def make_system(shape, program, y, s, d, basis, lower, diagonal, H, spare):
    """The system (*) at a complementary pair, in these arrays. Returns `U'A`, and
    whether the system has a factor."""
    make_spectrum(shape, y, s, d, basis)
    turned = program.A
    if s.size > shape.equalities + shape.inequalities:
        turned = program.A.copy()
        turn_rows(shape, basis, turned)
    return turned, factor_system(
        shape.further, program, turned, d, lower, diagonal, H, spare, DELTA
    )


@compiled
def _are_kept(shape, sides, same, dv, shrinks, primal, dual):
    """Whether no row has changed its side, nor can do so, but for kinks."""
    for k in range(sides.size):
        moved = 0.0
        for i in range(shape.sides[0, k], shape.sides[1, k]):
            moved += dv[i] * dv[i]
        moved, far = math.sqrt(moved), _FLAT
        if k >= shape.inequalities:
            moved, far = moved * shrinks, _CURVED
        distance = abs(sides[k])
        if same[k] and moved <= far * distance:
            continue
        if not distance <= _KINK * (dual if sides[k] > 0.0 else primal):
            return False
    return True


@compiled
def refined(shape, program, x, y, s):
    """Move the point `(x, y, s)` by Newton's method. Returns whether it has settled."""
    n, m, jumps = x.size, s.size, shape.sides.shape[1]
    d, basis, lower = np.empty(m), basis_of(shape, m), np.empty(m)
    diagonal, H = np.empty(n), np.empty((n, n))
    F, size, dx, a = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    G, size_of_G, dy, c = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    part, dv = np.empty(m), np.empty(m)
    before, sides, same = np.empty(jumps), np.empty(jumps), np.empty(jumps, np.bool_)
    make_pair(shape, y, s)
    make_sides(shape, y, s, before)
    make_missing(program, x, y, s, F, size, G, size_of_G)
    for _ in range(_STEPS):
        turned, works = make_system(
            shape, program, y, s, d, basis, lower, diagonal, H, part
        )
        if not works:
            return False
        # Two steps, the second one without what rounding may have left of the first,
        # and only where no row has changed its side.
        made, missed = True, np.inf
        dx_of_first = dy_of_first = dx_of_second = dy_of_second = 0.0
        for second in (False, True):
            if second:
                drop_rounding(F, size)
                drop_rounding(G, size_of_G)
            for j in range(n):
                a[j] = -F[j]
            for i in range(m):
                c[i] = G[i]
            turn(shape, basis, c, True)
            for i in range(m):
                c[i] *= d[i]
            solve_system(program, turned, d, lower, H, a, c, dx, dy)
            turn(shape, basis, dy, False)
            times(program.A, program.spans, dx, part)
            for i in range(m):
                dv[i] = -dy[i] - (G[i] - part[i])
            if second:
                dx_of_second, dy_of_second = largest(dx), largest(dy)
                make_sides(shape, y, s, sides)
                for k in range(jumps):
                    same[k] = before[k] * sides[k] > 0.0
                    made = made and same[k]
            else:
                dx_of_first, dy_of_first = largest(dx), largest(dy)
            if made:
                for j in range(n):
                    x[j] += dx[j]
                for i in range(m):
                    y[i] -= dy[i]
                    s[i] += G[i] - part[i]
                make_pair(shape, y, s)
            missed = make_missing(program, x, y, s, F, size, G, size_of_G)
        make_sides(shape, y, s, sides)
        of_x, of_s = largest(x), largest(s)
        primal = (min(of_s, 1.0 + of_x) if of_s > 0.0 else of_x) + _LEAST
        dual = largest(y) + _LEAST
        length = max(dx_of_first / primal, dy_of_first / dual)
        error = max(dx_of_second / primal, dy_of_second / dual)
        short, shrinks = _SHORTEST, 1.0
        if made:
            short = max(min(_SHRINKS * length, math.sqrt(_LEFT * length)), _SHORTEST)
            shrinks = error / (length + error) if error > 0.0 else 0.0
        ends = error <= short and missed <= _ROUNDING
        if ends and _are_kept(shape, sides, same, dv, shrinks, primal, dual):
            return are_inside(shape.further, y, s)
        for k in range(jumps):
            before[k] = sides[k]
    return False
