"""The derivative `D` of the projection, with few entries.

A block of `D` has as many entries as its cone has rows squared. Where all but the first
few of its eigenvalues are equal, as with a large second-order cone, it is

    D z = e z + V diag(c) p,     p = V'z,

with the first columns of the eigenbasis in `V`, and `p` unknowns of their own. So the
entries are those of a matrix with as many more rows and columns,

    E = [E11  E12]      D = E11 + E12 E21.
        [E21   0 ]
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import tensorflow as tf

from tf_cvxlayers.optimality.cones.product import Spectrum
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.program.cones import ConeDims


def derivative_size(dims: ConeDims) -> int:
    """How many entries `E` has."""
    size = 0
    for run in dims.runs:
        geometry = geometry_of(run)
        leading = geometry.leading_eigenvalues
        each = 1 if geometry.keeps_axes else run.rows
        size += run.size * (1 + 2 * leading if leading else each)
    return size


class DerivativePattern(NamedTuple):
    """Where `E` has entries.

    Attributes:
        rows, columns: of the entries, in the order of `derivative_entries`.
        size: of `D`.
        more: how many unknowns there are beside its own.
    """

    rows: np.ndarray
    columns: np.ndarray
    size: int
    more: int

    @classmethod
    def of(cls, dims: ConeDims) -> "DerivativePattern":
        """That of these cones."""
        rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        m, more = dims.size, 0
        for run in dims.runs:
            geometry = geometry_of(run)
            index = run.start + np.arange(run.size)
            leading = geometry.leading_eigenvalues
            if geometry.keeps_axes or leading:
                rows.append(index)
                columns.append(index)
            if leading:
                first = m + more + leading * np.arange(run.number)
                extra = np.add.outer(np.repeat(first, run.rows), np.arange(leading))
                own = np.repeat(index, leading)
                rows += [own, extra.ravel()]
                columns += [extra.ravel(), own]
                more += run.number * leading
            elif not geometry.keeps_axes:
                blocks = index.reshape(run.number, run.rows)
                rows.append(np.repeat(index, run.rows))
                columns.append(np.repeat(blocks, run.rows, axis=0).ravel())
        return cls(np.concatenate(rows), np.concatenate(columns), m, more)

    def matrices(
        self, entries: np.ndarray
    ) -> tuple[sp.csr_array, sp.csr_array, sp.csr_array]:
        """`E11`, `E12` and `E21` of one element."""
        size = self.size + self.more
        E = sp.csr_array((entries, (self.rows, self.columns)), shape=(size, size))
        top, bottom = E[: self.size], E[self.size :]
        return top[:, : self.size], top[:, self.size :], bottom[:, : self.size]


def derivative_entries(spectrum: Spectrum) -> tf.Tensor:
    """The entries of `E`, `[B, entries]`, see `DerivativePattern`."""
    parts = []
    for turn in spectrum.turns:
        run, leading = turn.run, turn.geometry.leading_eigenvalues
        values = spectrum.values[:, run.span]
        if leading:
            d = tf.reshape(values, [-1, run.number, run.rows])
            V = tf.reshape(
                turn.of(_first_columns(run, leading), False),
                [-1, run.number, run.rows, leading],
            )
            e = d[:, :, leading:][:, :, :1]
            cV = V * tf.expand_dims(d[:, :, :leading] - e, 2)
            everywhere = e + tf.zeros_like(d)
            each = (everywhere, cV, V)
            size = run.size * leading
            widths = (run.size, size, size)
            parts += [
                tf.reshape(part, [-1, width])
                for part, width in zip(each, widths, strict=True)
            ]
        elif turn.basis is None:
            parts.append(values)
        else:
            turned = turn.of(_first_columns(run, run.rows), True)
            full = turn.of(tf.expand_dims(values, 2) * turned, False)
            parts.append(tf.reshape(full, [-1, run.size * run.rows]))
    return tf.concat(parts, axis=1) if parts else spectrum.values


def _first_columns(run, number: int) -> tf.Tensor:
    """The first columns of the identity, for each cone of a run, `[1, size, k]`."""
    columns = tf.eye(run.rows, number, batch_shape=[1], dtype=tf.float64)
    return tf.tile(columns, [1, run.number, 1])
