"""Values that an affine map makes of others, computed where somebody takes them.

Reduction takes blocks of a matrix, and a dense block of a parameter goes from there to
where it is used without a copy of all data in between.
"""

import dataclasses
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.linalg.sparse import DENSER, apply_map, matvec, take


class AffineValues(NamedTuple):
    """What a map makes of features, `[1 or B, size]` each, that stand side by side."""

    linear_map: LinearMap
    features: tuple[tf.Tensor, ...]

    def at(self, entries: np.ndarray) -> "AffineValues":
        """These entries, not computed."""
        return self._replace(linear_map=self.linear_map.rows_at(entries))

    def computed(self) -> tf.Tensor:
        """All entries: `[1 or B, size]`."""
        return apply_map(self.linear_map, self.features)

    def times(self, factors: np.ndarray) -> "AffineValues":
        """Each entry times a number of its own."""
        linear_map = self.linear_map
        scaled = linear_map.values * factors[linear_map.rows]
        return self._replace(linear_map=dataclasses.replace(linear_map, values=scaled))

    def absolute(self) -> "AffineValues":
        """The sums of the absolute values of what the entries are sums of."""
        features = tuple(map(tf.abs, self.features))
        return AffineValues(self.linear_map.absolute(), features)


# What is computed already, or not.
Values: TypeAlias = tf.Tensor | AffineValues


def zeros(size: int) -> AffineValues:
    """So many zeros, which are known to be."""
    none = np.zeros(0, np.int64)
    linear_map = LinearMap(none, none, np.zeros(0), (size, 1))
    return AffineValues(linear_map, (tf.ones([1, 1], tf.float64),))


def at(values: Values, entries: np.ndarray) -> Values:
    """These entries of values, computed where those are."""
    if isinstance(values, AffineValues):
        return values.at(entries)
    return take(values, entries)


def computed(values: Values) -> tf.Tensor:
    """The values, computed."""
    return values.computed() if isinstance(values, AffineValues) else values


def are_zero(values: Values) -> bool:
    """Whether it is known that all of them are."""
    return isinstance(values, AffineValues) and not values.linear_map.rows.size


def times(values: Values, factors: np.ndarray) -> Values:
    """Each of the values times a number of its own."""
    if isinstance(values, AffineValues):
        return values.times(factors)
    return values * tf.constant(factors, values.dtype)


def absolute(values: Values) -> Values:
    """Their absolute values, or more, see `AffineValues.absolute`."""
    if isinstance(values, AffineValues):
        return values.absolute()
    return tf.abs(values)


def entries_of(values: Values, entries: np.ndarray) -> tf.Tensor:
    """These entries of values, whether they are computed already or not."""
    return computed(at(values, entries))


def product(pattern: Pattern, values: Values, x: tf.Tensor) -> tf.Tensor:
    """`M x` for the matrix with these values: `[1 or B, rows]`.

    Where `x` is shared by the batch, and features of the values may not be, it is a
    matrix of entries of `x` times the features. A learned matrix `W` that multiplies a
    fed `x` is a program whose rows have an entry of `x` for each of `W`: they are as
    many, for each element, as `W` has; the features are as few as `x` has.
    """
    if not isinstance(values, AffineValues) or x.shape[0] != 1:
        return matvec(pattern, computed(values), x)
    of = values.linear_map
    used, feature = np.unique(of.columns, return_inverse=True)
    rows = pattern.shape[0]
    if not 0 < rows * used.size <= DENSER * of.rows.size:
        return matvec(pattern, values.computed(), x)
    place = pattern.rows[of.rows] * used.size + feature
    order = np.argsort(place, kind="stable")
    shape = rows * used.size, pattern.shape[1]
    entries = LinearMap(
        place[order], pattern.columns[of.rows][order], of.values[order], shape
    )
    matrix = tf.reshape(apply_map(entries, x), [1, rows, used.size])
    return tf.linalg.matvec(matrix, take(values.features, used))
