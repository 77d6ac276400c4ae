"""Sequences of columns that walk through a grid, as the blocks of dense matrices do.

A parameter arrives row by row, a matrix of the program is kept column by column, and
its columns join the rows of several parameters. Gathering entry by entry costs many
times what slicing and transposing cost, and more again in its gradient. So sequences
are recognized here, once, from the numbers alone.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# More runs than this are not examined, nor are more blocks put together.
_RUNS, _BLOCKS, _PHASES = 2000, 3, 6
# The step to a column of another part.
_ELSEWHERE = np.iinfo(np.int64).min


@dataclasses.dataclass(frozen=True)
class Grid:
    """The columns `start + i outer_stride + j inner_stride`, `i < outer, j < inner`, of
    one part of what is taken from."""

    part: int
    start: int
    outer: int
    outer_stride: int
    inner: int
    inner_stride: int

    def fits(self, size: int) -> bool:
        """Whether `of` can take it from this many columns."""
        if self._repeats:
            return True
        if self._by_row:
            return self._window(size, self.outer, self.outer_stride, self._width) >= 0
        if self._by_column:
            return self._window(size, self.inner, self.inner_stride, self._height) >= 0
        return False

    @property
    def _repeats(self) -> bool:
        return self.inner == 1 and self.outer_stride == 0

    @property
    def _width(self) -> int:
        """How many columns next to each other a row is made of."""
        return self.inner if self.inner_stride else 1

    @property
    def _height(self) -> int:
        """The same of a column of the grid."""
        return self.outer if self.outer_stride else 1

    @property
    def _by_row(self) -> bool:
        return self.outer_stride >= self._width and self.inner_stride in (0, 1)

    @property
    def _by_column(self) -> bool:
        return self.inner_stride >= self._height and self.outer_stride in (0, 1)

    def _window(self, size: int, count: int, stride: int, width: int) -> int:
        """Where `count` rows of `stride` columns begin that the grid is in; -1 if it
        is in none."""
        first = min(self.start, size - count * stride)
        return first if self.start - first + width <= stride else -1

    def of(self, values: tf.Tensor) -> tf.Tensor:
        """The columns of `values [B, k]`, as `[B, outer, inner]`."""
        if self._repeats:
            one = values[:, self.start : self.start + 1, None]
            return tf.tile(one, [1, self.outer, 1])
        if self._by_row:
            rows = self._rows(values, self.outer, self.outer_stride, self._width)
            return _as_wide_as(self.inner, rows)
        rows = self._rows(values, self.inner, self.inner_stride, self._height)
        return tf.linalg.matrix_transpose(_as_wide_as(self.outer, rows))

    def _rows(self, values, count, stride, width):
        first = self._window(values.shape[1], count, stride, width)
        offset = self.start - first
        if count * stride != values.shape[1]:
            values = values[:, first : first + count * stride]
        rows = tf.reshape(values, [tf.shape(values)[0], count, stride])
        return rows if width == stride else rows[:, :, offset : offset + width]


def _as_wide_as(width: int, rows: tf.Tensor) -> tf.Tensor:
    """Rows `[B, count, width]`; where they are of one column, that column repeated."""
    return rows if rows.shape[2] == width else tf.tile(rows, [1, 1, width])


@dataclasses.dataclass(frozen=True)
class Block:
    """Grids with equally many rows, side by side."""

    grids: tuple[Grid, ...]

    def of(self, parts: list[tf.Tensor]) -> tf.Tensor:
        """The columns, row by row, of these tensors `[1 or B, k]`."""
        rows = joined([grid.of(parts[grid.part]) for grid in self.grids], axis=2)
        count = self.grids[0].outer * sum(grid.inner for grid in self.grids)
        return tf.reshape(rows, [tf.shape(rows)[0], count])


def joined(parts: list[tf.Tensor], axis: int = 1) -> tf.Tensor:
    """The parts side by side, each repeated where only it is shared by the batch."""
    if len(parts) == 1:
        return parts[0]
    if len({part.shape[0] for part in parts}) > 1:
        batch = functools.reduce(
            tf.broadcast_dynamic_shape, [tf.shape(part)[:1] for part in parts]
        )
        parts = [
            tf.broadcast_to(part, tf.concat([batch, part.shape[1:]], axis=0))
            if part.shape[0] == 1
            else part
            for part in parts
        ]
    return tf.concat(parts, axis=axis)


def blocks_of(
    columns: np.ndarray, part: np.ndarray, sizes: list[int]
) -> list[Block] | None:
    """The blocks that give these columns one after another, if they are few.

    Args:
        columns: numbered within the part they belong to.
        part: which part each column belongs to.
        sizes: of the parts.

    Returns:
        None where the sequence has no such pattern.
    """
    runs = _runs(columns, part)
    if runs is None:
        return None
    blocks: list[Block] = []
    position = 0
    while position < len(runs):
        block, taken = _block(runs, position)
        fits = all(grid.fits(sizes[grid.part]) for grid in block.grids)
        if len(blocks) == _BLOCKS or not fits:
            return None
        blocks.append(block)
        position += taken
    return blocks


class _Run(NamedTuple):
    """`length` columns of a part from `start` on, `stride` apart."""

    part: int
    start: int
    length: int
    stride: int


def _runs(columns: np.ndarray, part: np.ndarray) -> list[_Run] | None:
    """The columns as runs of at least three, or single ones."""
    steps = np.where(np.diff(part) == 0, np.diff(columns), _ELSEWHERE)
    runs: list[_Run] = []
    position = 0
    while position < columns.size:
        if len(runs) == _RUNS:
            return None
        start, rest = (int(part[position]), int(columns[position])), steps[position:]
        if rest.size < 2 or rest[0] != rest[1] or rest[0] == _ELSEWHERE:
            runs.append(_Run(*start, 1, 0))
        else:
            differs = np.flatnonzero(rest != rest[0])
            length = 1 + int(differs[0] if differs.size else rest.size)
            runs.append(_Run(*start, length, int(rest[0])))
        position += runs[-1].length
    return runs


def _block(runs: list[_Run], position: int) -> tuple[Block, int]:
    """The block of most columns that starts at a run, and how many runs it takes."""
    best, most, taken = Block((_single(runs[position]),)), runs[position].length, 1
    for phases in range(1, _PHASES + 1):
        rows = _rows(runs, position, phases)
        if rows < 2:
            continue
        first = runs[position : position + phases]
        count = rows * sum(run.length for run in first)
        if count > most:
            second = runs[position + phases : position + 2 * phases]
            best = Block(
                tuple(
                    Grid(*one[:2], rows, two.start - one.start, one.length, one.stride)
                    for one, two in zip(first, second, strict=True)
                )
            )
            most, taken = count, rows * phases
    return best, taken


def _single(run: _Run) -> Grid:
    return Grid(run.part, run.start, run.length, run.stride, 1, 0)


def _rows(runs: list[_Run], position: int, phases: int) -> int:
    """How often the `phases` runs from here on repeat, each with a step of its own."""
    rows = 1
    while position + (rows + 1) * phases <= len(runs):
        start = position + rows * phases
        for phase in range(phases):
            run, before = runs[start + phase], runs[start + phase - phases]
            if (run.part, *run[2:]) != (before.part, *before[2:]):
                return rows
            step = runs[position + phases + phase].start - runs[position + phase].start
            if run.start - before.start != step:
                return rows
        rows += 1
    return rows
