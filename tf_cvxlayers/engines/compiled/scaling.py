"""Nesterov and Todd's scaling of the inequalities and second-order cones of an element.

With `W` as in Vandenberghe, "The CVXOPT linear and quadratic cone program solvers",
2010, section 4: `W z = W^-1 s = lambda`. For an inequality `W = sqrt(s / z)`; for a
second-order cone `W = eta [w0, w1'; w1, I + w1 w1' / (1 + w0)]`, with `w'J w = 1` and
`J = diag(1, -I)`. Vectors have all rows; those of equalities are not touched.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import PIECES, span_of
from tf_cvxlayers.engines.compiled.cones import norm_of
from tf_cvxlayers.engines.compiled.further_scaling import (
    add_corrected,
    add_identity,
    add_scaled_rows,
    add_scalings,
    degree_of,
    least_inside,
    put_identities,
    roots_of,
    scale_further,
    steepest,
    unscale_further,
)
from tf_cvxlayers.engines.compiled.jit import compiled


class Scaling(NamedTuple):
    """The scaling at a pair.

    Attributes:
        s, z: the pair.
        w, eta: of inequalities and second-order cones.
        point: `lambda`.
        further: the `Roots` of further cones.
        degree: what `s'z` is divided by to give the mean complementarity.
    """

    s: np.ndarray
    z: np.ndarray
    w: np.ndarray
    eta: np.ndarray
    point: np.ndarray
    further: Any
    degree: int


@compiled
def scaling_of(shape, s, z):
    """Room for the scaling at what these arrays come to hold."""
    cones, m = shape.first.size - 1, s.size
    return Scaling(
        s,
        z,
        np.empty(m),
        np.empty(cones),
        np.empty(m),
        roots_of(shape.further, s, z),
        max(cones + degree_of(shape.further), 1),
    )


@compiled
def _root(v, a, b):
    """`sqrt(v'J v)` of a part of a vector, as a product that does not cancel."""
    size = norm_of(v, a + 1, b)
    return math.sqrt(max((v[a] - size) * (v[a] + size), 0.0))


@compiled
def make_scaling(shape, scaling):
    """The scaling at its pair."""
    s, z, w, eta, point, further, _ = scaling
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
    _apply(shape, w, eta, point, 1.0)
    add_scalings(shape.further, further, point)


@compiled
def scaled(shape, scaling, v):
    """`W^-T v`, in the place of `v`."""
    _apply(shape, scaling.w, scaling.eta, v, -1.0)
    scale_further(shape.further, scaling.further, v)


@compiled
def unscaled(shape, scaling, dz, ds):
    """`W^-1 dz` and `W'ds`, in the place of them."""
    _apply(shape, scaling.w, scaling.eta, dz, -1.0)
    _apply(shape, scaling.w, scaling.eta, ds, 1.0)
    unscale_further(shape.further, scaling.further, dz, ds)


@compiled
def _apply(shape, w, eta, v, sign):
    """`W v`, or with a `sign` of minus one `W^-1 v`, of inequalities and second-order
    cones, in the place of `v`: there `W` is symmetric."""
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
def make_scaled_rows(shape, scaling, A, F):
    """`W^-T A`."""
    first, spans, w, eta = shape.first, shape.spans, scaling.w, scaling.eta
    along = np.empty(A.shape[1])
    for cone in range(shape.inequalities):
        i, unit = first[cone], 1.0 / eta[cone]
        for piece in PIECES:
            for j in span_of(spans, i, piece):
                F[i, j] = unit * A[i, j]
    for cone in range(shape.inequalities, first.size - 1):
        a, b, unit = first[cone], first[cone + 1], 1.0 / eta[cone]
        for piece in PIECES:
            for j in span_of(spans, a, piece):
                along[j] = 0.0
            for i in range(a + 1, b):
                for j in span_of(spans, a, piece):
                    along[j] += w[i] * A[i, j]
            for j in span_of(spans, a, piece):
                F[a, j] = unit * (w[a] * A[a, j] - along[j])
                along[j] = along[j] / (1.0 + w[a]) - A[a, j]
            for i in range(a + 1, b):
                for j in span_of(spans, a, piece):
                    F[i, j] = unit * (A[i, j] + w[i] * along[j])
    add_scaled_rows(shape.further, spans, scaling.further, A, F)


@compiled
def make_corrected(shape, scaling, ds, dz, level, d):
    """`d = lambda + lambda \\ (ds o dz - level e)`. The step may be lost."""
    first, point = shape.first, scaling.point
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
    add_corrected(shape.further, scaling.further, point, ds, dz, level, d)


@compiled
def steepness(shape, scaling, dz, ds):
    """The largest `t` with `lambda + dz / t`, or `lambda + ds / t`, on the boundary."""
    point = scaling.point
    most = max(_steepness(shape, point, dz), _steepness(shape, point, ds))
    return max(most, steepest(shape.further, scaling.further, dz, ds))


@compiled
def _steepness(shape, point, d):
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
def put_on_path(shape, scaling):
    """The pair that is on the central path, in the place of the scaling's."""
    for v in (scaling.s, scaling.z):
        for i in range(v.size):
            v[i] = 0.0
        for cone in range(shape.first.size - 1):
            v[shape.first[cone]] = 1.0
        put_identities(shape.further, v)


@compiled
def move_inside(shape, v):
    """`v` plus a multiple of the identity, so that it is in the cones."""
    first, distance = shape.first, np.inf
    for cone in range(shape.inequalities):
        distance = min(distance, v[first[cone]])
    for cone in range(shape.inequalities, first.size - 1):
        a = first[cone]
        distance = min(distance, v[a] - norm_of(v, a + 1, first[cone + 1]))
    distance = min(distance, least_inside(shape.further, v))
    if distance > 0.0:
        return
    for cone in range(first.size - 1):
        v[first[cone]] += 1.0 - distance
    add_identity(shape.further, 1.0 - distance, v)
