"""The cone program in the middle of everything, and its notation.

    minimize    (1/2) x'P x + q'x
    subject to  A x + s = b,   s in K

with the dual variable `y` in the dual cone `K*`. In the whole package

    P q A b   problem data              n   number of variables
    x         primal variable           m   number of rows, one for each entry of s
    y         dual variable             B   number of batch elements
    s         slack                     K   product of cones, see `cones`

`P` stands for the symmetric part of the matrix that is stored, which need not be
symmetric. Nothing here knows of CVXPY or TensorFlow.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from tf_cvxlayers.cones import ConeDims


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """Where a sparse matrix has entries, in compressed-column order.

    Attributes:
        rows, columns: int64 `[entries]`, sorted by column, then by row.
        shape: of the matrix.
    """

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.rows.size

    @functools.cached_property
    def is_full(self) -> bool:
        """Whether every place of a matrix that is not empty has an entry."""
        return 0 < self.size == self.shape[0] * self.shape[1]

    @functools.cached_property
    def is_diagonal(self) -> bool:
        """Whether all entries are on the diagonal."""
        return bool(np.all(self.rows == self.columns))

    @functools.cached_property
    def upper(self) -> tuple["Pattern", sp.csr_array]:
        """The upper triangle of the symmetric part: its pattern, and the matrix that
        makes its values of these."""
        top = np.minimum(self.rows, self.columns)
        place = top + self.shape[0] * np.maximum(self.rows, self.columns)
        union, where = np.unique(place, return_inverse=True)
        columns, rows = np.divmod(union, max(self.shape[0], 1))
        weight = np.where(self.rows == self.columns, 1.0, 0.5)
        folding = sp.csr_array(
            (weight, (where, np.arange(self.size))), shape=(union.size, self.size)
        )
        return Pattern(rows, columns, self.shape), folding

    @functools.cached_property
    def by_row(self) -> np.ndarray:
        """The order of the entries by row, then by column."""
        return np.argsort(self.rows, kind="stable")

    @functools.cached_property
    def indptr(self) -> np.ndarray:
        """Where each column starts, as in SciPy's CSC format."""
        counts = np.bincount(self.columns, minlength=self.shape[1])
        return np.concatenate([[0], np.cumsum(counts)])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LinearMap:
    """A constant sparse matrix: `out[r]` is the sum of `values[k] v[columns[k]]` over
    the `k` with `rows[k] == r`.

    Attributes:
        rows, columns: int64 `[terms]`, sorted by row.
        values: float64 `[terms]`.
        shape: `(length of the result, length of the argument)`.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    def rows_at(self, rows: np.ndarray) -> "LinearMap":
        """The map to these rows of the result, in this order."""
        first = np.searchsorted(self.rows, rows, side="left")
        count = np.searchsorted(self.rows, rows, side="right") - first
        new = np.repeat(np.arange(rows.size), count)
        start = np.cumsum(count) - count
        terms = np.repeat(first - start, count) + np.arange(new.size)
        shape = rows.size, self.shape[1]
        return LinearMap(new, self.columns[terms], self.values[terms], shape)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ParameterSpec:
    """A parameter of the problem: its name, shape, and what its values must satisfy.

    Attributes:
        attributes: names among `nonneg, nonpos, pos, neg, symmetric, PSD, NSD, diag`.
        bounds: lower and upper bound, each broadcastable to `shape`, or None.
        support: flat indices (C order) of the entries that may differ from zero, or
            None for all.
    """

    name: str
    shape: tuple[int, ...]
    attributes: tuple[str, ...] = ()
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    support: np.ndarray | None = None

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class VariableSpec:
    """A primal or dual variable that is returned: a linear map of `(x, y)`.

    `exponential` marks a variable of a geometric program, solved for its logarithm.
    """

    name: str
    shape: tuple[int, ...]
    recovery: LinearMap
    exponential: bool = False


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConeStructure:
    """What an engine has to know before it sees numbers: sizes, patterns, cones."""

    P: Pattern
    A: Pattern
    cones: ConeDims

    @property
    def n(self) -> int:
        """The number of variables."""
        return self.A.shape[1]

    @property
    def m(self) -> int:
        """The number of rows."""
        return self.A.shape[0]

    @functools.cached_property
    def bounds(self) -> np.ndarray:
        """The rows with one entry, in the zero and the nonnegative cone: equalities and
        inequalities on one variable each."""
        counts = np.bincount(self.A.rows, minlength=self.m)
        return np.flatnonzero(counts[: self.cones.zero + self.cones.nonnegative] == 1)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConeProgram:
    """A parametrized cone program: a structure, and where its numbers come from.

    The numbers are affine in the *features*: the flattened parameters (C order), or
    their logarithms, one after another, and a constant one at the end.

    Attributes:
        structure: patterns and cones.
        maps: `P`, `q`, `A` and `b` from the features; for `P` and `A`, the values on
            the pattern.
        parameters: in the order in which their values are given.
        features: for each block of features, which parameter, and whether its
            logarithm.
        variables: what is returned.
    """

    structure: ConeStructure
    maps: "ConeData"
    parameters: tuple[ParameterSpec, ...]
    features: tuple[tuple[int, bool], ...]
    variables: tuple[VariableSpec, ...]


class ConeData(NamedTuple):
    """One thing for each of `P`, `q`, `A`, `b`.

    As numbers: float64 tensors `P [B, entries]`, `q [B, n]`, `A [B, entries]`,
    `b [B, m]`. A batch axis of length 1 says that the whole batch shares the values.
    """

    P: Any
    q: Any
    A: Any
    b: Any


class ConeSolution(NamedTuple):
    """What an engine returns: float64 `x [B, n]`, `y [B, m]`, `s [B, m]`; int32
    `status [B]` and `iterations [B]`. Elements without a solution hold zeros."""

    x: Any
    y: Any
    s: Any
    status: Any
    iterations: Any

    def at(self, x: Any, y: Any, s: Any) -> "ConeSolution":
        """The same verdict on another point."""
        return self._replace(x=x, y=y, s=s)
