"""Second-order cones turned so that what is in them is far from their boundary rays.

CVXPY writes `u^2 <= t` as `|(1 - t, 2 u)| <= 1 + t`. Where `t` is 1e-4 that is a point
near one of the rays of the cone, and no unit for all of its rows mends it: `1 + ...`
needs one of its own. But a cone has more automorphisms than multiples. With the first
two rows `(s0, s1)`, and a power of two `a`, the hyperbolic rotation

    s0' + s1' = a (s0 + s1),     s0' - s1' = (s0 - s1) / a

keeps `s0^2 - s1^2`, and so the cone; `y` is turned by its inverse (Nesterov and Todd,
"Self-scaled barriers and interior-point methods for convex programming", 1997). With
`a = |u|` above, all rows are of the size of `u`. Only cones whose first two rows have
entries in the same columns are turned, which then have them there after it too.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.powers_of_two import exponent, two_to
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.cones import Run

# How much smaller than what is typical of equal cones `a` may be.
_LEAST = 2.0**-7


class Rotation(NamedTuple):
    """Hyperbolic rotations of cones of a program.

    Attributes:
        rows: the first rows of these cones, `[k]`.
        entries: of `A`, those in first rows, and those below them, `[l]` each.
        cones: of each of the latter its cone, `[l]`.
        a: `[B, k]`.
    """

    rows: np.ndarray
    entries: tuple[np.ndarray, np.ndarray]
    cones: np.ndarray
    a: tf.Tensor

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The first two rows of each cone."""
        return self.rows, self.rows + 1

    def data(self, data: ConeData) -> ConeData:
        """The program with its cones turned."""
        A = _turned(data.A, *self.entries, take(self.a, self.cones))
        return data._replace(A=A, b=_turned(data.b, *self.pairs, self.a))

    def bound(self, size: tf.Tensor) -> tf.Tensor:
        """What numbers `[B, m]`, of which only the size is known, may be after it."""
        first, second = (take(size, rows) for rows in self.pairs)
        most = (first + second) * tf.maximum(self.a, 1.0 / self.a)
        return _replaced(size, *self.pairs, most, most)

    def original(self, solution: ConeSolution) -> ConeSolution:
        """A solution of the program with its cones turned, of the program."""
        x, y, s = solution[:3]
        y = _turned(y, *self.pairs, self.a)
        return solution.at(x, y, _turned(s, *self.pairs, 1.0 / self.a))


def rotation(
    structure: ConeStructure, s: tf.Tensor, known: tf.Tensor
) -> Rotation | None:
    """The rotations in which the first two rows of each cone are of one size; None
    where no cone can be turned.

    Args:
        structure: of the program.
        s: the slack at a point near its solution, `[B, m]`.
        known: of which elements that is known, bool `[B]`; no others are turned.
    """
    pattern = structure.A
    starts = np.searchsorted(pattern.rows[pattern.by_row], np.arange(structure.m + 1))
    each = [_entries_of(pattern, starts, run) for run in structure.cones.runs]
    found = [part for part in each if part.rows.size]
    if not found:
        return None
    a = tf.concat([_sizes(s, part.rows) for part in found], axis=1)
    sound = tf.expand_dims(known, 1) & tf.math.is_finite(a) & (a > 0)
    a = two_to(exponent(tf.where(sound, a, tf.ones_like(a))))
    rows, pairs, counts = map(np.concatenate, zip(*found, strict=True))
    cones = np.repeat(np.arange(rows.size), counts)
    return Rotation(rows, (pairs[:, 0], pairs[:, 1]), cones, a)


def _sizes(s: tf.Tensor, rows: np.ndarray) -> tf.Tensor:
    """`a` for equal cones with these first rows, `[B, k]`."""
    first, second = take(s, rows), take(s, rows + 1)
    a = tf.sqrt(tf.nn.relu(first - second) / (first + second))
    # One of them may be at its tip.
    typical = tf.sort(a, axis=1)[:, rows.size // 2, None]
    return tf.maximum(a, _LEAST * typical)


class _Entries(NamedTuple):
    """Of equal cones, those that can be turned: their first rows `[k]`, the pairs of
    entries in their first two rows `[l, 2]`, and how many of these each has, `[k]`."""

    rows: np.ndarray
    pairs: np.ndarray
    counts: np.ndarray


def _entries_of(pattern: Pattern, starts: np.ndarray, run: Run) -> _Entries:
    """Of a run, in a pattern whose rows start here in its order by row."""
    columns, order = pattern.columns, pattern.by_row
    rows, pairs = [], [np.zeros([0, 2], np.int64)]
    if geometry_of(run).has_hyperbolic_rotations:
        for row in range(run.start, run.start + run.size, run.rows):
            first, second = (order[starts[k] : starts[k + 1]] for k in (row, row + 1))
            if first.size and np.array_equal(columns[first], columns[second]):
                rows.append(row)
                pairs.append(np.stack([first, second], axis=1))
    counts = [len(pair) for pair in pairs[1:]]
    return _Entries(
        np.array(rows, np.int64), np.concatenate(pairs), np.array(counts, np.int64)
    )


def _turned(
    values: tf.Tensor, first: np.ndarray, second: np.ndarray, a: tf.Tensor
) -> tf.Tensor:
    """Values `[1 or B, k]` with pairs of them turned."""
    u, v = take(values, first), take(values, second)
    high, low = 0.5 * a * (u + v), 0.5 * (u - v) / a
    return _replaced(values, first, second, high + low, high - low)


def _replaced(
    values: tf.Tensor,
    first: np.ndarray,
    second: np.ndarray,
    new_first: tf.Tensor,
    new_second: tf.Tensor,
) -> tf.Tensor:
    size, count = values.shape[1], first.size
    columns = np.arange(size)
    columns[first], columns[second] = size + np.arange(2 * count).reshape(2, count)
    values = tf.broadcast_to(values, [tf.shape(new_first)[0], size])
    return take((values, new_first, new_second), columns)
