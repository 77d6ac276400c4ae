"""One step of reduction: rows that define variables are substituted.

Equality rows R, or inequalities that may be taken to be tight (`epigraphs`), with
constant, nonzero coefficients g at variables E, one each, that occur in no other row of
R, define these variables by the others, K:

    x_E = c + T x_K,    c = b_R / g,    T = -A_RK / g  (row by row).

What is left is a program in `x_K` with the remaining rows S:

    P^ = P_KK + P_KE T + T'P_EK + T'P_EE T      A^ = A_SK + A_SE T
    q^ = q_K + T'q_E + (P_KE + T'P_EE) c        b^ = b_S - A_SE c

and the duals of R follow from stationarity in E:

    g y_R = -(P_EK x_K + P_EE x_E + q_E + A_SE'y_S).

Only the symmetric part of P counts. With `P = (M + M')/2` for the matrix M that is
stored, and `C = M_EK + M_KE'`, so that `P_EK = C/2`, the new one is stored as

    M^ = M_KK + T'(M_EE T + C).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.lazy_values import (
    Values,
    absolute,
    are_zero,
    at,
    computed,
    entries_of,
    product,
    times,
)
from tf_cvxlayers.linalg.ordered_sums import total, without_rounding
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import (
    Product,
    matvec,
    symmetric_matvec,
    take,
    transposed_matvec,
)
from tf_cvxlayers.linalg.submatrices import Submatrix, Sum, numbered, submatrix
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure


class _Rows(NamedTuple):
    """What the rows that are left are sums of products of."""

    T: tf.Tensor
    c: Values
    SK: tf.Tensor
    SE: Values
    minus_b: tf.Tensor


class _Costs(NamedTuple):
    """What the objective that is left is a sum of products of."""

    T: tf.Tensor
    c: Values
    KK: tf.Tensor
    EE: tf.Tensor
    C: tf.Tensor
    qK: tf.Tensor
    qE: Values


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Elimination:
    """The substitution of variables `E` by rows `R`, with coefficients `g`."""

    before: ConeStructure
    R: np.ndarray
    E: np.ndarray
    g: np.ndarray

    @functools.cached_property
    def K(self) -> np.ndarray:
        """The numbers of the variables that are left."""
        return np.setdiff1d(np.arange(self.before.n), self.E)

    @functools.cached_property
    def S(self) -> np.ndarray:
        """The numbers of the rows that are left."""
        return np.setdiff1d(np.arange(self.before.m), self.R)

    @functools.cached_property
    def _blocks(self) -> dict[str, Submatrix]:
        """The submatrices of `A` and of `M` by rows and columns."""
        A, P = self.before.A, self.before.P
        n, m = self.before.n, self.before.m
        R, S = numbered(self.R, m), numbered(self.S, m)
        E, K = numbered(self.E, n), numbered(self.K, n)
        e, k, s = self.E.size, self.K.size, self.S.size
        return {
            "RK": submatrix(A.rows, A.columns, (e, k), R, K),
            "SE": submatrix(A.rows, A.columns, (s, e), S, E),
            "SK": submatrix(A.rows, A.columns, (s, k), S, K),
            "KK": submatrix(P.rows, P.columns, (k, k), K, K),
            "EE": submatrix(P.rows, P.columns, (e, e), E, E),
            "EK": submatrix(P.rows, P.columns, (e, k), E, K),
            "KE": submatrix(P.columns, P.rows, (e, k), E, K),
        }

    @functools.cached_property
    def _C(self) -> Sum:
        return Sum([self._blocks["EK"].pattern, self._blocks["KE"].pattern])

    @functools.cached_property
    def _AT(self) -> Product:
        return Product(self._blocks["SE"].pattern, self._T)

    @functools.cached_property
    def _PT(self) -> Product:
        return Product(self._blocks["EE"].pattern, self._T)

    @functools.cached_property
    def _V(self) -> Sum:
        return Sum([self._PT.pattern, self._C.pattern])

    @functools.cached_property
    def _TV(self) -> Product:
        T = self._T
        order = T.by_row
        transposed = Pattern(T.columns[order], T.rows[order], T.shape[::-1])
        return Product(transposed, self._V.pattern)

    @functools.cached_property
    def _P(self) -> Sum:
        return Sum([self._blocks["KK"].pattern, self._TV.pattern])

    @functools.cached_property
    def _A(self) -> Sum:
        return Sum([self._blocks["SK"].pattern, self._AT.pattern])

    @functools.cached_property
    def after(self) -> ConeStructure:
        """The structure of the program that is left."""
        cones = self.before.cones
        equalities = int(np.less(self.R, cones.zero).sum())
        dims = dataclasses.replace(
            cones,
            zero=cones.zero - equalities,
            nonnegative=cones.nonnegative - (self.R.size - equalities),
        )
        return ConeStructure(self._P.pattern, self._A.pattern, dims)

    @property
    def _T(self) -> Pattern:
        """The pattern of `T`."""
        return self._blocks["RK"].pattern

    def _substitution(self, data: ConeData) -> tuple[tf.Tensor, Values]:
        """The values of `T [1 or B, entries]`, and `c [1 or B, |E|]`."""
        inverse = 1.0 / self.g
        T = times(self._blocks["RK"].part_of(data.A), -inverse[self._T.rows])
        return computed(T), times(at(data.b, self.R), inverse)

    def apply(self, data: ConeData) -> ConeData:
        """The data of the program that is left."""
        T, c = self._substitution(data)
        blocks = self._blocks
        # All sums are of what is in the parts, with a plus: so those of the absolute
        # values are what rounding is relative to.
        rows = _Rows(
            T,
            c,
            SK=blocks["SK"].of(data.A),
            SE=blocks["SE"].part_of(data.A),
            minus_b=-entries_of(data.b, self.S),
        )
        A, minus_b = _without_rounding(self._rows_left, rows, self._rows_may_cancel)
        if not self.before.P.size and are_zero(data.q):
            return ConeData(data.P, at(data.q, self.K), A, -minus_b)
        costs = _Costs(
            T,
            c,
            **{name: blocks[name].of(data.P) for name in ("KK", "EE")},
            C=self._mixed(data),
            qK=entries_of(data.q, self.K),
            qE=at(data.q, self.E),
        )
        P, q = _without_rounding(self._costs_left, costs, self._costs_may_cancel)
        return ConeData(P, q, A, -minus_b)

    def _rows_left(self, parts: _Rows) -> tuple[tf.Tensor, tf.Tensor]:
        """`A^` and `-b^`."""
        A = self._A([parts.SK, self._AT(computed(parts.SE), parts.T)])
        # Definitions have no constants more often than not.
        if are_zero(parts.c):
            return A, parts.minus_b
        pattern = self._blocks["SE"].pattern
        return A, parts.minus_b + product(pattern, parts.SE, computed(parts.c))

    def _costs_left(self, parts: _Costs) -> tuple[tf.Tensor, tf.Tensor]:
        """`P^` and `q^`."""
        T, EE, C = parts.T, parts.EE, parts.C
        V = self._V([self._PT(EE, T), C])
        X = self._TV(take(T, self._T.by_row), V)
        q, inner = [parts.qK], []
        # Nor costs.
        if not are_zero(parts.qE):
            inner.append(computed(parts.qE))
        if not are_zero(parts.c):
            c = computed(parts.c)
            inner.append(symmetric_matvec(self._blocks["EE"].pattern, EE, c))
            q.append(0.5 * transposed_matvec(self._C.pattern, C, c))
        if inner:
            q.append(transposed_matvec(self._T, T, total(*inner)))
        return self._P([parts.KK, X]), total(*q)

    @functools.cached_property
    def _rows_may_cancel(self) -> tuple[bool, bool]:
        """Whether terms may cancel in `A^`, and in rows of `b^` where nothing else is
        left then."""
        A, terms = self._A.pattern, self._terms
        alone = np.unique(A.rows[terms < 2]).size < self.S.size
        return bool(np.any(terms >= 2)), alone

    @functools.cached_property
    def _costs_may_cancel(self) -> tuple[bool, bool]:
        """Whether terms may cancel in `P^`, and in columns of `q^` where nothing else
        is left then."""
        A, P = self._A.pattern, self._P.pattern
        # Squares, and sums of squares, do not cancel.
        squares = self._C.pattern.size == 0 and self._blocks["EE"].pattern.is_diagonal
        sure_columns = np.concatenate(
            [A.columns[self._terms < 2], P.columns[: P.size * squares]]
        )
        return not squares, np.unique(sure_columns).size < self.K.size

    @functools.cached_property
    def _terms(self) -> np.ndarray:
        """How many terms each entry of `A^` has."""
        kept = np.ones(self._blocks["SK"].pattern.size, np.int64)
        return self._A.counts([kept, self._AT.counts])

    def _mixed(self, data: ConeData) -> tf.Tensor:
        """The values of `C`, `[1 or B, entries]`."""
        parts = [self._blocks[name].of(data.P) for name in ("EK", "KE")]
        return self._C(parts)

    def expand(
        self, data: ConeData, solution: ConeSolution, variables: bool, duals: bool
    ) -> ConeSolution:
        """The solution of the program before, from that of the program after.

        Args:
            data: of the program before.
            solution: of the program after.
            variables: whether anybody wants `x_E`; zeros otherwise.
            duals: whether anybody wants `y_R`, which needs `x_E`; zeros otherwise.
        """
        blocks = self._blocks
        xK, yS = solution.x, solution.y
        if variables or duals:
            T, c = self._substitution(data)
            xE = computed(c) + matvec(self._T, T, xK)
        else:
            xE = tf.zeros([tf.shape(xK)[0], self.E.size], xK.dtype)
        if duals:
            gradient = total(
                0.5 * matvec(self._C.pattern, self._mixed(data), xK),
                symmetric_matvec(blocks["EE"].pattern, blocks["EE"].of(data.P), xE),
                entries_of(data.q, self.E),
                transposed_matvec(blocks["SE"].pattern, blocks["SE"].of(data.A), yS),
            )
            yR = -gradient / self.g
        else:
            yR = tf.zeros_like(xE)
        x_order = np.argsort(np.concatenate([self.K, self.E]))
        y_order = np.argsort(np.concatenate([self.S, self.R]))
        return solution._replace(
            x=take([xK, xE], x_order),
            y=take([yS, yR], y_order),
            s=take([solution.s, tf.zeros_like(yR)], y_order),
        )


def _without_rounding(
    sums: Callable[[Any], tuple[tf.Tensor, ...]],
    parts: Any,
    may_cancel: tuple[bool, ...],
) -> tuple[tf.Tensor, ...]:
    """`sums(parts)`, exactly zero where terms cancel up to rounding, if they may."""
    found = sums(parts)
    if not any(may_cancel):
        return found
    sizes = sums(type(parts)(*map(absolute, parts)))
    return tuple(
        without_rounding(sum_, size) if may else sum_
        for sum_, size, may in zip(found, sizes, may_cancel, strict=True)
    )
