"""One cone of three rows that a smooth surface bounds: what `optimality.cones.smooth`,
`exponential` and `power` there say, in scalars.

A cone is its exponent `a`: zero of the exponential cone, of a power cone its own.
"""

import math

import numpy as np

from tf_cvxlayers.engines.compiled.jit import compiled

# As there.
_VANISHING, _ROUNDING, _FAR = 1e-7, 1e-12, 10.0
# How many distances `make_sides` makes.
SIDES = 5


@compiled
def product(matrix, transpose, x, y, z):
    """The product with a vector."""
    if transpose:
        return (
            matrix[0, 0] * x + matrix[1, 0] * y + matrix[2, 0] * z,
            matrix[0, 1] * x + matrix[1, 1] * y + matrix[2, 1] * z,
            matrix[0, 2] * x + matrix[1, 2] * y + matrix[2, 2] * z,
        )
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z,
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z,
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z,
    )


@compiled
def times(matrix, transpose, v, start):
    """The product with a part of a vector, in the place of it."""
    i, j, k = start, start + 1, start + 2
    v[i], v[j], v[k] = product(matrix, transpose, v[i], v[j], v[k])


@compiled
def surface(a, x, y, z):
    """The concave function that is zero on the surface, and its gradient."""
    if a == 0.0:
        log = math.log(z / y)
        return y * log - x, -1.0, log - 1.0, y / z
    mean = _mean(a, x, y)
    return mean - abs(z), a * mean / x, (1.0 - a) * mean / y, -np.sign(z)


@compiled
def _mean(a, x, y):
    return math.pow(x, a) * math.pow(y, 1.0 - a)


@compiled
def _last_on_surface(a, x, y, z):
    if a == 0.0:
        return y * math.exp(x / y)
    return np.sign(z) * _mean(a, x, y)


@compiled
def bent(a, s, r):
    """`-r'hess g(s) r`, at least zero."""
    if a == 0.0:
        part = r[1] / s[1] - r[2] / s[2]
        return s[1] * part * part
    part = r[0] / s[0] - r[1] / s[1]
    return a * (1.0 - a) * _mean(a, s[0], s[1]) * part * part


@compiled
def from_dual(a, v):
    """What takes the dual cone to the cone, of a vector."""
    if a == 0.0:
        return v[0] - v[1], -v[0], v[2]
    return v[0] / a, v[1] / (1.0 - a), v[2]


@compiled
def _size(v):
    return max(abs(v[0]), abs(v[1]), abs(v[2]))


@compiled
def _norm(u, v, w):
    return math.sqrt(u * u + v * v + w * w)


@compiled
def _are_finite(u, v, w):
    return abs(u) < np.inf and abs(v) < np.inf and abs(w) < np.inf


@compiled
def _multiplier(u, v, w, y):
    along = u * y[0] + v * y[1] + w * y[2]
    return max(along / (u * u + v * v + w * w), 0.0)


@compiled
def _make_face(a, y, s, face):
    """One for each coordinate that a flat face holds at zero."""
    for i in range(3):
        face[i] = 1.0 if abs(s[i]) <= abs(y[i]) else 0.0
    if a > 0.0:
        face[2] = max(face[0], face[1])


@compiled
def make_pair(a, y, s):
    """The complementary pair next to `y`, `s`, in the place of them."""
    _, u, v, w = surface(a, s[0], s[1], s[2])
    f, g, h = _dual_gradient(a, y)
    # `y - s` is in `-K`, or in the dual cone.
    is_deep = _norm(y[0], y[1], y[2]) <= _depth(u, v, w, s)
    no_y = is_deep or _size(y) <= _VANISHING * _size(s)
    is_deep = _norm(s[0], s[1], s[2]) <= _depth(f, g, h, y)
    no_s = is_deep or _size(s) <= _VANISHING * _size(y)
    if no_y or no_s:
        if no_y:
            y[:] = 0.0
        if no_s:
            s[:] = 0.0
        return
    far = 1.0 - y[1] / y[0]
    if a == 0.0 and y[0] < 0.0 and far > _FAR:
        # Where it is nearly flat, the dual knows where on it.
        tiny = math.exp(-far)
        p, q, r = s[2] * far * tiny, s[2] * tiny, s[2]
    else:
        p, q, r = s[0], s[1], _last_on_surface(a, s[0], s[1], s[2])
    _, u, v, w = surface(a, p, q, r)
    mu = _multiplier(u, v, w, y)
    u, v, w = mu * u, mu * v, mu * w
    if _are_finite(p, q, r) and _are_finite(u, v, w):
        y[0], y[1], y[2] = u, v, w
        s[0], s[1], s[2] = p, q, r
        return
    face = np.empty(3)
    _make_face(a, y, s, face)
    for i in range(3):
        y[i] *= face[i]
        s[i] *= 1.0 - face[i]


