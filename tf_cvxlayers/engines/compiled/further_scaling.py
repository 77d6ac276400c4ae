"""The scaling of the cones of `further`: the other half of what they have to say."""

from typing import NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled import nonsymmetric, psd
from tf_cvxlayers.engines.compiled.further import congruent, multiply_rows
from tf_cvxlayers.engines.compiled.jit import compiled
from tf_cvxlayers.engines.compiled.smooth import times


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
def add_scaled_rows(further, spans, roots, A, F):
    """`W^-T A`, of their rows."""
    if further is not None:
        multiply_rows(further, spans, roots.R_inverse, roots.inverse, False, A, F)


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
            times(roots.inverse[k], False, point, a)


@compiled
def scale_further(further, roots, v):
    """`W^-T v`, in the place of `v`."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            congruent(further, k, roots.R_inverse[k], False, v)
        for k in range(further.three.size):
            times(roots.inverse[k], False, v, further.three[k])


@compiled
def unscale_further(further, roots, dz, ds):
    """`W^-1 dz` and `W' ds`, in the place of them."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            congruent(further, k, roots.R_inverse[k], True, dz)
            congruent(further, k, roots.R[k], False, ds)
        for k in range(further.three.size):
            times(roots.inverse[k], True, dz, further.three[k])
            times(roots.root[k], False, ds, further.three[k])


@compiled
def add_corrected(further, roots, point, ds, dz, level, d):
    """`d`: `lambda` and the correction of a step for its curvature, centred. The step
    is lost."""
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
