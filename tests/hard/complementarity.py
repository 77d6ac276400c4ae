"""Complementarity of `s` and `y` as smooth equations, one for each row, and its margin.

At a strictly complementary solution these equations are regular: those of Alizadeh,
Haeberly and Overton (1998) for symmetric cones, `s o y = 0` with the Jordan product,
and for exponential and power cones the surface and the direction of its normal. So
Newton's method finds the solution to any number of digits.

A cone on whose inside `s` lies has `y = 0`, and one on whose inside `y` lies has
`s = 0`: linear equations, told by exact zeros of the point from which it starts.
"""

import functools
from typing import NamedTuple

import numpy as np

from tests.hard import fixed_point as fp
from tf_cvxlayers.program.cones import (
    EXPONENTIAL,
    NONNEGATIVE,
    POWER,
    PSD,
    SECOND_ORDER,
    ZERO,
    Cone,
    ConeDims,
    svec_indices,
)


class Face(NamedTuple):
    """One cone, or one row of a flat one, and on which side its equations hold.

    `held` says which of `y` and `s` is zero; None where both are on the boundary.
    """

    cone: Cone
    rows: slice
    held: str | None


class BlockDiagonal(NamedTuple):
    """A square matrix in fixed point, of blocks on these rows and columns."""

    rows: list[slice]
    blocks: list[np.ndarray]

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """The transpose, times a vector."""
        parts = [
            fp.dot(block.T, v[rows])
            for rows, block in zip(self.rows, self.blocks, strict=True)
        ]
        return np.concatenate([fp.zeros(0), *parts])

    def floats(self) -> np.ndarray:
        """The whole of it in float64."""
        size = self.rows[-1].stop if self.rows else 0
        matrix = np.zeros((size, size))
        for rows, block in zip(self.rows, self.blocks, strict=True):
            matrix[rows, rows] = fp.floats(block)
        return matrix


class Equations(NamedTuple):
    """The equations at a point, in fixed point: their values `[m]`, and their
    derivatives in `s` and in `y`."""

    value: np.ndarray
    in_s: BlockDiagonal
    in_y: BlockDiagonal


def faces_of(dims: ConeDims, y: np.ndarray, s: np.ndarray) -> list[Face]:
    """The faces of a float64 point with exact zeros where something is zero."""
    faces, start = [], 0
    for cone in dims.blocks:
        single = cone.kind in (ZERO, NONNEGATIVE)
        for first in range(start, start + cone.rows, 1 if single else cone.rows):
            rows = slice(first, first + (1 if single else cone.rows))
            held = "y" if not y[rows].any() else "s" if not s[rows].any() else None
            faces.append(Face(cone, rows, "s" if cone.kind == ZERO else held))
        start += cone.rows
    return faces


def touched(faces: list[Face]) -> tuple[np.ndarray, list[Face]]:
    """The rows that are not idle, and their faces among themselves: where `y` is zero,
    there is nothing to solve for."""
    kept, rows, start = [], [np.zeros(0, int)], 0
    for face in faces:
        if face.held == "y":
            continue
        rows.append(np.arange(face.rows.start, face.rows.stop))
        kept.append(face._replace(rows=slice(start, start + rows[-1].size)))
        start += rows[-1].size
    return np.concatenate(rows), kept


def equations(faces: list[Face], y: np.ndarray, s: np.ndarray) -> Equations:
    """The equations of touched faces at a point in fixed point."""
    local = [
        _held(s[rows]) if held == "s" else _CURVED[cone.kind](cone, y[rows], s[rows])
        for cone, rows, held in faces
    ]
    rows = [face.rows for face in faces]
    values, in_s, in_y = ([part[k] for part in local] for k in range(3))
    value = np.concatenate([fp.zeros(0), *values])
    return Equations(value, BlockDiagonal(rows, in_s), BlockDiagonal(rows, in_y))


def _held(s):
    nothing = fp.zeros(s.size, s.size)
    unit = nothing.copy()
    np.fill_diagonal(unit, fp.ONE)
    return s, unit, nothing


def _symmetric(cone, y, s):
    of_y, of_s = (_JORDAN[cone.kind](cone, v) for v in (y, s))
    return fp.dot(of_s, y), of_y, of_s


def _arrow(cone, v):
    matrix = fp.zeros(cone.rows, cone.rows)
    np.fill_diagonal(matrix, v[0])
    matrix[0], matrix[:, 0] = v, v
    return matrix


def _symmetrized_product(cone, v):
    return fp.dot(_structure_constants(int(cone.parameter)), v)


@functools.lru_cache
def _structure_constants(order: int) -> np.ndarray:
    """The entries `trace(E_k (E_i E_j + E_j E_i)) / 2` for the basis `E` of the packed
    triangles: integers times powers of the root of one half."""
    rows, columns, _ = svec_indices(order)
    basis = np.zeros((rows.size, order, order), int)
    for k, (row, column) in enumerate(zip(rows, columns, strict=True)):
        basis[k, row, column] = basis[k, column, row] = 1
    whole = np.einsum("kab,ibc,jca->kij", basis, basis, basis)
    whole = (whole + whole.transpose(0, 2, 1)).astype(object)
    off = (rows != columns).astype(int)
    powers = [fp.ONE]
    for _ in range(3):
        powers.append(fp.times(powers[-1], fp.SQRT_HALF))
    number = off[:, None, None] + off[:, None] + off
    return whole * np.array(powers, object)[number] // 2


