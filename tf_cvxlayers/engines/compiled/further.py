"""The cones of one element beyond the second-order ones: matrices, and cones of three
rows. Where a shape has none, `None` is in the place of them, and the functions that
`iteration`, `refinement` and `kernels` call are made without them: there is nothing to
compile, and nothing to pass by.
"""

from typing import NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled import nonsymmetric, psd, smooth
from tf_cvxlayers.engines.compiled.arithmetic import span_of
from tf_cvxlayers.engines.compiled.jit import compiled


class Further(NamedTuple):
    """Where they are.

    Attributes:
        matrices: the first row and the order of each cone of matrices, `[2, number]`.
        largest: the largest order.
        three: the first row of each cone of three rows.
        exponents: of these, zero of exponential cones.
    """

    matrices: np.ndarray
    largest: int
    three: np.ndarray
    exponents: np.ndarray


class Bases(NamedTuple):
    """The eigenbasis of each cone at a solution: `Q`, and `[3, 3]`."""

    matrices: np.ndarray
    three: np.ndarray


class Roots(NamedTuple):
    """The scaling of each cone, see `psd` and `nonsymmetric`."""

    R: np.ndarray
    R_inverse: np.ndarray
    values: np.ndarray
    root: np.ndarray
    inverse: np.ndarray
    M_root: np.ndarray
    shadow: np.ndarray
    s: np.ndarray
    z: np.ndarray


@compiled
def bases_of(further):
    """Room for eigenbases."""
    if further is None:
        return None
    number, order = further.matrices.shape[1], further.largest
    return Bases(np.empty((number, order, order)), np.empty((further.three.size, 3, 3)))


@compiled
def roots_of(further, s, z):
    """Room for a scaling of points that stay in these arrays."""
    if further is None:
        return None
    number, order = further.matrices.shape[1], further.largest
    matrices, three = (number, order, order), (further.three.size, 3, 3)
    return Roots(
        np.empty(matrices),
        np.empty(matrices),
        np.empty((number, order)),
        np.empty(three),
        np.empty(three),
        np.empty(three),
        np.empty((further.three.size, 3)),
        s,
        z,
    )


@compiled
def degree_of(further):
    """What `s'z` of these cones is divided by."""
    if further is None:
        return 0
    degree = 3 * further.three.size
    for k in range(further.matrices.shape[1]):
        degree += further.matrices[1, k]
    return degree


@compiled
def add_pairs(further, y, s):
    """The complementary pair of each cone, in the place of `y`, `s`."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            psd.make_parts(y, s, further.matrices[0, k], further.matrices[1, k])
        for k in range(further.three.size):
            a = further.three[k]
            smooth.make_pair(further.exponents[k], y[a : a + 3], s[a : a + 3])


@compiled
def add_sides(further, y, s, sides, start):
    """The distances of each cone from where its derivative jumps, in `sides` from
    `start` on."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            psd.make_own_values(y, s, first, sides[start : start + order])
            start += order
        for k in range(further.three.size):
            a, own = further.three[k], sides[start : start + smooth.SIDES]
            smooth.make_sides(further.exponents[k], y[a : a + 3], s[a : a + 3], own)
            start += smooth.SIDES


@compiled
def add_spectra(further, y, s, values, bases):
    """The eigenvalues of `D`, and its eigenbases."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            Q = bases.matrices[k, :order, :order]
            psd.make_spectrum(y, s, first, values, Q)
        for k in range(further.three.size):
            a = further.three[k]
            smooth.make_spectrum(
                further.exponents[k],
                y[a : a + 3],
                s[a : a + 3],
                values[a : a + 3],
                bases.three[k],
            )


@compiled
def are_inside(further, y, s):
    """Whether a pair lies in the cones, but for rounding."""
    if further is not None:
        for k in range(further.three.size):
            a = further.three[k]
            if not smooth.are_inside(further.exponents[k], y[a : a + 3], s[a : a + 3]):
                return False
    return True


@compiled
def turn_further(further, bases, v, transpose):
    """`U v`, or `U'v`, of their rows, in the place of `v`."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            _congruent(further, k, bases.matrices[k], not transpose, v)
        for k in range(further.three.size):
            nonsymmetric.times(bases.three[k], transpose, v, further.three[k])


@compiled
def _congruent(further, k, R, transpose, v):
    first, order = further.matrices[0, k], further.matrices[1, k]
    V, half = np.empty((order, order)), np.empty((order, order))
    psd.congruent(R[:order, :order], transpose, v, first, V, half)


@compiled
def turn_further_rows(further, spans, bases, A):
    """`U'A`, in the place of `A`."""
    if further is not None:
        _multiply_rows(further, spans, bases.matrices, False, bases.three, True, A, A)


@compiled
def add_scaled_rows(further, spans, roots, A, F):
    """`W^-T A`, of their rows."""
    if further is not None:
        _multiply_rows(
            further, spans, roots.R_inverse, False, roots.inverse, False, A, F
        )


