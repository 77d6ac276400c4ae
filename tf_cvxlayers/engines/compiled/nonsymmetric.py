"""One cone of three rows that is not symmetric, by the barrier of its dual: what
`engines.interior_point.cones.nonsymmetric`, `exponential` and `power` say, in scalars.

As in `smooth`, a cone is its exponent `a`. `inverse` is `W^-T`, `root` is `W'`.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.jit import compiled
from tf_cvxlayers.engines.compiled.smooth import from_dual, product, surface, times

# As there.
_AWAY = 1e-9
_FARTHEST, _TOWARDS_ZERO, _STEPS = 2.5, 0.999, 6
# What the chord takes off in the end is the square of it.
_LITTLE = 1e-3
_OMEGA, _SHADOW, _NONE = 3, 8, 1e-100


@compiled
def make_identity(a, v):
    """The pair on the central path."""
    if a == 0.0:
        v[0], v[1], v[2] = -1.0513839437502289, 0.5564096186043384, 1.2589678864644603
    else:
        v[0], v[1], v[2] = math.sqrt(1.0 + a), math.sqrt(2.0 - a), 0.0


@compiled
def _weights(a):
    return (1.0, 0.0, 1.0) if a == 0.0 else (1.0 - a, a, 0.0)


@compiled
def _phi(a, z):
    first = math.pow(z[0] / a, 2.0 * a)
    return first * math.pow(z[1] / (1.0 - a), 2.0 - 2.0 * a)


@compiled
def _terms(a, z):
    """`psi`, its gradient, and the diagonal of its Hessian with the rest of the first
    row; the one entry that is left is zero."""
    if a == 0.0:
        log = math.log(-z[2] / z[0])
        gradient = -log, 1.0, -z[0] / z[2]
        hessian = 1.0 / z[0], 0.0, z[0] / (z[2] * z[2]), 0.0, -1.0 / z[2]
        return z[1] - z[0] - z[0] * log, gradient, hessian
    b, a, phi = 2.0 - 2.0 * a, 2.0 * a, _phi(a, z)
    first, second = phi / z[0], phi / z[1]
    gradient = a * first, b * second, -2.0 * z[2]
    diagonal = a * (a - 1.0) * first / z[0], b * (b - 1.0) * second / z[1], -2.0
    hessian = diagonal[0], diagonal[1], diagonal[2], a * b * first / z[1], 0.0
    return phi - z[2] * z[2], gradient, hessian


@compiled
def _product(hessian, v):
    one, two, three, right, far = hessian
    first = one * v[0] + right * v[1] + far * v[2]
    return first, right * v[0] + two * v[1], far * v[0] + three * v[2]


@compiled
def _third_of_psi(a, z, u, v):
    if a == 0.0:
        first, last = u[0] / z[0], u[2] / z[2]
        other_first, other_last = v[0] / z[0], v[2] / z[2]
        top = last * other_last - first * other_first
        mixed = first * other_last + last * other_first
        return top, 0.0, (mixed - 2.0 * last * other_last) * (z[0] / z[2])
    b, a, phi = 2.0 - 2.0 * a, 2.0 * a, _phi(a, z)
    u1, u2, v1, v2 = u[0] / z[0], u[1] / z[1], v[0] / z[0], v[1] / z[1]
    mixed = u1 * v2 + u2 * v1
    first = a * (a - 1.0) * ((a - 2.0) * u1 * v1 + b * mixed)
    first += a * b * (b - 1.0) * u2 * v2
    second = b * (b - 1.0) * ((b - 2.0) * u2 * v2 + a * mixed)
    second += a * b * (a - 1.0) * u1 * v1
    return phi * first / z[0], phi * second / z[1], 0.0


@compiled
def _shadow_of(a, s):
    """`z^ = -grad f(s)`."""
    if a == 0.0:
        log = math.log(s[2] / s[1])
        x = 1.0 - s[0] / s[1] + log
        w = x - math.log(max(x, 1.0)) * x / (1.0 + x)
        for _ in range(_OMEGA):
            missing, up = x - w - math.log(w), 1.0 + w
            both = up * (up + missing * (2.0 / 3.0))
            w *= 1.0 + missing / up * (both - 0.5 * missing) / (both - missing)
        first = -1.0 / ((w - 1.0) * s[1])
        second = first + first * (math.log(w) - log) + 1.0 / s[1]
        return first, second, w / ((w - 1.0) * s[2])
    b = 1.0 - a
    mean = math.pow(s[0], a) * math.pow(s[1], b)
    size = max(abs(s[2]), _NONE * mean)
    right = 2.0 * math.log(mean / size)
    of_a, of_b = (1.0 + a) / a, (1.0 + b) / b
    log_t = 2.0 * (a * math.log(of_a) + b * math.log(of_b)) - math.log(2.0) - right
    log_t = min(log_t, math.log(4.0 / right))
    for _ in range(_SHADOW):
        t = math.exp(log_t)
        value = 2.0 * (a * math.log(of_a + t) + b * math.log(of_b + t))
        value -= math.log(2.0 + t) + log_t + right
        slope = 2.0 * (a / (of_a + t) + b / (of_b + t)) - 1.0 / (2.0 + t)
        log_t -= value / (slope * t - 1.0)
    t = math.exp(log_t)
    third = -t / (-size if s[2] < 0.0 else size)
    return (1.0 + a + a * t) / s[0], (2.0 - a + b * t) / s[1], third


@compiled
def make_scaling(a, s, z, root, inverse, M_root, shadow):
    """The scaling at `s`, `z`: `W'` and `W^-T`, an `R` with `M^-1 = R'R`, and `s^`."""
    psi, (p0, p1, p2), (h00, h11, h22, h01, h02) = _terms(a, z)
    p0, p1, p2 = p0 / psi, p1 / psi, p2 / psi
    w0, w1, w2 = _weights(a)
    # Of a row without a weight nothing is divided by, as it may be zero.
    z0 = z[0] if w0 > 0.0 else 1.0
    z1 = z[1] if w1 > 0.0 else 1.0
    z2 = z[2] if w2 > 0.0 else 1.0
    shadow[0], shadow[1], shadow[2] = p0 + w0 / z0, p1 + w1 / z1, p2 + w2 / z2
    # `M = L L'`, and the inverse of `L`.
    l00 = math.sqrt(p0 * p0 - h00 / psi + w0 / (z0 * z0))
    l10, l20 = (p0 * p1 - h01 / psi) / l00, (p0 * p2 - h02 / psi) / l00
    l11 = math.sqrt(p1 * p1 - h11 / psi + w1 / (z1 * z1) - l10 * l10)
    l21 = (p1 * p2 - l10 * l20) / l11
    l22 = p2 * p2 - h22 / psi + w2 / (z2 * z2)
    l22 = math.sqrt(l22 - l20 * l20 - l21 * l21)
    M_root[:] = 0.0
    M_root[0, 0], M_root[1, 1], M_root[2, 2] = 1.0 / l00, 1.0 / l11, 1.0 / l22
    M_root[1, 0] = -l10 * M_root[0, 0] * M_root[1, 1]
    M_root[2, 1] = -l21 * M_root[1, 1] * M_root[2, 2]
    M_root[2, 0] = -(l20 * M_root[0, 0] + l21 * M_root[1, 0]) * M_root[2, 2]

    mu = (s[0] * z[0] + s[1] * z[1] + s[2] * z[2]) / 3.0
    u, v, w = _shadow_of(a, s)
    away = mu * (shadow[0] * u + shadow[1] * v + shadow[2] * w) / 3.0 > 1.0 + _AWAY
    if away:
        a0, a1, a2 = s[0] - mu * shadow[0], s[1] - mu * shadow[1], s[2] - mu * shadow[2]
        c0, c1, c2 = z[0] - mu * u, z[1] - mu * v, z[2] - mu * w
        v0, v1, v2 = z[1] * c2 - z[2] * c1, z[2] * c0 - z[0] * c2, z[0] * c1 - z[1] * c0
        w0, w1, w2 = s[1] * a2 - s[2] * a1, s[2] * a0 - s[0] * a2, s[0] * a1 - s[1] * a0
        size = 0.0
        for i in range(3):
            part = M_root[i, 0] * v0 + M_root[i, 1] * v1 + M_root[i, 2] * v2
            size += part * part
        one, along = math.sqrt(3.0 * mu), math.sqrt(mu / size)
        two = math.sqrt(a0 * c0 + a1 * c1 + a2 * c2)
        other = along * (v0 * w0 + v1 * w1 + v2 * w2)
        for i in range(3):
            root[i, 0], inverse[0, i] = s[i] / one, z[i] / one
        root[0, 1], root[1, 1], root[2, 1] = a0 / two, a1 / two, a2 / two
        root[0, 2], root[1, 2], root[2, 2] = v0 * along, v1 * along, v2 * along
        inverse[1, 0], inverse[1, 1], inverse[1, 2] = c0 / two, c1 / two, c2 / two
        inverse[2, 0], inverse[2, 1] = w0 / other, w1 / other
        inverse[2, 2] = w2 / other
        total = 0.0
        for i in range(3):
            for j in range(3):
                total += abs(root[i, j]) + abs(inverse[i, j])
        away = total < np.inf
    if not away:
        small = math.sqrt(mu)
        root[:] = 0.0
        root[0, 0], root[1, 0], root[2, 0] = small * l00, small * l10, small * l20
        root[1, 1], root[2, 1], root[2, 2] = small * l11, small * l21, small * l22
        for i in range(3):
            for j in range(3):
                inverse[i, j] = M_root[i, j] / small


@compiled
def make_correction(a, z, root, inverse, M_root, shadow, ds, dz, level, d):
    """`W^-T (-f*'''(z) [dz, M^-1 ds] / 2 - level s^)`, for steps that are scaled. They
    are lost."""
    u, v = dz, ds
    times(inverse, True, u, 0)
    times(root, False, v, 0)
    times(M_root, False, v, 0)
    times(M_root, True, v, 0)
    psi, p, hessian = _terms(a, z)
    Qu, Qv, weights = _product(hessian, u), _product(hessian, v), _weights(a)
    pu = (p[0] * u[0] + p[1] * u[1] + p[2] * u[2]) / psi
    pv = (p[0] * v[0] + p[1] * v[1] + p[2] * v[2]) / psi
    uQv = u[0] * Qv[0] + u[1] * Qv[1] + u[2] * Qv[2]
    along, third = uQv / psi - 2.0 * pu * pv, _third_of_psi(a, z, u, v)
    for i in range(3):
        d[i] = (Qu[i] * pv + Qv[i] * pu + along * p[i] - third[i]) / psi
        if weights[i] > 0.0:
            d[i] -= 2.0 * weights[i] * u[i] * v[i] / (z[i] * z[i] * z[i])
        d[i] = -(0.5 * d[i] + level * shadow[i])
    times(inverse, False, d, 0)


@compiled
def steepness(a, point, matrix, transpose, is_dual, d):
    """The largest `t` with a point plus `d / t` on the boundary, for a step that a
    matrix takes to where the point is."""
    step = product(matrix, transpose, d[0], d[1], d[2])
    x, y, z = point[0], point[1], point[2]
    dx, dy, dz = step
    if is_dual:
        x, y, z = from_dual(a, point)
        dx, dy, dz = from_dual(a, step)
    return 1.0 / _to_boundary(a, x, y, z, dx, dy, dz)


@compiled
def _to_boundary(a, x, y, z, dx, dy, dz):
    t = _FARTHEST
    # The rows that are positive inside.
    ways = ((y, dy), (z, dz)) if a == 0.0 else ((x, dx), (y, dy))
    for value, change in ways:
        if change < 0.0:
            t = min(t, _TOWARDS_ZERO * value / -change)
    start, _, _, _ = surface(a, x, y, z)
    for _ in range(_STEPS):
        value, u, v, w = surface(a, x + t * dx, y + t * dy, z + t * dz)
        if not value < 0.0:
            return t
        back = value / (u * dx + v * dy + w * dz)
        t -= back
        if back <= _LITTLE * t:
            break
    value, _, _, _ = surface(a, x + t * dx, y + t * dy, z + t * dz)
    # It is concave: the chord is below it.
    return t * (start / (start - value)) if value < 0.0 else t
