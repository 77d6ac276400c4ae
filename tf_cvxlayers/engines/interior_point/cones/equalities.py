"""Equalities, where they are not eliminated: rows without a slack.

A row `E dx = c` is solved as `E dx - delta dz = c`, which `newton_system` refines. So
`W` is the root of `delta`, whatever the point is; there is no complementarity, and
nothing to keep inside of.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

# In units in which rows have numbers near one.
_DELTA = 1e-8


class EqualityScaling(NamedTuple):
    """`W = sqrt(delta)`; the steps of slacks are zero."""

    point: tf.Tensor

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """The step of slacks, from the scaled one."""
        return tf.zeros_like(v)

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""
        return v / _DELTA**0.5

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`, as `W^-1 v`."""
        return self.inverse(v)

    def scaled_columns(self, A: tf.Tensor) -> tf.Tensor:
        """`W^-T A`."""
        return self.inverse(A)

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """Nothing is complementary."""
        return tf.zeros_like(dz)

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """No step leads to a boundary, `[B, 1, 1]`."""
        return tf.zeros_like(d[:, :1, :1]) - np.inf


@dataclasses.dataclass(frozen=True)
class Equalities:
    """So many equalities."""

    is_symmetric: ClassVar[bool] = True
    is_diagonal: ClassVar[bool] = True
    has_slack: ClassVar[bool] = False

    rows: int

    @property
    def degree(self) -> int:
        """They have no part in the mean complementarity."""
        return 0

    @property
    def identity(self) -> np.ndarray:
        """Nothing has to be moved inside."""
        return np.zeros(self.rows)

    def outside(self, v: tf.Tensor) -> tf.Tensor:
        """How far each is outside: nowhere is, `[B, k, 1]`."""
        return tf.zeros_like(v[:, :, :1]) - np.inf

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> EqualityScaling:
        """The scaling, wherever they are."""
        return EqualityScaling(tf.zeros_like(s))
