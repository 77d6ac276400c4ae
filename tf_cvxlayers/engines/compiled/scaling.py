"""Nesterov and Todd's scaling of the inequalities and second-order cones of an element.

With `W` as in Vandenberghe, "The CVXOPT linear and quadratic cone program solvers",
2010, section 4: `W z = W^-1 s = lambda`. For an inequality `W = sqrt(s / z)`; for a
second-order cone `W = eta [w0, w1'; w1, I + w1 w1' / (1 + w0)]`, with `w'J w = 1` and
`J = diag(1, -I)`. Vectors have all rows; those of equalities are not touched.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import span_of
from tf_cvxlayers.engines.compiled.cones import norm_of
from tf_cvxlayers.engines.compiled.jit import compiled


@compiled
def _root(v, a, b):
    """`sqrt(v'J v)` of a part of a vector, as a product that does not cancel."""
    size = norm_of(v, a + 1, b)
    return math.sqrt(max((v[a] - size) * (v[a] + size), 0.0))


@compiled
def make_scaling(shape, s, z, w, eta, point):
    """The scaling at `s`, `z`: `w`, `eta` of each inequality and cone, and `lambda`."""
    first, number = shape.first, shape.inequalities
    for cone in range(number):
        i = first[cone]
        eta[cone] = math.sqrt(s[i] / z[i])
    for cone in range(number, first.size - 1):
        a, b = first[cone], first[cone + 1]
        of_s, of_z, inner = _root(s, a, b), _root(z, a, b), 0.0
        for i in range(a, b):
            inner += s[i] * z[i]
        gamma = math.sqrt(0.5 * (1.0 + inner / (of_s * of_z)))
        w[a] = 0.5 * (s[a] / of_s + z[a] / of_z) / gamma
        for i in range(a + 1, b):
            w[i] = 0.5 * (s[i] / of_s - z[i] / of_z) / gamma
        eta[cone] = math.sqrt(of_s / of_z)
    for i in range(first[0], s.size):
        point[i] = z[i]
    apply(shape, w, eta, point, 1.0)


@compiled
def apply(shape, w, eta, v, sign):
    """`W v`, or with a `sign` of minus one `W^-1 v`, in the place of `v`."""
    first, number = shape.first, shape.inequalities
    for cone in range(number):
        i = first[cone]
        v[i] = v[i] * eta[cone] if sign > 0.0 else v[i] / eta[cone]
    for cone in range(number, first.size - 1):
        a, b = first[cone], first[cone + 1]
        unit = eta[cone] if sign > 0.0 else 1.0 / eta[cone]
        along = 0.0
        for i in range(a + 1, b):
            along += w[i] * v[i]
        factor = sign * v[a] + along / (1.0 + w[a])
        v[a] = unit * (w[a] * v[a] + sign * along)
        for i in range(a + 1, b):
            v[i] = unit * (v[i] + factor * w[i])


@compiled
def make_scaled_rows(shape, w, eta, A, F):
    """`W^-1 A`."""
    first, spans = shape.first, shape.spans
    along = np.empty(A.shape[1])
    for cone in range(shape.inequalities):
        i, unit = first[cone], 1.0 / eta[cone]
        for j in span_of(spans, i):
            F[i, j] = unit * A[i, j]
    for cone in range(shape.inequalities, first.size - 1):
        a, b, unit = first[cone], first[cone + 1], 1.0 / eta[cone]
        for j in span_of(spans, a):
            along[j] = 0.0
        for i in range(a + 1, b):
            for j in span_of(spans, a):
                along[j] += w[i] * A[i, j]
        for j in span_of(spans, a):
            F[a, j] = unit * (w[a] * A[a, j] - along[j])
            along[j] = along[j] / (1.0 + w[a]) - A[a, j]
        for i in range(a + 1, b):
            for j in span_of(spans, a):
                F[i, j] = unit * (A[i, j] + w[i] * along[j])


@compiled
def make_corrected(shape, point, ds, dz, level, d):
    """`d = lambda + lambda \\ (ds o dz - level e)`."""
    first = shape.first
    for cone in range(shape.inequalities):
        i = first[cone]
        d[i] = point[i] + (ds[i] * dz[i] - level) / point[i]
    for cone in range(shape.inequalities, first.size - 1):
        a, b = first[cone], first[cone + 1]
        head, along = ds[a] * dz[a] - level, 0.0
        for i in range(a + 1, b):
            head += ds[i] * dz[i]
            d[i] = ds[a] * dz[i] + dz[a] * ds[i]
            along += point[i] * d[i]
        root = _root(point, a, b)
        t = (point[a] * head - along) / (root * root)
        d[a] = point[a] + t
        for i in range(a + 1, b):
            d[i] = point[i] + (d[i] - t * point[i]) / point[a]


@compiled
def steepness(shape, point, d):
    """The largest `t` with `lambda + d / t` on the boundary."""
    first, most = shape.first, 0.0
    for cone in range(shape.inequalities):
        i = first[cone]
        most = max(most, -d[i] / point[i])
    for cone in range(shape.inequalities, first.size - 1):
        a, b = first[cone], first[cone + 1]
        root, along, tail = _root(point, a, b), 0.0, 0.0
        for i in range(a + 1, b):
            along += d[i] * point[i]
        head = (d[a] * point[a] - along) / root
        factor = (head + d[a]) / (point[a] + root)
        for i in range(a + 1, b):
            part = d[i] - factor * point[i]
            tail += part * part
        most = max(most, (math.sqrt(tail) - head) / root)
    return most


@compiled
def move_inside(shape, v):
    """`v` plus a multiple of the identity, so that it is in the cones."""
    first, distance = shape.first, np.inf
    for cone in range(shape.inequalities):
        distance = min(distance, v[first[cone]])
    for cone in range(shape.inequalities, first.size - 1):
        a = first[cone]
        distance = min(distance, v[a] - norm_of(v, a + 1, first[cone + 1]))
    if distance > 0.0:
        return
    for cone in range(first.size - 1):
        v[first[cone]] += 1.0 - distance
