"""One step of reduction: rows that say nothing are dropped.

When variables have been substituted, rows without any may be left: `0 <= b`, or
`0 = b`. Where b depends on a parameter the row decides whether there is a solution, and
stays. Where it is a constant, it is known now: the row holds and is dropped, with dual
zero and slack b, or the problem has no solution for any parameter.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.linalg.lazy_values import entries_of
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure

# Relative to the largest constant, what rounding may leave where zero is meant.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class EmptyRows:
    """The step that drops the rows `R`, which hold for all values."""

    before: ConeStructure
    R: np.ndarray

    @functools.cached_property
    def K(self) -> np.ndarray:
        """The numbers of the variables that are left, which are all."""
        return np.arange(self.before.n)

    @functools.cached_property
    def S(self) -> np.ndarray:
        """The numbers of the rows that are left."""
        return np.setdiff1d(np.arange(self.before.m), self.R)

    @functools.cached_property
    def _entries(self) -> np.ndarray:
        return np.flatnonzero(np.isin(self.before.A.rows, self.S))

    @functools.cached_property
    def after(self) -> ConeStructure:
        """The structure of the program that is left."""
        A, cones = self.before.A, self.before.cones
        equalities = np.searchsorted(self.R, cones.zero)
        cones = dataclasses.replace(
            cones,
            zero=cones.zero - int(equalities),
            nonnegative=cones.nonnegative - int(self.R.size - equalities),
        )
        rows = np.searchsorted(self.S, A.rows[self._entries])
        shape = (self.S.size, self.before.n)
        A = Pattern(rows, A.columns[self._entries], shape)
        return ConeStructure(self.before.P, A, cones)

    def apply(self, data: ConeData) -> ConeData:
        """The data of the program that is left."""
        return data._replace(
            A=entries_of(data.A, self._entries), b=entries_of(data.b, self.S)
        )

    def expand(
        self, data: ConeData, solution: ConeSolution, variables: bool, duals: bool
    ) -> ConeSolution:
        """The solution of the program before, from that of the program after."""
        order = np.argsort(np.concatenate([self.S, self.R]))
        batch = tf.shape(solution.y)[0]
        none = tf.zeros([batch, self.R.size], solution.y.dtype)
        slack = none + entries_of(data.b, self.R)
        return solution._replace(
            y=take([solution.y, none], order), s=take([solution.s, slack], order)
        )


def empty_rows(
    structure: ConeStructure, A: np.ndarray, b: np.ndarray
) -> EmptyRows | None:
    """The step for a program, None where it has no such rows.

    Args:
        structure: of the program.
        A, b: its values, NaN where they depend on parameters.

    Raises:
        ProblemError: a row that no value of the variables satisfies.
    """
    cones = structure.cones
    linear = np.arange(structure.m) < cones.zero + cones.nonnegative
    used = np.isin(np.arange(structure.m), structure.A.rows[A != 0.0])
    rows = np.flatnonzero(linear & ~used & np.isfinite(b))
    if not rows.size:
        return None
    known = b[np.isfinite(b)]
    rounding = _ROUNDING * max(1.0, np.abs(known).max())
    for row in rows:
        equality = row < cones.zero
        if b[row] < -rounding or (equality and b[row] > rounding):
            sign = "==" if equality else "<="
            raise ProblemError(
                "Expected constraints that some value of the variables satisfies. "
                f"Received: one that says 0 {sign} {b[row]:.6g} for every value of the "
                "parameters, when what equalities define has been substituted. Remove "
                "it, change its constants, or make one of them a parameter."
            )
    return EmptyRows(structure, rows)