def _exponential(_cone, y, s):
    a, b, c = s
    if b <= 0 or c <= 0:
        raise ArithmeticError("outside the domain of the logarithm")
    ratio, slope = fp.over(a, b), fp.log(fp.over(c, b))
    value = [
        fp.times(b, slope) - a,
        y[1] + fp.times(y[0], ratio - fp.ONE),
        fp.times(y[2], c) + fp.times(y[0], b),
    ]
    y_b = fp.over(y[0], b)
    in_s = [
        [-fp.ONE, slope - fp.ONE, fp.over(b, c)],
        [y_b, -fp.times(y_b, ratio), 0],
        [0, y[0], y[2]],
    ]
    in_y = [[0, 0, 0], [ratio - fp.ONE, fp.ONE, 0], [b, 0, c]]
    return tuple(np.array(part, object) for part in (value, in_s, in_y))


def _power(cone, y, s):
    """`a log x + (1 - a) log y = log |z|`, and a normal `(a f / x, (1 - a) f / y, -sign
    z)` with `f = |z|`."""
    first, second, last = s
    if first <= 0 or second <= 0 or last == 0:
        raise ArithmeticError("outside the domain of the logarithm")
    a = fp.fixed(cone.parameter).item()
    b = fp.ONE - a
    value = [
        fp.times(a, fp.log(first)) + fp.times(b, fp.log(second)) - fp.log(abs(last)),
        fp.times(y[0], first) + fp.times(a, fp.times(y[2], last)),
        fp.times(y[1], second) + fp.times(b, fp.times(y[2], last)),
    ]
    in_s = [
        [fp.over(a, first), fp.over(b, second), -fp.over(fp.ONE, last)],
        [y[0], 0, fp.times(a, y[2])],
        [0, y[1], fp.times(b, y[2])],
    ]
    in_y = [
        [0, 0, 0],
        [first, 0, fp.times(a, last)],
        [0, second, fp.times(b, last)],
    ]
    return tuple(np.array(part, object) for part in (value, in_s, in_y))


_JORDAN = {SECOND_ORDER: _arrow, PSD: _symmetrized_product}
_CURVED = {
    SECOND_ORDER: _symmetric,
    PSD: _symmetric,
    EXPONENTIAL: _exponential,
    POWER: _power,
}


def margin(faces: list[Face], y: np.ndarray, s: np.ndarray) -> float:
    """How far a float64 point that satisfies the equations is from one on which
    strict complementarity fails; not positive where it fails, or outside the cones."""
    return min(
        _MARGINS[face.cone.kind](face, y[face.rows], s[face.rows]) for face in faces
    )


def _flat_margin(face, y, s):
    if face.cone.kind == ZERO:
        return np.inf
    return float(s[0] if face.held == "y" else y[0])


def _spectral_margin(spectrum):
    def measure(face, y, s):
        of_y, of_s = spectrum(face.cone, y), spectrum(face.cone, s)
        if face.held:
            return float(min(of_s if face.held == "y" else of_y))
        # Jordan frames are shared, so the positive parts of the two complete each
        # other: what is not among the larger eigenvalues must be zero.
        size = len(of_y)
        tiny = 1e-9 * max(1.0, *np.abs(of_y), *np.abs(of_s))
        rank = int(np.sum(of_s > tiny))
        if rank + int(np.sum(of_y > tiny)) != size or min(*of_s, *of_y) < -tiny:
            return -1.0
        return float(min(np.sort(of_s)[size - rank], np.sort(of_y)[rank]))

    return measure


def _second_order_spectrum(_cone, v):
    size = np.linalg.norm(v[1:])
    return np.array([v[0] - size, v[0] + size])


def _psd_spectrum(cone, v):
    rows, columns, scales = svec_indices(int(cone.parameter))
    matrix = np.zeros((int(cone.parameter),) * 2)
    matrix[rows, columns] = matrix[columns, rows] = v / scales
    return np.linalg.eigvalsh(matrix)


def _exponential_margin(face, y, s):
    if face.held == "y":
        return float(min(s[1], s[2], s[1] * np.log(s[2] / s[1]) - s[0]))
    return float(min(s[1], s[2], -y[0], y[2]))


def _power_margin(face, y, s):
    a = face.cone.parameter
    if face.held == "y":
        return float(min(*s[:2], s[0] ** a * s[1] ** (1.0 - a) - abs(s[2])))
    return float(min(*s[:2], abs(s[2]), *y[:2], -y[2] * np.sign(s[2])))


_MARGINS = {
    ZERO: _flat_margin,
    NONNEGATIVE: _flat_margin,
    SECOND_ORDER: _spectral_margin(_second_order_spectrum),
    PSD: _spectral_margin(_psd_spectrum),
    EXPONENTIAL: _exponential_margin,
    POWER: _power_margin,
}
