"""The product of the cones of the homogeneous embedding, and its scaling."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.equalities import Equalities
from tf_cvxlayers.engines.interior_point.cones.orthant import Orthant, OrthantScaling
from tf_cvxlayers.engines.interior_point.cones.protocol import (
    InteriorCone,
    ScalingPoint,
)
from tf_cvxlayers.engines.interior_point.cones.table import INTERIOR_CONES
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.program.cones import ConeDims


class ProductScaling(NamedTuple):
    """The scalings of the cones of a product, with the rows of each; and whether `W` is
    diagonal."""

    factors: tuple[ScalingPoint, ...]
    rows: tuple[int, ...]
    is_diagonal: bool

    @property
    def point(self) -> tf.Tensor:
        """`lambda`."""
        return tf.concat([factor.point for factor in self.factors], axis=-1)

    def transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W'v`."""
        return self._each("transposed", v)

    def inverse(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-1 v`."""
        return self._each("inverse", v)

    def inverse_transposed(self, v: tf.Tensor) -> tf.Tensor:
        """`W^-T v`."""
        return self._each("inverse_transposed", v)

    def correction(self, dz: tf.Tensor, ds: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
        """What `d` is beyond `lambda`, see `ScalingPoint`."""
        return self._each("correction", dz, ds, more=(mu,))

    def steepness(self, d: tf.Tensor) -> tf.Tensor:
        """The largest `t` with `lambda + d / t` on the boundary, `[B, 1, 1]`."""
        parts = zip(self.factors, tf.split(d, self.rows, axis=-1), strict=True)
        return functools.reduce(
            tf.maximum, [factor.steepness(part) for factor, part in parts]
        )

    def inverse_rows(self, A: Rows) -> Rows:
        """`W^-T A`, for a matrix without the first row."""
        if self.is_diagonal:
            ones = tf.ones_like(self.factors[0].point[:, :, :1])
            ones = tf.tile(ones, [1, 1, sum(self.rows)])
            return A.scaled(self.inverse(ones)[:, 0, 1:])
        first = tf.pad(A.dense(), [[0, 0], [1, 0], [0, 0]])
        parts = zip(self.factors, tf.split(first, self.rows, axis=1), strict=True)
        scaled = [factor.scaled_columns(part) for factor, part in parts]
        return DenseRows(tf.concat(scaled, axis=1)[:, 1:])

    def _each(self, name: str, *vectors: tf.Tensor, more=()) -> tf.Tensor:
        parts = zip(*(tf.split(v, self.rows, axis=-1) for v in vectors), strict=True)
        return tf.concat(
            [
                getattr(factor, name)(*own, *more)
                for factor, own in zip(self.factors, parts, strict=True)
            ],
            axis=-1,
        )


EmbeddingScaling = OrthantScaling | ProductScaling


@dataclasses.dataclass(frozen=True)
class EmbeddingCone:
    """The cone of the homogeneous embedding of a program, and its equalities, if any.

    Its first row is for `(tau, kappa)`; then come the rows of the program, equal cones
    next to each other. Without equalities, that row and the inequalities are one
    orthant.
    """

    orthant: Orthant
    others: tuple[InteriorCone, ...]

    @classmethod
    def of(cls, dims: ConeDims) -> "EmbeddingCone":
        """The cone for a program with these cones."""
        first, rest = Orthant(1), dataclasses.replace(dims, zero=0)
        equalities = (Equalities(dims.zero),) if dims.zero else ()
        if not equalities:
            first = Orthant(1 + dims.nonnegative)
            rest = dataclasses.replace(rest, nonnegative=0)
        others = tuple(INTERIOR_CONES[run.kind](run) for run in rest.runs)
        return cls(first, (*equalities, *others))

    @property
    def cones(self) -> tuple[InteriorCone, ...]:
        """All of them, in the order of their rows."""
        return self.orthant, *self.others

    @functools.cached_property
    def rows(self) -> tuple[int, ...]:
        """The number of rows of each of the cones."""
        return tuple(cone.rows for cone in self.cones)

    @property
    def degree(self) -> int:
        """What `s'z` is divided by to give the mean complementarity."""
        return sum(cone.degree for cone in self.cones)

    @functools.cached_property
    def identity(self) -> np.ndarray:
        """The identity `e` of the algebra, `[rows]`."""
        return np.concatenate([cone.identity for cone in self.cones])

    @functools.cached_property
    def exact(self) -> np.ndarray | None:
        """Ones for the rows of the program that have no slack, zeros for the others;
        None where all have one."""
        if all(cone.has_slack for cone in self.cones):
            return None
        rows = [np.full(cone.rows, 1.0 - cone.has_slack) for cone in self.cones]
        return np.concatenate(rows)[1:]

    @property
    def is_symmetric(self) -> bool:
        """Whether all of them are."""
        return all(cone.is_symmetric for cone in self.cones)

    def distance(self, v: tf.Tensor) -> tf.Tensor:
        """How far outside it is: the least `t` with `v + t e` inside, `[B, 1, 1]`."""
        own = zip(self.cones, tf.split(v, self.rows, axis=-1), strict=True)
        parts = [cone.outside(part) for cone, part in own]
        return tf.reduce_max(tf.concat(parts, axis=2), axis=2, keepdims=True)

    def scaling(self, s: tf.Tensor, z: tf.Tensor) -> EmbeddingScaling:
        """The scaling at `s, z [B, 1, rows]`, both in the interior."""
        if not self.others:
            return self.orthant.scaling(s, z)
        own = zip(
            self.cones,
            tf.split(s, self.rows, axis=-1),
            tf.split(z, self.rows, axis=-1),
            strict=True,
        )
        factors = tuple(cone.scaling(*parts) for cone, *parts in own)
        is_diagonal = all(cone.is_diagonal for cone in self.cones)
        return ProductScaling(factors, self.rows, is_diagonal)
