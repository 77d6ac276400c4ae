"""Where a sparse matrix has entries, and constant sparse matrices. NumPy only.

What is fixed when a layer is made is kept here, what changes from call to call is a
tensor of values beside it.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
import scipy.sparse as sp


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

    @property
    def ones(self) -> sp.csc_array:
        """The matrix with a one for each entry."""
        ones = np.ones(self.size, np.int64)
        return sp.csc_array((ones, (self.rows, self.columns)), shape=self.shape)

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

    @classmethod
    def of(cls, matrix: Any) -> "LinearMap":
        """The map of a sparse matrix of SciPy."""
        matrix = sp.csr_array(matrix)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return cls(
            rows.astype(np.int64),
            matrix.indices.astype(np.int64),
            matrix.data.astype(np.float64),
            (int(matrix.shape[0]), int(matrix.shape[1])),
        )

    def absolute(self) -> "LinearMap":
        """The map with the absolute values of its own."""
        return dataclasses.replace(self, values=np.abs(self.values))

    def rows_at(self, rows: np.ndarray) -> "LinearMap":
        """The map to these rows of the result, in this order."""
        first = np.searchsorted(self.rows, rows, side="left")
        count = np.searchsorted(self.rows, rows, side="right") - first
        new = np.repeat(np.arange(rows.size), count)
        start = np.cumsum(count) - count
        terms = np.repeat(first - start, count) + np.arange(new.size)
        shape = rows.size, self.shape[1]
        return LinearMap(new, self.columns[terms], self.values[terms], shape)
