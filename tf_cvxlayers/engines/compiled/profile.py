"""The part of each row in which matrices, and the factor of their system, may differ
from zero: see `arithmetic`."""

from typing import NamedTuple

import numpy as np

from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import KINDS


class Profile(NamedTuple):
    """Where the rows of the matrices and of their factor begin and end."""

    A: np.ndarray
    P: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, structure: ConeStructure) -> "Profile":
        """The profile of a structure."""
        n, m, A, P = structure.n, structure.m, structure.A, structure.P
        spans = _spans(A.rows, A.columns, m, n)
        for run in structure.cones.runs:
            if not KINDS[run.kind].is_flat:
                own = spans[:, run.span].reshape(2, run.number, run.rows)
                own[0] = own[0].min(axis=1, keepdims=True)
                own[1] = own[1].max(axis=1, keepdims=True)
        both = np.r_[P.rows, P.columns], np.r_[P.columns, P.rows]
        of_P = _spans(*both, n, n)
        reach = np.maximum(np.arange(1, n + 1), of_P[1])
        np.maximum.at(reach, spans[0][spans[1] > 0], spans[1][spans[1] > 0])
        return cls(spans, of_P, np.maximum.accumulate(reach))

    @property
    def work(self) -> float:
        """Of a factorization, in products."""
        wide, long = self.factor - np.arange(self.factor.size), self.A[1] - self.A[0]
        return float(0.5 * np.square(wide).sum() + 0.5 * np.square(long).sum())


def _spans(rows: np.ndarray, columns: np.ndarray, m: int, n: int) -> np.ndarray:
    """The first column of each row, and the one after the last: zeros for none."""
    spans = np.array([np.full(m, n), np.zeros(m)], np.int64)
    np.minimum.at(spans[0], rows, columns)
    np.maximum.at(spans[1], rows, columns + 1)
    spans[0] = np.minimum(spans[0], spans[1])
    return spans
