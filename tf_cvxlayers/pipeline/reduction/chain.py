"""Eliminations one after another, as a single one.

A control problem says what each state is by the one before it, and each of them is
substituted in turn. Step by step that is a program of its own for each state. Here the
steps go through the rows that define variables alone, with a row for each variable
besides, `x_e` itself: what they leave of that row is how the variable depends on those
that are left, `x_E = c + T x_K`. All else is substituted once.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.lazy_values import Values, entries_of, zeros
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.linalg.submatrices import numbered
from tf_cvxlayers.pipeline.reduction.elimination import Elimination
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.cones import ConeDims


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Chain(Elimination):
    """The substitution of variables `E` by rows `R` in these steps. It gives no duals
    of `R` back.

    Attributes:
        steps: through the rows `R`, and a row for each variable of `E` behind them.
    """

    steps: tuple[Elimination, ...]

    @classmethod
    def of(cls, eliminations: Sequence[Elimination]) -> "Chain":
        """The chain of eliminations that follow one another."""
        before = eliminations[0].before
        rows, columns = np.arange(before.m), np.arange(before.n)
        rows_of, columns_of = [], []
        for elimination in eliminations:
            rows_of.append(rows[elimination.R])
            columns_of.append(columns[elimination.E])
            rows, columns = rows[elimination.S], columns[elimination.K]
        R, E = np.concatenate(rows_of), np.concatenate(columns_of)
        structure = _definitions(before, R, E)
        steps: list[Elimination] = []
        # The rows that are left of R, in the order of the steps.
        for elimination in eliminations:
            own = np.arange(elimination.R.size)
            step = Elimination(structure, own, elimination.E, elimination.g)
            steps.append(step)
            structure = step.after
        g = np.concatenate([elimination.g for elimination in eliminations])
        return cls(before, R, E, g, tuple(steps))

    @property
    def _T(self) -> Pattern:
        return self.steps[-1].after.A

    @functools.cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Which entries of `A` the rows `R` have; and the order that they and ones for
        the variables are in, in the pattern of the steps."""
        entries, rows, columns = _entries(self.before, self.R, self.E)
        return entries, np.lexsort((rows, columns))

    def expand(
        self, data: ConeData, solution: ConeSolution, variables: bool, duals: bool
    ) -> ConeSolution:
        return super().expand(data, solution, variables, duals=False)

    def _substitution(self, data: ConeData) -> tuple[tf.Tensor, Values]:
        entries, order = self._order
        ones = tf.ones([1, self.E.size], tf.float64)
        A = take([entries_of(data.A, entries), ones], order)
        b = tf.pad(entries_of(data.b, self.R), [[0, 0], [0, self.E.size]])
        none = tf.zeros([1, 0], tf.float64)
        rows = ConeData(none, zeros(self.before.n), A, b)
        for step in self.steps:
            rows = step.apply(rows)
        return rows.A, -rows.b


def _definitions(before: ConeStructure, R: np.ndarray, E: np.ndarray) -> ConeStructure:
    """The structure of the rows `R` and of one for each variable of `E`."""
    _, rows, columns = _entries(before, R, E)
    order = np.lexsort((rows, columns))
    pattern = Pattern(rows[order], columns[order], (2 * R.size, before.n))
    none = np.zeros(0, np.int64)
    costs = Pattern(none, none, (before.n, before.n))
    return ConeStructure(costs, pattern, ConeDims(zero=2 * R.size))


def _entries(
    before: ConeStructure, R: np.ndarray, E: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which entries of `A` are in rows `R`; and the rows and columns of these, and of
    the ones, where `R` come first."""
    place = numbered(R, before.m)[before.A.rows]
    (entries,) = np.nonzero(place >= 0)
    rows = np.concatenate([place[entries], R.size + np.arange(E.size)])
    return entries, rows, np.concatenate([before.A.columns[entries], E])
