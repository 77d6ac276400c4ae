"""One step of reduction: rows of the zero and the nonnegative cone that are dropped."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.lazy_values import entries_of
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import matvec, take
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DroppedRows:
    """The step that drops the rows `R`, which hold wherever the others do."""

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
        dropped = np.flatnonzero(np.isin(self.before.A.rows, self.R))
        A = self.before.A
        rows = np.searchsorted(self.R, A.rows[dropped])
        pattern = Pattern(rows, A.columns[dropped], (self.R.size, self.before.n))
        slack = none + entries_of(data.b, self.R)
        if dropped.size:
            slack = slack - matvec(pattern, entries_of(data.A, dropped), solution.x)
        return solution._replace(
            y=take([solution.y, none], order), s=take([solution.s, slack], order)
        )
