"""The units of one element: what `pipeline.units` and `pipeline.equilibration` say.

x = beta d x',   s = beta s' / e,   y = gamma e y'
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import power_of_two
from tf_cvxlayers.engines.compiled.cones import raise_in_cones
from tf_cvxlayers.engines.compiled.jit import compiled

# As there.
_FAR_APART = 4096.0


@compiled
def _make_largest_rows(shape, A, d, rows):
    """The largest entry of `A d` in each row, or in the rows of its cone."""
    for i in range(rows.size):
        rows[i] = 0.0
    for k in range(A.size):
        i = shape.A_at[0, k]
        rows[i] = max(rows[i], abs(A[k]) * d[shape.A_at[1, k]])
    raise_in_cones(shape, rows)


@compiled
def make_units(shape, P, q, A, b, d, e):
    """`d` and `e`, in these arrays, and `beta` and `gamma`; and whether the columns are
    not too far apart for such units."""
    n, m = d.size, e.size
    for j in range(n):
        d[j] = 1.0
    _make_largest_rows(shape, A, d, e)
    columns = np.zeros(n)
    for k in range(A.size):
        i, j = shape.A_at[0, k], shape.A_at[1, k]
        if shape.general[i]:
            columns[j] = max(columns[j], abs(A[k]) * power_of_two(1.0 / e[i]))
    for k in range(P.size):
        for j in shape.P_at[:, k]:
            columns[j] = max(columns[j], abs(P[k]))
    least, most = np.inf, 0.0
    for j in range(n):
        if columns[j] > 0.0:
            least = min(least, columns[j])
        most = max(most, columns[j])
        d[j] = power_of_two(1.0 / math.sqrt(columns[j]))
    near = not (_FAR_APART * least < most)
    _make_largest_rows(shape, A, d, e)
    b_least = q_least = P_least = np.inf
    b_most = q_most = P_most = 0.0
    for i in range(m):
        e[i] = power_of_two(1.0 / (math.sqrt(0.5) * e[i]))
        size = abs(b[i]) * e[i]
        if size > 0.0:
            b_least, b_most = min(b_least, size), max(b_most, size)
    for j in range(n):
        size = abs(q[j]) * d[j]
        if size > 0.0:
            q_least, q_most = min(q_least, size), max(q_most, size)
    for k in range(P.size):
        size = abs(P[k]) * d[shape.P_at[0, k]] * d[shape.P_at[1, k]]
        if size > 0.0:
            P_least, P_most = min(P_least, size), max(P_most, size)
    both = P_most > 0.0 and q_most > 0.0
    balance = q_most / P_most if both else 1.0
    unit = min(max(b_least, 1.0), b_most)
    if both and b_least > 1.0:
        unit = min(b_least, max(balance, 1.0))
    beta = power_of_two(unit if b_most > 0.0 else balance)
    least = min(q_least, beta * P_least)
    most = max(q_most, beta * P_most)
    return beta, power_of_two(min(max(least, 1.0), most)), near
