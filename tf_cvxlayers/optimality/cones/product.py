"""The product of the cones of a program at a solution: short loops over its runs.

`protocol` says what each kind of cone knows, `table` which file knows it.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.optimality.cones.protocol import ConeGeometry
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.program.cones import ConeDims, Run


def complementary_pair(
    dims: ConeDims, y: tf.Tensor, s: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The pair next to `y, s [B, m]` with `y` in `K*`, `s` in `K` and `y's = 0`."""
    pairs = []
    for run in dims.runs:
        own = [tf.reshape(part[:, run.span], [-1, run.rows]) for part in (y, s)]
        pair = geometry_of(run).pair(*own)
        pairs.append([tf.reshape(part, [-1, run.size]) for part in pair])
    if not pairs:
        return y, s
    ys, ss = zip(*pairs, strict=True)
    return tf.concat(ys, axis=1), tf.concat(ss, axis=1)


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

    values: tf.Tensor
    turns: tuple[_Turn, ...]

    @classmethod
    def at(cls, dims: ConeDims, y: tf.Tensor, s: tf.Tensor) -> "Spectrum":
        """The spectrum at solutions `y, s [B, m]`."""
        values, turns = [], []
        for run in dims.runs:
            own = [tf.reshape(part[:, run.span], [-1, run.rows]) for part in (y, s)]
            geometry = geometry_of(run)
            d, basis = geometry.spectrum(*own)
            values.append(tf.reshape(d, [-1, run.size]))
            if basis is not None:
                basis = tf.reshape(basis, [-1, run.number, *basis.shape[1:]])
            turns.append(_Turn(run, geometry, basis))
        return cls(tf.concat(values, axis=1) if values else y, tuple(turns))

    @property
    def is_identity(self) -> bool:
        """Whether the eigenbasis is the one that vectors come in."""
        return all(turn.basis is None for turn in self.turns)

    def into(self, matrix: tf.Tensor) -> tf.Tensor:
        """`U'M` for matrices `M [1 or B, m, k]`."""
        return self._turned(matrix, transpose=True)

    def out_of(self, matrix: tf.Tensor) -> tf.Tensor:
        """`U M` for matrices `M [1 or B, m, k]`."""
        return self._turned(matrix, transpose=False)

    def _turned(self, matrix: tf.Tensor, transpose: bool) -> tf.Tensor:
        if self.is_identity:
            return matrix
        parts = [turn.of(matrix[:, turn.run.span], transpose) for turn in self.turns]
        # One matrix shared by the batch turns differently for each element.
        batch, width = tf.shape(self.values)[0], matrix.shape[2]
        return tf.concat(
            [tf.broadcast_to(part, [batch, part.shape[1], width]) for part in parts],
            axis=1,
        )

    def derivative_entries(self) -> tf.Tensor:
        """The entries of `D` cone by cone, `[B, entries]`, see `derivative_pattern`."""
        parts = []
        for turn in self.turns:
            run = turn.run
            values = self.values[:, run.span]
            if turn.basis is not None:
                eye = tf.eye(run.rows, batch_shape=[1], dtype=tf.float64)
                turned = turn.of(tf.tile(eye, [1, run.number, 1]), True)
                full = turn.of(values[:, :, None] * turned, False)
                values = tf.reshape(full, [-1, run.size * run.rows])
            parts.append(values)
        return tf.concat(parts, axis=1) if parts else self.values


def derivative_pattern(dims: ConeDims) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries that `Spectrum.derivative_entries` gives."""
    rows, columns, start = [], [], 0
    for cone in dims.blocks:
        index = np.arange(start, start + cone.rows)
        start += cone.rows
        diagonal = geometry_of(cone).keeps_axes
        rows.append(index if diagonal else np.repeat(index, cone.rows))
        columns.append(index if diagonal else np.tile(index, cone.rows))
    empty = np.zeros(0, np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty, *columns])
