"""The cones of one element beyond the second-order ones: matrices, and cones of three
rows. Where a shape has none, `None` is in the place of them, and the functions that
`iteration`, `refinement` and `kernels` call are made without them: there is nothing to
compile, and nothing to pass by.
"""

from typing import NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled import psd, smooth
from tf_cvxlayers.engines.compiled.arithmetic import PIECES, span_of
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


@compiled
def bases_of(further):
    """Room for eigenbases."""
    if further is None:
        return None
    number, order = further.matrices.shape[1], further.largest
    return Bases(np.empty((number, order, order)), np.empty((further.three.size, 3, 3)))


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
            congruent(further, k, bases.matrices[k], not transpose, v)
        for k in range(further.three.size):
            smooth.times(bases.three[k], transpose, v, further.three[k])


@compiled
def turn_further_rows(further, spans, bases, A):
    """`U'A`, in the place of `A`."""
    if further is not None:
        multiply_rows(further, spans, bases.matrices, bases.three, True, A, A)


@compiled
def congruent(further, k, R, transpose, v):
    """`R V R'`, or `R'V R`, of one of the cones of matrices, in the place of `v`."""
    first, order = further.matrices[0, k], further.matrices[1, k]
    V, half = np.empty((order, order)), np.empty((order, order))
    psd.congruent(R[:order, :order], transpose, v, first, V, half)


@compiled
def multiply_rows(further, spans, R, three, transpose, A, out):
    """The rows of each cone, multiplied: `R A R'` of matrices; `M A`, or `M'A`, of
    three rows."""
    order = further.largest
    v = np.empty(max(order * (order + 1) // 2, 3))
    for k in range(further.matrices.shape[1]):
        first, order = further.matrices[0, k], further.matrices[1, k]
        V, half = np.empty((order, order)), np.empty((order, order))
        size = order * (order + 1) // 2
        own = R[k, :order, :order]
        for piece in PIECES:
            for j in span_of(spans, first, piece):
                some = False
                for i in range(size):
                    v[i] = A[first + i, j]
                    some = some or v[i] != 0.0
                if some:
                    psd.congruent(own, False, v, 0, V, half)
                for i in range(size):
                    out[first + i, j] = v[i]
    for k in range(further.three.size):
        a, M = further.three[k], three[k]
        for piece in PIECES:
            for j in span_of(spans, a, piece):
                for i in range(3):
                    v[i] = A[a + i, j]
                smooth.times(M, transpose, v, 0)
                for i in range(3):
                    out[a + i, j] = v[i]


@compiled
def raise_to_largest(rows, start, stop):
    """In these rows, the largest of their numbers."""
    most = 0.0
    for i in range(start, stop):
        most = max(most, rows[i])
    for i in range(start, stop):
        rows[i] = most


@compiled
def raise_matrices(further, rows):
    """In the rows of each cone of matrices, the largest of their numbers."""
    if further is not None:
        for k in range(further.matrices.shape[1]):
            first, order = further.matrices[0, k], further.matrices[1, k]
            raise_to_largest(rows, first, first + order * (order + 1) // 2)


@compiled
def raise_further(further, rows):
    """In the rows of each cone, the largest of their numbers."""
    raise_matrices(further, rows)
    if further is not None:
        for k in range(further.three.size):
            raise_to_largest(rows, further.three[k], further.three[k] + 3)
