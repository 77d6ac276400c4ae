"""The structure of a program, as the machine code reads it."""

from typing import NamedTuple

import numpy as np

from tf_cvxlayers.engines.compiled.further import Further
from tf_cvxlayers.engines.compiled.profile import Profile
from tf_cvxlayers.engines.compiled.smooth import SIDES
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import KINDS, triangle


class Shape(NamedTuple):
    """A structure, as arrays.

    Attributes:
        P_at, A_at: row and column of each entry, `[2, entries]`, in the order of the
            profile.
        first: the first row of each inequality and second-order cone, and the one after
            the last.
        general: which rows have a say in the units of variables, bool `[m]`.
        spans: where each row of `A` begins and ends, the same for all rows of a curved
            cone, `[2, 2, m]`.
        P_spans: likewise for `P`, `[2, 2, n]`.
        reach: where each row of a factor ends before the border, `[n]`.
        border: the first column of the border.
        sides: the first row, and the one after the last, of what each of the distances
            of `cones.make_sides` is about, `[2, sides]`.
        equalities, inequalities: how many.
        further: the cones beyond the second-order ones, if there are any.
    """

    P_at: np.ndarray
    A_at: np.ndarray
    first: np.ndarray
    general: np.ndarray
    spans: np.ndarray
    P_spans: np.ndarray
    reach: np.ndarray
    border: int
    sides: np.ndarray
    equalities: int
    inequalities: int
    further: Further | None

    @classmethod
    def of(cls, structure: ConeStructure, profile: Profile) -> "Shape":
        """That of a structure, its variables in the order of a profile."""
        place = np.argsort(profile.order)
        dims = structure.cones
        p, number = dims.zero, dims.nonnegative
        first = np.cumsum([p, *[1] * number, *dims.second_order]).astype(np.int64)
        several = np.bincount(structure.A.rows, minlength=structure.m) > 1
        for run in dims.runs:
            several[run.span] |= not KINDS[run.kind].is_flat
        further = _further_of(structure, int(first[-1]))
        rows = [np.array([first[:-1], first[1:]])]
        rows = [rows[0][:, :number], np.repeat(rows[0][:, number:], 2, axis=1)]
        if further is not None:
            starts, orders = further.matrices
            ends = starts + [triangle(order) for order in orders]
            rows.append(np.repeat([starts, ends], orders, axis=1))
            three = further.three
            rows.append(np.repeat([three, three + 3], SIDES, axis=1))
        return cls(
            np.array([place[structure.P.rows], place[structure.P.columns]], np.int64),
            np.array([structure.A.rows, place[structure.A.columns]], np.int64),
            first,
            several,
            profile.A,
            profile.P,
            profile.factor,
            profile.border,
            np.concatenate(rows, axis=1).astype(np.int64),
            p,
            number,
            further,
        )


def _further_of(structure: ConeStructure, start: int) -> Further | None:
    dims = structure.cones
    exponents = np.array([0.0] * dims.exponential + list(dims.power))
    if not dims.psd and not exponents.size:
        return None
    sizes = [triangle(order) for order in dims.psd]
    starts = start + np.cumsum([0, *sizes])
    return Further(
        np.array([starts[:-1], dims.psd], np.int64),
        max(dims.psd, default=0),
        (starts[-1] + 3 * np.arange(exponents.size)).astype(np.int64),
        exponents,
    )
