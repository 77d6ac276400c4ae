"""Submatrices of sparse matrices, and sums of these, on fixed patterns."""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.lazy_values import Values, at, computed
from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import sum_by_row


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Submatrix:
    """A submatrix: which entries of the whole it takes, and their pattern."""

    entries: np.ndarray
    pattern: Pattern

    def of(self, values: Values) -> tf.Tensor:
        """The values of the submatrix, `[1 or B, entries]`."""
        return computed(self.part_of(values))

    def part_of(self, values: Values) -> Values:
        """The values of the submatrix, computed if those of the whole are."""
        return at(values, self.entries)


def submatrix(rows, columns, shape, row_index, column_index) -> Submatrix:
    """The block of the entries whose new row and column numbers are not negative."""
    new_rows, new_columns = row_index[rows], column_index[columns]
    entries = np.flatnonzero((new_rows >= 0) & (new_columns >= 0))
    order = np.lexsort((new_rows[entries], new_columns[entries]))
    entries = entries[order]
    return Submatrix(entries, Pattern(new_rows[entries], new_columns[entries], shape))


def numbered(kept: np.ndarray, size: int) -> np.ndarray:
    """For each of so many its number among those that are kept, -1 for others."""
    index = np.full(size, -1)
    index[kept] = np.arange(kept.size)
    return index


class Sum:
    """The sum of sparse matrices with fixed patterns."""

    def __init__(self, patterns: list[Pattern]):
        shape = patterns[0].shape
        height = max(shape[0], 1)
        places = [pattern.rows + height * pattern.columns for pattern in patterns]
        union = np.unique(np.concatenate(places))
        self._where = [np.searchsorted(union, place) for place in places]
        columns, rows = np.divmod(union, height)
        self.pattern = Pattern(rows, columns, shape)

    def counts(self, counts: list[np.ndarray]) -> np.ndarray:
        """How many terms each entry has, if its parts have so many."""
        result = np.zeros(self.pattern.size, np.int64)
        for count, where in zip(counts, self._where, strict=True):
            result[where] += count
        return result

    def __call__(self, values: list[tf.Tensor]) -> tf.Tensor:
        parts = [
            sum_by_row(part, where, self.pattern.size)
            for part, where in zip(values, self._where, strict=True)
            if where.size
        ]
        return total(*parts) if parts else values[0]