@compiled
def _multiply_rows(further, spans, R, turned, three, transpose, A, out):
    order = further.largest
    v = np.empty(order * (order + 1) // 2)
    for k in range(further.matrices.shape[1]):
        first, order = further.matrices[0, k], further.matrices[1, k]
        V, half = np.empty((order, order)), np.empty((order, order))
        size = order * (order + 1) // 2
        own = R[k, :order, :order]
        for j in span_of(spans, first):
            some = False
            for i in range(size):
                v[i] = A[first + i, j]
                some = some or v[i] != 0.0
            if some:
                psd.congruent(own, turned, v, 0, V, half)
            for i in range(size):
                out[first + i, j] = v[i]
    for k in range(further.three.size):
        a, M = further.three[k], three[k]
        for j in span_of(spans, a):
            x, y, z = A[a, j], A[a + 1, j], A[a + 2, j]
            for i in range(3):
                if transpose:
                    out[a + i, j] = M[0, i] * x + M[1, i] * y + M[2, i] * z
                else:
                    out[a + i, j] = M[i, 0] * x + M[i, 1] * y + M[i, 2] * z


@compiled
def add_scalings(further, roots, point):
    """The scaling at the points, and `lambda`."""
    if further is not None:
        s, z = roots.s, roots.z
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            values = roots.values[k, :order]
            R, inverse = roots.R[k, :order, :order], roots.R_inverse[k, :order, :order]
            psd.make_scaling(s, z, first, R, inverse, values)
            i = first
            for j in range(order):
                point[i] = values[j]
                point[i + 1 : i + order - j] = 0.0
                i += order - j
        for k in range(further.three.size):
            a = further.three[k]
            nonsymmetric.make_scaling(
                further.exponents[k],
                s[a : a + 3],
                z[a : a + 3],
                roots.root[k],
                roots.inverse[k],
                roots.M_root[k],
                roots.shadow[k],
            )
            point[a : a + 3] = s[a : a + 3]
            nonsymmetric.times(roots.inverse[k], False, point, a)


@compiled
def scale_further(further, roots, v):
    """`W^-T v`, in the place of `v`."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            _congruent(further, k, roots.R_inverse[k], False, v)
        for k in range(further.three.size):
            nonsymmetric.times(roots.inverse[k], False, v, further.three[k])


@compiled
def unscale_further(further, roots, dz, ds):
    """`W^-1 dz` and `W' ds`, in the place of them."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            _congruent(further, k, roots.R_inverse[k], True, dz)
            _congruent(further, k, roots.R[k], False, ds)
        for k in range(further.three.size):
            nonsymmetric.times(roots.inverse[k], True, dz, further.three[k])
            nonsymmetric.times(roots.root[k], False, ds, further.three[k])


@compiled
def add_corrected(further, roots, point, ds, dz, level, d):
    """`d`: `lambda` and the correction of a step for its curvature, centred."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            values = roots.values[k, :order]
            psd.make_corrected(values, ds, dz, level, d, first)
        for k in range(further.three.size):
            a = further.three[k]
            nonsymmetric.make_correction(
                further.exponents[k],
                roots.z[a : a + 3],
                roots.root[k],
                roots.inverse[k],
                roots.M_root[k],
                roots.shadow[k],
                ds[a : a + 3],
                dz[a : a + 3],
                level,
                d[a : a + 3],
            )
            for i in range(a, a + 3):
                d[i] += point[i]


@compiled
def steepest(further, roots, dz, ds):
    """The largest `t` with `lambda` and one of the steps by `t` on the boundary."""
    most = 0.0
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            values = roots.values[k, :order]
            most = max(most, psd.steepness(values, dz, first))
            most = max(most, psd.steepness(values, ds, first))
        for k in range(further.three.size):
            a, exponent = further.three[k], further.exponents[k]
            of_z = nonsymmetric.steepness(
                exponent,
                roots.z[a : a + 3],
                roots.inverse[k],
                True,
                True,
                dz[a : a + 3],
            )
            of_s = nonsymmetric.steepness(
                exponent, roots.s[a : a + 3], roots.root[k], False, False, ds[a : a + 3]
            )
            most = max(most, of_z, of_s)
    return most


@compiled
def are_symmetric(further):
    """Whether points that are far from the cones can be moved into them."""
    return further is None or further.three.size == 0


@compiled
def least_inside(further, v):
    """How far cones of matrices are inside, the least of it."""
    least = np.inf
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            least = min(least, psd.smallest(v, first, order))
    return least


@compiled
def add_identity(further, distance, v):
    """`v` plus a multiple of the identity of cones of matrices."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            i, order = further.matrices[0, k], further.matrices[1, k]
            for j in range(order):
                v[i] += distance
                i += order - j


@compiled
def put_identities(further, v):
    """The identity of each cone."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            size = further.matrices[1, k] * (further.matrices[1, k] + 1) // 2
            v[further.matrices[0, k] : further.matrices[0, k] + size] = 0.0
        add_identity(further, 1.0, v)
        for k in range(further.three.size):
            a = further.three[k]
            nonsymmetric.make_identity(further.exponents[k], v[a : a + 3])


@compiled
def raise_to_largest(further, rows):
    """In the rows of each cone, the largest of their numbers."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            _raise(rows, first, first + order * (order + 1) // 2)
        for k in range(further.three.size):
            _raise(rows, further.three[k], further.three[k] + 3)


@compiled
def _raise(rows, start, stop):
    most = 0.0
    for i in range(start, stop):
        most = max(most, rows[i])
    for i in range(start, stop):
        rows[i] = most
