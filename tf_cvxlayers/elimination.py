"""One step of reduction: equality rows that define variables are substituted.

Equality rows R with constant, nonzero coefficients g at variables E, one each, that
occur in no other row of R, define these variables by the others, K:

    x_E = c + T x_K,    c = b_R / g,    T = -A_RK / g  (row by row).

What is left is a program in `x_K` with the remaining rows S:

    P^ = P_KK + P_KE T + T'P_EK + T'P_EE T      A^ = A_SK + A_SE T
    q^ = q_K + T'q_E + (P_KE + T'P_EE) c        b^ = b_S - A_SE c

and the duals of R follow from stationarity in E:

    g y_R = -(P_EK x_K + P_EE x_E + q_E + A_SE'y_S).
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tf_cvxlayers.program import ConeData, ConeSolution, ConeStructure, Pattern
from tf_cvxlayers.sparse import (
    Product,
    joined,
    matvec,
    sum_by_row,
    take,
    transposed_matvec,
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Block:
    """A submatrix: which entries of the whole it takes, and their pattern."""

    entries: np.ndarray
    pattern: Pattern

    def of(self, values: tf.Tensor) -> tf.Tensor:
        """Its values."""
        return take(values, self.entries)


def _block(rows, columns, shape, row_index, column_index) -> _Block:
    """The block of the entries whose new row and column numbers are not negative."""
    new_rows, new_columns = row_index[rows], column_index[columns]
    entries = np.flatnonzero((new_rows >= 0) & (new_columns >= 0))
    order = np.lexsort((new_rows[entries], new_columns[entries]))
    entries = entries[order]
    return _Block(entries, Pattern(new_rows[entries], new_columns[entries], shape))


def _numbered(kept: np.ndarray, size: int) -> np.ndarray:
    index = np.full(size, -1)
    index[kept] = np.arange(kept.size)
    return index


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Elimination:
    """The substitution of variables `E` by rows `R`, with coefficients `g`."""

    before: ConeStructure
    R: np.ndarray
    E: np.ndarray
    g: np.ndarray

    @functools.cached_property
    def K(self) -> np.ndarray:
        """The variables that are left."""
        return np.setdiff1d(np.arange(self.before.n), self.E)

    @functools.cached_property
    def S(self) -> np.ndarray:
        """The rows that are left."""
        return np.setdiff1d(np.arange(self.before.m), self.R)

    @functools.cached_property
    def _blocks(self) -> dict[str, _Block]:
        """Blocks of `A` and of the symmetric `P`."""
        A, P = self.before.A, self.before.P
        n, m = self.before.n, self.before.m
        R, S = _numbered(self.R, m), _numbered(self.S, m)
        E, K = _numbered(self.E, n), _numbered(self.K, n)
        e, k, s = self.E.size, self.K.size, self.S.size
        # P's lower triangle has the values of its upper one.
        off = np.flatnonzero(P.rows != P.columns)
        rows = np.concatenate([P.rows, P.columns[off]])
        columns = np.concatenate([P.columns, P.rows[off]])
        source = np.concatenate([np.arange(P.size), off])
        EE = _block(rows, columns, (e, e), E, E)
        EK = _block(rows, columns, (e, k), E, K)
        return {
            "RK": _block(A.rows, A.columns, (e, k), R, K),
            "SE": _block(A.rows, A.columns, (s, e), S, E),
            "SK": _block(A.rows, A.columns, (s, k), S, K),
            "KK": _block(P.rows, P.columns, (k, k), K, K),
            "EE": _Block(source[EE.entries], EE.pattern),
            "EK": _Block(source[EK.entries], EK.pattern),
        }

    @functools.cached_property
    def _AT(self) -> Product:
        return Product(self._blocks["SE"].pattern, self._blocks["RK"].pattern)

    @functools.cached_property
    def _PT(self) -> Product:
        return Product(self._blocks["EE"].pattern, self._blocks["RK"].pattern)

    @functools.cached_property
    def _V(self) -> "_Sum":
        return _Sum([self._PT.pattern, self._blocks["EK"].pattern])

    @functools.cached_property
    def _TV(self) -> Product:
        T = self._blocks["RK"].pattern
        order = T.by_row
        transposed = Pattern(T.columns[order], T.rows[order], T.shape[::-1])
        return Product(transposed, self._V.pattern)

    @functools.cached_property
    def _P(self) -> "_Sum":
        X = self._TV.pattern
        folded = Pattern(
            np.minimum(X.rows, X.columns), np.maximum(X.rows, X.columns), X.shape
        )
        return _Sum([self._blocks["KK"].pattern, folded])

    @functools.cached_property
    def _A(self) -> "_Sum":
        return _Sum([self._blocks["SK"].pattern, self._AT.pattern])

    @functools.cached_property
    def after(self) -> ConeStructure:
        """The structure of the program that is left."""
        cones = self.before.cones
        dims = dataclasses.replace(cones, zero=cones.zero - self.R.size)
        return ConeStructure(self._P.pattern, self._A.pattern, dims)

    def _substitution(self, data: ConeData) -> tuple[tf.Tensor, tf.Tensor]:
        """The values of `T`, and `c`."""
        RK = self._blocks["RK"]
        g = self.g[RK.pattern.rows]
        return RK.of(data.A) * tf.constant(-1.0 / g), take(data.b, self.R) / self.g

    def apply(self, data: ConeData) -> ConeData:
        """The data of the program that is left."""
        blocks = self._blocks
        T, c = self._substitution(data)
        EE, EK, SE = (
            blocks[name].of(values)
            for name, values in (("EE", data.P), ("EK", data.P), ("SE", data.A))
        )
        V = self._V([self._PT(EE, T), 2.0 * EK])
        X = self._TV(take(T, blocks["RK"].pattern.by_row), V)
        x = self._TV.pattern
        half = tf.constant(np.where(x.rows == x.columns, 1.0, 0.5))
        inner = take(data.q, self.E) + matvec(blocks["EE"].pattern, EE, c)
        return ConeData(
            P=self._P([blocks["KK"].of(data.P), X * half]),
            q=take(data.q, self.K)
            + transposed_matvec(blocks["RK"].pattern, T, inner)
            + transposed_matvec(blocks["EK"].pattern, EK, c),
            A=self._A([blocks["SK"].of(data.A), self._AT(SE, T)]),
            b=take(data.b, self.S) - matvec(blocks["SE"].pattern, SE, c),
        )

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
            xE = c + matvec(blocks["RK"].pattern, T, xK)
        else:
            xE = tf.zeros([tf.shape(xK)[0], self.E.size], xK.dtype)
        if duals:
            gradient = (
                matvec(blocks["EK"].pattern, blocks["EK"].of(data.P), xK)
                + matvec(blocks["EE"].pattern, blocks["EE"].of(data.P), xE)
                + take(data.q, self.E)
                + transposed_matvec(blocks["SE"].pattern, blocks["SE"].of(data.A), yS)
            )
            yR = -gradient / self.g
        else:
            yR = tf.zeros_like(xE)
        x_order = np.argsort(np.concatenate([self.K, self.E]))
        y_order = np.argsort(np.concatenate([self.S, self.R]))
        return solution._replace(
            x=take(joined([xK, xE]), x_order),
            y=take(joined([yS, yR]), y_order),
            s=take(joined([solution.s, tf.zeros_like(yR)]), y_order),
        )


class _Sum:
    """The sum of sparse matrices with fixed patterns, not all in column order."""

    def __init__(self, patterns: list[Pattern]):
        shape = patterns[0].shape
        rows = np.concatenate([pattern.rows for pattern in patterns])
        columns = np.concatenate([pattern.columns for pattern in patterns])
        place = rows + shape[0] * columns
        self._order = np.argsort(place, kind="stable")
        places, self._where = np.unique(place[self._order], return_inverse=True)
        columns, rows = np.divmod(places, max(shape[0], 1))
        self.pattern = Pattern(rows, columns, shape)

    def __call__(self, values: list[tf.Tensor]) -> tf.Tensor:
        terms = take(joined(values), self._order)
        return sum_by_row(terms, self._where, self.pattern.size)
