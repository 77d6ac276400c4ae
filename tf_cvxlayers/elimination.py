"""One step of reduction: equality rows that define variables are substituted.

Equality rows R with constant, nonzero coefficients g at variables E, one each, that
occur in no other row of R, define these variables by the others, K:

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

import numpy as np
import tensorflow as tf

from tf_cvxlayers.affine import AffineValues, entries_of
from tf_cvxlayers.program import ConeData, ConeSolution, ConeStructure, Pattern
from tf_cvxlayers.sparse import (
    Product,
    matvec,
    sum_by_row,
    symmetric_matvec,
    take,
    transposed_matvec,
)
from tf_cvxlayers.sums import total


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Block:
    """A submatrix: which entries of the whole it takes, and their pattern."""

    entries: np.ndarray
    pattern: Pattern

    def of(self, values: tf.Tensor | AffineValues) -> tf.Tensor:
        """Its values."""
        return entries_of(values, self.entries)


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
        """Blocks of `A` and of `M`."""
        A, P = self.before.A, self.before.P
        n, m = self.before.n, self.before.m
        R, S = _numbered(self.R, m), _numbered(self.S, m)
        E, K = _numbered(self.E, n), _numbered(self.K, n)
        e, k, s = self.E.size, self.K.size, self.S.size
        return {
            "RK": _block(A.rows, A.columns, (e, k), R, K),
            "SE": _block(A.rows, A.columns, (s, e), S, E),
            "SK": _block(A.rows, A.columns, (s, k), S, K),
            "KK": _block(P.rows, P.columns, (k, k), K, K),
            "EE": _block(P.rows, P.columns, (e, e), E, E),
            "EK": _block(P.rows, P.columns, (e, k), E, K),
            "KE": _block(P.columns, P.rows, (e, k), E, K),
        }

    @functools.cached_property
    def _C(self) -> "_Sum":
        return _Sum([self._blocks["EK"].pattern, self._blocks["KE"].pattern])

    @functools.cached_property
    def _AT(self) -> Product:
        return Product(self._blocks["SE"].pattern, self._blocks["RK"].pattern)

    @functools.cached_property
    def _PT(self) -> Product:
        return Product(self._blocks["EE"].pattern, self._blocks["RK"].pattern)

    @functools.cached_property
    def _V(self) -> "_Sum":
        return _Sum([self._PT.pattern, self._C.pattern])

    @functools.cached_property
    def _TV(self) -> Product:
        T = self._blocks["RK"].pattern
        order = T.by_row
        transposed = Pattern(T.columns[order], T.rows[order], T.shape[::-1])
        return Product(transposed, self._V.pattern)

    @functools.cached_property
    def _P(self) -> "_Sum":
        return _Sum([self._blocks["KK"].pattern, self._TV.pattern])

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
        return RK.of(data.A) * tf.constant(-1.0 / g), entries_of(
            data.b, self.R
        ) / self.g

    def apply(self, data: ConeData) -> ConeData:
        """The data of the program that is left."""
        blocks = self._blocks
        T, c = self._substitution(data)
        EE, C, SE = blocks["EE"].of(data.P), self._mixed(data), blocks["SE"].of(data.A)
        V = self._V([self._PT(EE, T), C])
        X = self._TV(take(T, blocks["RK"].pattern.by_row), V)
        inner = entries_of(data.q, self.E) + symmetric_matvec(
            blocks["EE"].pattern, EE, c
        )
        return ConeData(
            P=self._P([blocks["KK"].of(data.P), X]),
            q=total(
                entries_of(data.q, self.K),
                transposed_matvec(blocks["RK"].pattern, T, inner),
                0.5 * transposed_matvec(self._C.pattern, C, c),
            ),
            A=self._A([blocks["SK"].of(data.A), self._AT(SE, T)]),
            b=entries_of(data.b, self.S) - matvec(blocks["SE"].pattern, SE, c),
        )

    def _mixed(self, data: ConeData) -> tf.Tensor:
        """The values of `C`."""
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
            xE = c + matvec(blocks["RK"].pattern, T, xK)
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


class _Sum:
    """The sum of sparse matrices with fixed patterns."""

    def __init__(self, patterns: list[Pattern]):
        shape = patterns[0].shape
        height = max(shape[0], 1)
        places = [pattern.rows + height * pattern.columns for pattern in patterns]
        union = np.unique(np.concatenate(places))
        self._where = [np.searchsorted(union, place) for place in places]
        columns, rows = np.divmod(union, height)
        self.pattern = Pattern(rows, columns, shape)

    def __call__(self, values: list[tf.Tensor]) -> tf.Tensor:
        parts = [
            sum_by_row(part, where, self.pattern.size)
            for part, where in zip(values, self._where, strict=True)
            if where.size
        ]
        return total(*parts) if parts else values[0]
