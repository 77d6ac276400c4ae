"""The parts of each row in which matrices, and the factor of their system, may differ
from zero: see `arithmetic`; and the order of variables in which they are short.

Variables that few rows hold together, such as those of a point of data, come first, one
near the next; what most of them meet, such as the weights of a model, is the border:
last, and whole in every row.
"""

import dataclasses
import functools

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee

from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import KINDS

# The most meetings that are looked at.
_MOST = 5e6
# Another order is taken for less than this share of the products: values have to be
# brought into it, and back.
_WORTH = 0.75
# Variables that meet more than one part in so many of all may be in the border.
_PARTS = np.array([1, 2, 4, 8, 16])


@dataclasses.dataclass(frozen=True, eq=False)
class Profile:
    """Where the rows of the matrices and of their factor begin and end.

    Attributes:
        A, P: of each row the columns before the border, and those in it, as the first
            and the one after the last, `[2, 2, rows]`.
        factor: where each row of the factor ends before the border, `[n]`.
        border: the first column of the border; `n` where there is none.
        order: which variable is at each place.
    """

    A: np.ndarray
    P: np.ndarray
    factor: np.ndarray
    border: int
    order: np.ndarray

    @classmethod
    def of(cls, structure: ConeStructure) -> "Profile":
        """The profile of a structure, in the order that has the least work."""
        n, group = structure.n, _groups(structure)
        best = as_given = cls._in_order(structure, group, np.arange(n), n)
        meets = _meetings(structure, group)
        if meets is None:
            return as_given
        counts = np.diff(meets.indptr)
        for most in n // _PARTS:
            (inner,), (border,) = np.nonzero(counts <= most), np.nonzero(counts > most)
            if inner.size == 0:
                break
            within = sp.csr_matrix(meets[inner][:, inner])
            inner = inner[reverse_cuthill_mckee(within, symmetric_mode=True)]
            order = np.concatenate([inner, border])
            found = cls._in_order(structure, group, order, inner.size)
            best = found if found.work < best.work else best
        return best if best.work < _WORTH * as_given.work else as_given

    @classmethod
    def _in_order(
        cls,
        structure: ConeStructure,
        group: np.ndarray,
        order: np.ndarray,
        border: int,
    ) -> "Profile":
        n, m, A, P = structure.n, structure.m, structure.A, structure.P
        place = np.argsort(order)
        spans = _spans(group[A.rows], place[A.columns], border, m, n)[:, :, group]
        rows, columns = place[P.rows], place[P.columns]
        both = np.concatenate([rows, columns]), np.concatenate([columns, rows])
        of_P = _spans(*both, border, n, n)
        reach = np.minimum(np.maximum(np.arange(1, n + 1), of_P[0, 1]), border)
        starts, stops = spans[0, :, spans[0, 0] < spans[0, 1]].T
        np.maximum.at(reach, starts, stops)
        return cls(spans, of_P, np.maximum.accumulate(reach), border, order)

    @property
    def work(self) -> float:
        """Of a factorization, in products."""
        n = self.factor.size
        places = np.arange(n)
        wide = np.maximum(self.factor - places, 0)
        wide = wide + (n - np.maximum(self.border, places))
        long = (self.A[:, 1] - self.A[:, 0]).sum(axis=0)
        return float(0.5 * np.square(wide).sum() + 0.5 * np.square(long).sum())

    def ordered(self, v: np.ndarray) -> np.ndarray:
        """Values of variables `[batch, n]` in this order, and row after row in memory:
        other machine code would be made for another order of the numbers there."""
        return v if self._is_as_given else np.take(v, self.order, axis=1)

    def put_back(self, v: np.ndarray) -> None:
        """Values in this order in that of the variables, in their place."""
        if not self._is_as_given:
            v[:, self.order] = v.copy()

    @functools.cached_property
    def _is_as_given(self) -> bool:
        return bool((self.order[1:] > self.order[:-1]).all())


def _groups(structure: ConeStructure) -> np.ndarray:
    """For each row the first one of its cone, where that is curved; or itself."""
    group = np.arange(structure.m)
    for run in structure.cones.runs:
        if not KINDS[run.kind].is_flat:
            own = group[run.span].reshape(run.number, run.rows)
            own[:] = own[:, :1]
    return group


def _meetings(structure: ConeStructure, group: np.ndarray) -> sp.csr_array | None:
    """Which variables meet in a row, in a cone, or in the objective; None where it
    would take long to tell, as in matrices that are large or full."""
    A, P = structure.A, structure.P
    if np.square(np.bincount(group[A.rows], minlength=1), dtype=float).sum() > _MOST:
        return None
    sizes = structure.m, structure.n
    ones = sp.csr_array((np.ones(A.rows.size), (group[A.rows], A.columns)), sizes)
    square = P.ones + P.ones.T + sp.eye_array(structure.n)
    return sp.csr_array(ones.T @ ones + square)


def _spans(
    rows: np.ndarray, columns: np.ndarray, border: int, m: int, n: int
) -> np.ndarray:
    """Of each row the first column and the one after the last, before and in the
    border: zeros for none."""
    spans = np.stack([np.full((2, m), n), np.zeros((2, m), int)], axis=1)
    spans = spans.astype(np.int64)
    piece = (columns >= border).astype(np.int64)
    np.minimum.at(spans[:, 0], (piece, rows), columns)
    np.maximum.at(spans[:, 1], (piece, rows), columns + 1)
    spans[:, 0] = np.minimum(spans[:, 0], spans[:, 1])
    return spans