@compiled
def make_spectrum(a, y, s, values, basis):
    """The eigenvalues of `D`, and its eigenvectors, in the columns of `basis`."""
    no_y = _size(y) <= _VANISHING * _size(s)
    no_s = _size(s) <= _VANISHING * _size(y)
    if not (no_y or no_s):
        _, u, v, w = surface(a, s[0], s[1], s[2])
        mu = _multiplier(u, v, w, y)
        norm, along = _norm(u, v, w), _norm(s[0], s[1], s[2])
        basis[0, 0], basis[1, 0], basis[2, 0] = u / norm, v / norm, w / norm
        basis[0, 1], basis[1, 1], basis[2, 1] = s[0] / along, s[1] / along, s[2] / along
        rest = basis[:, 2]
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            rest[i] = basis[j, 0] * basis[k, 1] - basis[k, 0] * basis[j, 1]
        norm = _norm(rest[0], rest[1], rest[2])
        for i in range(3):
            rest[i] /= norm
        h = max(mu * bent(a, s, rest), 0.0)
        values[0], values[1], values[2] = 1.0, 0.0, h / (1.0 + h)
        if (
            abs(values[2]) <= 1.0
            and _are_finite(basis[0, 0], basis[1, 0], basis[2, 0])
            and _are_finite(rest[0], rest[1], rest[2])
        ):
            return
    _make_face(a, y, s, values)
    for i in range(3):
        if no_y or no_s:
            values[i] = 0.0 if no_y else 1.0
        for j in range(3):
            basis[i, j] = 1.0 if i == j else 0.0


@compiled
def _dual_gradient(a, y):
    """The gradient of what is zero on the surface of the dual cone."""
    p, q, r = from_dual(a, y)
    _, f, g, h = surface(a, p, q, r)
    if a == 0.0:
        return f - g, -f, h
    return f / a, g / (1.0 - a), h


@compiled
def _depth(u, v, w, point):
    value = u * point[0] + v * point[1] + w * point[2]
    depth = max(value, 0.0) / _norm(u, v, w)
    return depth if depth < np.inf else 0.0


@compiled
def make_sides(a, y, s, sides):
    """How far the pair is from where the derivative jumps, signed."""
    no_y = _size(y) <= _VANISHING * _size(s)
    no_s = _size(s) <= _VANISHING * _size(y)
    _, u, v, w = surface(a, s[0], s[1], s[2])
    f, g, h = _dual_gradient(a, y)
    sides[0] = -_depth(u, v, w, s) if no_y else _norm(y[0], y[1], y[2])
    sides[1] = -_depth(f, g, h, y) if no_s else _norm(s[0], s[1], s[2])
    on_face = not (_are_finite(u, v, w) or no_y or no_s)
    for i in range(3):
        # The last row of a power cone has no face of its own.
        own = i if a == 0.0 else i % 2
        sides[2 + i] = y[own] - s[own] if on_face else sides[0]


@compiled
def are_inside(a, y, s):
    """Whether `y` and `s` lie in their cones, but for rounding."""
    p, q, r = from_dual(a, y)
    return _contains(a, s[0], s[1], s[2]) and _contains(a, p, q, r)


@compiled
def _contains(a, x, y, z):
    little = _ROUNDING * max(abs(x), abs(y), abs(z))
    if a == 0.0:
        if y > 0.0 and y * math.exp(x / y) <= z + little:
            return True
        return 0.0 <= y <= little and x <= little and z >= -little
    if not (x >= -little and y >= -little):
        return False
    return _mean(a, max(x, 0.0), max(y, 0.0)) + little >= abs(z)
