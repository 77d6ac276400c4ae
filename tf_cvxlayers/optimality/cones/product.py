"""The product of the cones of a program at a solution: short loops over its runs.

`protocol` says what each kind of cone knows, `table` which file knows it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.powers_of_two import power_of_two
from tf_cvxlayers.optimality.cones.protocol import ConeGeometry
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.program.cones import KINDS, ConeDims, Run


def one_by_one(run: Run, *parts: tf.Tensor) -> list[tf.Tensor]:
    """The rows of the equal cones of a run, among those of the product, `[1 or B, m]`:
    `[C, rows]`."""
    own = [_own(run, part) for part in parts]
    if run.number == 1:
        return own
    return [tf.reshape(part, [-1, run.rows]) for part in own]


def _own(run: Run, part: tf.Tensor) -> tf.Tensor:
    """The rows of a run, among those of the product, `[1 or B, m, ...]`."""
    # An operation that changes nothing takes as long as one that does.
    return part if run.size == part.shape[1] else part[:, run.span]


def next_to_another(run: Run, each: tf.Tensor) -> tf.Tensor:
    """Numbers `[C, k]` of each of its cones, side by side: `[1 or B, number * k]`."""
    if run.number == 1:
        return each
    return tf.reshape(each, [-1, run.number * each.shape[1]])


def side_by_side(parts: Sequence[tf.Tensor], empty: tf.Tensor) -> tf.Tensor:
    """Numbers of the runs, `[B, k, ...]` each, of none of which there may be any: then
    the batch is that of `empty [B, ...]`."""
    if len(parts) == 1:
        return parts[0]
    return tf.concat(parts, axis=1) if parts else empty[:, :0]


def complementary_pair(
    dims: ConeDims, y: tf.Tensor, s: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The pair next to `y, s [B, m]` with `y` in `K*`, `s` in `K` and `y's = 0`."""
    ys: list[tf.Tensor] = []
    ss: list[tf.Tensor] = []
    for run in dims.runs:
        pair = geometry_of(run).pair(*one_by_one(run, y, s))
        for parts, part in zip((ys, ss), pair, strict=True):
            parts.append(next_to_another(run, part))
    return side_by_side(ys, y), side_by_side(ss, s)


class Sides(NamedTuple):
    """On which side of each jump of `D` a pair is, and how far from it.

    Attributes:
        dims: the cones.
        counts: how many jumps each cone of a run has.
        distances: `[B, k]`, signed.
    """

    dims: ConeDims
    counts: tuple[int, ...]
    distances: tf.Tensor

    @classmethod
    def of(cls, dims: ConeDims, y: tf.Tensor, s: tf.Tensor) -> "Sides":
        """Those of pairs `y, s [B, m]`."""
        parts, counts = [], []
        for run in dims.runs:
            each = geometry_of(run).sides(*one_by_one(run, y, s))
            counts.append(each.shape[1])
            if counts[-1]:
                parts.append(next_to_another(run, each))
        return cls(dims, tuple(counts), side_by_side(parts, y))

    @property
    def are_flat(self) -> np.ndarray:
        """Which of the distances are of flat cones, bool `[k]`."""
        flat = [
            np.full(count * run.number, KINDS[run.kind].is_flat)
            for run, count in zip(self.dims.runs, self.counts, strict=True)
        ]
        return np.concatenate([np.zeros(0, bool), *flat])

    def lengths(self, dv: tf.Tensor) -> tf.Tensor:
        """How far a change `dv [B, m]` of `y - s` may move each of them, `[B, k]`."""
        parts = []
        for run, count in zip(self.dims.runs, self.counts, strict=True):
            if not count:
                continue
            (each,) = map(geometry_of(run).lengths, one_by_one(run, dv))
            if each.shape[1] != count:
                each = each * tf.ones([1, count], dv.dtype)
            parts.append(next_to_another(run, each))
        return side_by_side(parts, dv)


def rows_in_cones(
    dims: ConeDims, chosen: Callable[[ConeGeometry], Sequence[int]]
) -> np.ndarray:
    """The rows of the product that are chosen in each cone, by their places in it."""
    found = [np.zeros(0, np.int64)]
    for run in dims.runs:
        within = np.array(chosen(geometry_of(run)), np.int64)
        firsts = run.start + run.rows * np.arange(run.number)
        found.append((firsts[:, None] + within).ravel())
    return np.concatenate(found)


def over_each(
    dims: ConeDims,
    part: tf.Tensor,
    are_apart: Callable[[Run], bool],
    reduced: Callable[..., tf.Tensor] = tf.reduce_max,
) -> tf.Tensor:
    """For each row, the largest in its cone, `[1 or B, m]`.

    Args:
        dims, part: the cones, and a number for each row.
        are_apart: of which cones the rows stay as they are.
        reduced: another reduction.
    """
    parts = []
    for run in dims.runs:
        (own,) = one_by_one(run, part)
        if not are_apart(run):
            own = reduced(own, axis=1, keepdims=True) + tf.zeros_like(own)
        parts.append(next_to_another(run, own))
    return side_by_side(parts, part)


