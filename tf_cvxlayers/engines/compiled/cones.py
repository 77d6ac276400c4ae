"""The cones of one element at a solution: what `optimality.cones` says, in loops.

Equalities come first, then inequalities, then second-order cones, of which one of a
single row is treated as a cone none the less, then those of `further`.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled.arithmetic import PIECES, power_of_two, span_of
from tf_cvxlayers.engines.compiled.further import (
    add_pairs,
    add_sides,
    add_spectra,
    bases_of,
    raise_further,
    raise_to_largest,
    turn_further,
    turn_further_rows,
)
from tf_cvxlayers.engines.compiled.jit import compiled, summing


class Basis(NamedTuple):
    """The eigenbasis of `D`: for each second-order cone the vector `w` of its
    reflection, in its rows; and the `Bases` of further cones."""

    mirrors: np.ndarray
    further: Any


@compiled
def basis_of(shape, rows):
    """Room for an eigenbasis."""
    return Basis(np.zeros(rows), bases_of(shape.further))


@summing
def norm_of(v, start, stop):
    """The norm of a part of a vector."""
    total = 0.0
    for i in range(start, stop):
        total += v[i] * v[i]
    return math.sqrt(total)


@compiled
def make_pair(shape, y, s):
    """The complementary pair next to `y`, `s`, in the place of them."""
    for i in range(shape.equalities):
        s[i] = 0.0
    for k in range(shape.inequalities):
        i = shape.first[k]
        v = y[i] - s[i]
        y[i], s[i] = max(v, 0.0), max(-v, 0.0)
    for cone in range(shape.inequalities, shape.first.size - 1):
        start, stop = shape.first[cone], shape.first[cone + 1]
        for i in range(start, stop):
            y[i] -= s[i]
        t, size = y[start], norm_of(y, start + 1, stop)
        inverse = 1.0 / size if size > 0.0 else 1.0
        a, b = max(t + size, 0.0), max(t - size, 0.0)
        c, d = max(-t - size, 0.0), max(size - t, 0.0)
        y[start], s[start] = 0.5 * (a + b), 0.5 * (c + d)
        for i in range(start + 1, stop):
            along = y[i] * inverse
            y[i], s[i] = 0.5 * (a - b) * along, 0.5 * (c - d) * along
    add_pairs(shape.further, y, s)


@compiled
def make_sides(shape, y, s, sides):
    """How far the pair is from where the derivative jumps, signed: one number for each
    inequality, two for each second-order cone."""
    number = shape.inequalities
    for k in range(number):
        i = shape.first[k]
        sides[k] = y[i] - s[i]
    for cone in range(number, shape.first.size - 1):
        start, stop = shape.first[cone], shape.first[cone + 1]
        k, t, size = 2 * cone - number, y[start] - s[start], 0.0
        for i in range(start + 1, stop):
            size += (y[i] - s[i]) * (y[i] - s[i])
        size, half = math.sqrt(size), math.sqrt(0.5) if stop - start > 1 else 1.0
        sides[k], sides[k + 1] = half * (t + size), half * (t - size)
    start = 2 * (shape.first.size - 1) - number
    add_sides(shape.further, y, s, sides, start)


@compiled
def make_spectrum(shape, y, s, values, basis):
    """The eigenvalues of `D`, and its eigenbasis."""
    mirrors = basis.mirrors
    for i in range(shape.equalities):
        values[i] = 1.0
    for k in range(shape.inequalities):
        i = shape.first[k]
        values[i] = 1.0 if y[i] > s[i] else 0.0
    for cone in range(shape.inequalities, shape.first.size - 1):
        start, stop = shape.first[cone], shape.first[cone + 1]
        t = y[start] - s[start]
        if stop - start == 1:
            values[start] = 1.0 if t > 0.0 else 0.0
            continue
        mirrors[start] = 0.0
        for i in range(start + 1, stop):
            mirrors[i] = y[i] - s[i]
        size = norm_of(mirrors, start, stop)
        nonzero = size if size > 0.0 else 1.0
        high = 1.0 if size > -t else 0.0
        low = 1.0 if size <= t else 0.0
        middle = min(max(0.5 * (t + size) / nonzero, 0.0), 1.0)
        for i in range(start + 1, stop):
            mirrors[i] /= nonzero
            values[i] = max(high * middle, low)
        negative = mirrors[start + 1] < 0.0
        mirrors[start + 1] += -1.0 if negative else 1.0
        factor = math.sqrt(2.0) / norm_of(mirrors, start, stop)
        for i in range(start + 1, stop):
            mirrors[i] *= factor
        values[start] = high if negative else low
        values[start + 1] = low if negative else high
    add_spectra(shape.further, y, s, values, basis.further)


@compiled
def _reflect(mirrors, v, start, stop):
    along = 0.0
    for i in range(start, stop):
        along += mirrors[i] * v[i]
    for i in range(start, stop):
        v[i] -= along * mirrors[i]


@compiled
def turn(shape, basis, v, transpose):
    """`U v`, or `U'v`, in the place of `v`."""
    half, mirrors = math.sqrt(0.5), basis.mirrors
    for cone in range(shape.inequalities, shape.first.size - 1):
        start, stop = shape.first[cone], shape.first[cone + 1]
        if stop - start == 1:
            continue
        if transpose:
            _reflect(mirrors, v, start, stop)
        a, b = v[start], v[start + 1]
        v[start], v[start + 1] = half * (a + b), half * (a - b)
        if not transpose:
            _reflect(mirrors, v, start, stop)
    turn_further(shape.further, basis.further, v, transpose)


@compiled
def turn_rows(shape, basis, A):
    """`U'A`, in the place of `A`."""
    half, along, mirrors = math.sqrt(0.5), np.empty(A.shape[1]), basis.mirrors
    for cone in range(shape.inequalities, shape.first.size - 1):
        a, b = shape.first[cone], shape.first[cone + 1]
        if b - a == 1:
            continue
        for piece in PIECES:
            for j in span_of(shape.spans, a, piece):
                along[j] = 0.0
            for i in range(a, b):
                for j in span_of(shape.spans, a, piece):
                    along[j] += mirrors[i] * A[i, j]
            for i in range(a, b):
                for j in span_of(shape.spans, a, piece):
                    A[i, j] -= mirrors[i] * along[j]
            for j in span_of(shape.spans, a, piece):
                u, v = A[a, j], A[a + 1, j]
                A[a, j], A[a + 1, j] = half * (u + v), half * (u - v)
    turn_further_rows(shape.further, shape.spans, basis.further, A)


@compiled
def raise_in_cones(shape, rows):
    """In the rows of each cone, the largest of their numbers."""
    for cone in range(shape.inequalities, shape.first.size - 1):
        raise_to_largest(rows, shape.first[cone], shape.first[cone + 1])
    raise_further(shape.further, rows)


@compiled
def make_balance(shape, y, s, balance):
    """A unit for the rows of each curved cone in which its `y` and `s` are of one size;
    for others one."""
    flat = shape.equalities + shape.inequalities
    for i in range(flat):
        balance[i] = 1.0
    if flat == balance.size:
        return
    dual, slack = np.abs(y), np.abs(s)
    raise_in_cones(shape, dual)
    raise_in_cones(shape, slack)
    for i in range(flat, balance.size):
        both = dual[i] > 0.0 and slack[i] > 0.0
        balance[i] = power_of_two(math.sqrt(dual[i] / slack[i])) if both else 1.0
