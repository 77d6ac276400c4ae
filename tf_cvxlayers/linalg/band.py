"""Symmetric matrices that have few numbers, near the diagonal, in some order.

The order is that of Cuthill and McKee, reversed ("Reducing the bandwidth of sparse
symmetric matrices", 1969). In it the matrix is cut into blocks, the next to each other
of which are the only ones that are not zero. NumPy only: patterns, not numbers.
"""

import dataclasses
import functools

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee

from tf_cvxlayers.linalg.patterns import LinearMap, Pattern

# Smaller blocks take more time: there are more of them.
_LEAST_BLOCK = 8
# A band is not narrow that is this part of the matrix; and nothing is gained where so
# many products would have to be summed.
_NARROW, _MOST_TERMS = 0.5, 20_000_000


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Band:
    """The pattern of `P + A'W A` for diagonal `W`, ordered.

    Attributes:
        P, A: the patterns of these.
        lower: of the result, entries on and below the diagonal in the new order; all of
            the diagonal. Row and column numbers are in the old one.
        order: which variable is at each place.
        block: the size of a block.
    """

    P: Pattern
    A: Pattern
    lower: Pattern
    order: np.ndarray
    block: int

    @classmethod
    def of(cls, P: Pattern, A: Pattern) -> "Band | None":
        """The band; None where there is none that is narrow."""
        n = A.shape[1]
        if n == 0 or not _may_be_narrow(P, A):
            return None
        squares = A.ones.T @ A.ones
        full = sp.csr_array(squares + P.ones + P.ones.T + sp.eye_array(n))
        order = reverse_cuthill_mckee(sp.csr_matrix(full), symmetric_mode=True)
        order = order.astype(np.int64)
        place = np.argsort(order)
        entries = full.tocoo()
        first, second = place[entries.row], place[entries.col]
        below = first >= second
        width = int((first - second).max())
        rows, columns = entries.row[below], entries.col[below]
        sorted_ = np.lexsort((rows, columns))
        lower = Pattern(
            rows[sorted_].astype(np.int64),
            columns[sorted_].astype(np.int64),
            (n, n),
        )
        return cls(P, A, lower, order, max(width, _LEAST_BLOCK))

    @property
    def n(self) -> int:
        """The number of variables."""
        return self.lower.shape[0]

    @property
    def blocks(self) -> int:
        """How many blocks there are on the diagonal."""
        return -(-self.n // self.block)

    @functools.cached_property
    def place(self) -> np.ndarray:
        """At which place each variable is."""
        return np.argsort(self.order)

    @functools.cached_property
    def diagonal(self) -> np.ndarray:
        """The numbers of the entries on the diagonal, by variable."""
        (found,) = np.nonzero(self.lower.rows == self.lower.columns)
        return found[np.argsort(self.lower.rows[found])]

    @functools.cached_property
    def on_diagonal(self) -> np.ndarray:
        """For each entry the variable on whose diagonal it is; `n` for others."""
        where = np.full(self.lower.size, self.n)
        where[self.diagonal] = np.arange(self.n)
        return where

    @functools.cached_property
    def full(self) -> tuple[Pattern, np.ndarray]:
        """The pattern of both triangles; and which entry each of its own is."""
        rows, columns = self.lower.rows, self.lower.columns
        (off,) = np.nonzero(rows != columns)
        all_rows = np.concatenate([rows, columns[off]])
        all_columns = np.concatenate([columns, rows[off]])
        entries = np.concatenate([np.arange(rows.size), off])
        order = np.lexsort((all_rows, all_columns))
        pattern = Pattern(all_rows[order], all_columns[order], self.lower.shape)
        return pattern, entries[order]

    @functools.cached_property
    def of_P(self) -> LinearMap:
        """The entries of the symmetric part of `P`, from its values."""
        entry = self._entry(self.P.rows, self.P.columns)
        weight = np.where(self.P.rows == self.P.columns, 1.0, 0.5)
        shape = self.lower.size, self.P.size
        columns = np.arange(self.P.size)
        return LinearMap.of(sp.csr_array((weight, (entry, columns)), shape=shape))

    @functools.cached_property
    def terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the products that `A'W A` is the sum of: an entry of `A`, one of `W A`,
        and the entry that they belong to, by which they are sorted."""
        rows = self.A.by_row
        starts = np.searchsorted(self.A.rows[rows], np.arange(self.A.shape[0] + 1))
        count = np.diff(starts)
        # Each entry with all of its row.
        own = np.repeat(count, count)
        left = np.repeat(np.arange(rows.size), own)
        offset = np.arange(left.size) - np.repeat(np.cumsum(own) - own, own)
        right = np.repeat(np.repeat(starts[:-1], count), own) + offset
        left, right = rows[left], rows[right]
        place = self.place[self.A.columns]
        below = place[left] >= place[right]
        left, right = left[below], right[below]
        entry = self._entry(self.A.columns[left], self.A.columns[right])
        order = np.argsort(entry, kind="stable")
        return left[order], right[order], entry[order]

    @functools.cached_property
    def in_blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """For each number of the blocks on the diagonal, and of those below it, the
        entry that is there; `lower.size` for none, and one more for a one, beyond the
        last variable."""
        size, count = self.block, self.blocks
        rows, columns = self.place[self.lower.rows], self.place[self.lower.columns]
        block, below = rows // size, rows // size - columns // size
        within = (rows % size) * size + columns % size
        diagonal = np.full(count * size * size, self.lower.size)
        next_to = np.full((count - 1) * size * size, self.lower.size)
        beyond = np.arange(self.n, count * size)
        ones = (beyond // size) * size * size + (beyond % size) * (size + 1)
        diagonal[ones] = self.lower.size + 1
        on, off = below == 0, below == 1
        entries = np.arange(self.lower.size)
        diagonal[block[on] * size * size + within[on]] = entries[on]
        next_to[(block[off] - 1) * size * size + within[off]] = entries[off]
        return diagonal, next_to

    def _entry(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The number of the entry at each place, whichever triangle that is in."""
        swapped = self.place[rows] < self.place[columns]
        low, high = np.where(swapped, columns, rows), np.where(swapped, rows, columns)
        known = self.lower.columns * self.n + self.lower.rows
        return np.searchsorted(known, high * self.n + low)


def _may_be_narrow(P: Pattern, A: Pattern) -> bool:
    """Whether no row of `A` and no column of `P` has so many entries that there is no
    narrow band: a row of `A` fills a square."""
    n = A.shape[1]
    in_rows = np.bincount(A.rows, minlength=1)
    in_columns = np.bincount(P.columns, minlength=1)
    if max(in_rows.max(), in_columns.max()) > _NARROW * n:
        return False
    return int(np.sum(np.square(in_rows))) <= _MOST_TERMS