def largest_in_each(dims: ConeDims, part: tf.Tensor) -> tf.Tensor:
    """For each row, the size of the largest in its cone, `[B, m]`: an inequality is a
    cone of its own, and all equalities are one."""
    sizes = tf.abs(part)
    return over_each(dims, sizes, lambda run: geometry_of(run).rows_are_apart)


def balance_of(dims: ConeDims, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor | None:
    """For the rows of each curved cone a unit, a power of two, in which `y` and `s` are
    of one size, `[B, m]`: in `y - s` neither is lost to rounding. None where all cones
    are flat."""
    if dims.is_polyhedral:
        return None
    curved = np.zeros(dims.size, bool)
    for run in dims.runs:
        curved[run.span] = not KINDS[run.kind].is_flat
    y, s = (largest_in_each(dims, part) for part in (y, s))
    both = curved & (y > 0) & (s > 0)
    ratio = tf.where(both, y, 1.0) / tf.where(both, s, 1.0)
    return power_of_two(tf.sqrt(ratio))


def are_inside(dims: ConeDims, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor | None:
    """Whether all of `y` and `s` lie in their cones, bool `[B]`; None where
    `complementary_pair` makes that certain."""
    parts = []
    for run in dims.runs:
        inside = geometry_of(run).are_inside(*one_by_one(run, y, s))
        if inside is not None:
            parts.append(next_to_another(run, tf.expand_dims(inside, 1)))
    return tf.reduce_all(side_by_side(parts, y), axis=1) if parts else None


class _Turn(NamedTuple):
    """The eigenbasis of equal cones.

    Attributes:
        run: the cones.
        geometry: of each of them.
        basis: `[B, number, ...]`, as `geometry` reads it; None for the identity.
    """

    run: Run
    geometry: ConeGeometry
    basis: tf.Tensor | None

    def of(self, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        """`U M`, or `U'M`, for their rows `M [1 or B, number * rows, k]`."""
        if self.basis is None:
            return part
        run, width = self.run, part.shape[2]
        part = tf.reshape(part, [-1, run.number, run.rows, width])
        turned = self.geometry.turned(self.basis, part, transpose)
        return tf.reshape(turned, [-1, run.size, width])


class Spectrum(NamedTuple):
    """The eigenvalues `d [B, m]` of `D`, and the change to its eigenbasis `U`."""

    dims: ConeDims
    values: tf.Tensor
    turns: tuple[_Turn, ...]

    @classmethod
    def at(cls, dims: ConeDims, y: tf.Tensor, s: tf.Tensor) -> "Spectrum":
        """The spectrum at solutions `y, s [B, m]`."""
        values, turns = [], []
        for run in dims.runs:
            geometry = geometry_of(run)
            d, basis = geometry.spectrum(*one_by_one(run, y, s))
            values.append(next_to_another(run, d))
            if basis is not None:
                basis = tf.reshape(basis, [-1, run.number, *basis.shape[1:]])
            turns.append(_Turn(run, geometry, basis))
        return cls(dims, side_by_side(values, y), tuple(turns))

    @property
    def is_identity(self) -> bool:
        """Whether the eigenbasis is the one that vectors come in."""
        return all(turn.basis is None for turn in self.turns)

    def together(self, part: tf.Tensor, reduced: Callable[..., tf.Tensor]) -> tf.Tensor:
        """A number for each row, `[1 or B, m]`; of cones whose rows are mixed one."""
        if not any(geometry_of(run).mixes_rows for run in self.dims.runs):
            return part
        return over_each(
            self.dims, part, lambda run: not geometry_of(run).mixes_rows, reduced
        )

    def into(self, part: tf.Tensor) -> tf.Tensor:
        """`U'M` for vectors or matrices, `[1 or B, m]` or `[1 or B, m, k]`."""
        return self._turned(part, transpose=True)

    def out_of(self, part: tf.Tensor) -> tf.Tensor:
        """`U M` for vectors or matrices, `[1 or B, m]` or `[1 or B, m, k]`."""
        return self._turned(part, transpose=False)

    def _turned(self, matrix: tf.Tensor, transpose: bool) -> tf.Tensor:
        if self.is_identity:
            return matrix
        if len(matrix.shape) == 2:
            return tf.squeeze(self._turned(tf.expand_dims(matrix, 2), transpose), 2)
        parts = [turn.of(_own(turn.run, matrix), transpose) for turn in self.turns]
        if matrix.shape[0] == 1:
            # Shared by the batch, it turns differently for each element.
            batch, width = tf.shape(self.values)[0], matrix.shape[2]
            parts = [
                tf.broadcast_to(part, [batch, part.shape[1], width]) for part in parts
            ]
        return side_by_side(parts, matrix)
