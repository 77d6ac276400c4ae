"""A program seen closer: from a point near its solution, in units of what is left.

Cones do not mind a change of origin (Gleixner, Steffy and Wolter, "Iterative refinement
for linear programming", 2016, section 3). What is left to find is small, and what is
left of the data has no terms that cancel (`viewpoint`); the units zoom in on it from
round to round, as there. Two things are changed that change no solution, and a solution
that they would change is not accepted:

* A bound that is far away beside the others is brought nearer. It may not be active.
* Right-hand sides of equalities that depend on one another are made to agree, where
  they do so but for the rounding of the input.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.extremes import typical
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.singular_values import SingularValues
from tf_cvxlayers.linalg.sparse import take, to_dense
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.certificates import least_squares_point
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.optimality.forms import can_be_factored
from tf_cvxlayers.pipeline.equilibration import as_they_are, by_means
from tf_cvxlayers.pipeline.hyperbolic import Rotation, rotation
from tf_cvxlayers.pipeline.units import Units, units_of
from tf_cvxlayers.pipeline.viewpoint import seen_from, viewpoints_near
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure

# How much smaller the unit of what is left is from one round to the next.
_ZOOM = 2.0**-10
# In units of the typical slack, where a bound that is farther is put.
_FARTHEST = 1e6
# The most multiplications, or a few times as many, for singular values of equalities.
_MOST = 10**8
# Relative to the largest singular value, what counts as zero among equalities.
_DEPENDENT = 1e-9


class Closer(NamedTuple):
    """A program as it is seen closer.

    Attributes:
        data: its data.
        units: which they are in.
        x0: where they are seen from, `[B, n]`, as the parts that it is the sum of.
        turned: how its cones are turned, if any can be.
        nearer: by how much bounds have been brought nearer, `[B, m]`, in the units.
    """

    data: ConeData
    units: Units
    x0: tuple[tf.Tensor, ...]
    turned: Rotation | None
    nearer: tf.Tensor

    def rounding(self, left: ConeData) -> ConeData:
        """What rounding may have left in `q` and `b` of the program, in those of the
        program as it is seen."""
        if self.turned is not None:
            left = left._replace(b=self.turned.bound(left.b))
        return self.units.data(left)

    def original(self, found: ConeSolution) -> ConeSolution:
        """A solution of the program seen closer, of the one that it was."""
        point = self.units.original(found.at(found.x, found.y, found.s + self.nearer))
        if self.turned is not None:
            point = self.turned.original(point)
        x = point.x
        for part in reversed(self.x0):
            x = part + x
        return point.at(x, point.y, point.s)

    def exactly(self) -> ConeData:
        """The data with all bounds where they are."""
        return self.data._replace(b=self.data.b + self.nearer)

    def holds(self, found: ConeSolution) -> tf.Tensor:
        """Whether no bound that has been brought nearer is active, bool `[B]`."""
        active = (self.nearer > 0) & (found.s <= found.y)
        return tf.logical_not(tf.reduce_any(active, axis=1))


def seen_closer(
    structure: ConeStructure,
    data: ConeData,
    before: ConeSolution,
    usable: tf.Tensor,
    rounding: tf.Tensor,
    k: tf.Tensor,
) -> Closer:
    """The program from the point that was found.

    Args:
        structure, data: the program, in units of `equilibration.by_means`.
        before: what was found.
        usable: whether that is near a solution, bool `[B]`.
        rounding: what that of the input has left in `b`, `[B, m]`.
        k: how often it has been seen closer before.
    """
    slack = tf.where(tf.expand_dims(usable, 1), before.s, data.b)
    other = tf.zeros_like(before.x)
    if can_be_factored(structure):
        other = least_squares_point(structure, data, 1.0 / (1.0 + tf.abs(data.b)))
    x = tf.where(tf.expand_dims(usable, 1), before.x, other)
    x0 = viewpoints_near(x)
    seen = data
    for part in x0:
        seen = seen_from(structure, seen, part)
    p = structure.cones.zero
    if p and p * p * structure.n <= _MOST:
        seen = seen._replace(b=_in_agreement(structure, seen, rounding))
    equilibrated = as_they_are
    turned = rotation(structure, before.s, usable)
    if turned is not None:
        seen, equilibrated = turned.data(seen), by_means
    zoom = tf.pow(tf.constant(_ZOOM, tf.float64), tf.cast(k, tf.float64))
    units = units_of(structure, seen, equilibrated, zoom)
    scaled = units.data(seen)
    # One is in the range of `b`; where all else is far too, that is found out.
    usual = tf.where(k > 0, tf.maximum(typical(slack / units.s), 1.0), 1.0)
    most = _FARTHEST * usual
    bounds = _are_bounds(structure)
    b = tf.where(bounds, tf.minimum(scaled.b, most), scaled.b)
    return Closer(scaled._replace(b=b), units, x0, turned, scaled.b - b)


def _are_bounds(structure: ConeStructure) -> np.ndarray:
    rows = np.zeros(structure.m, bool)
    for run in structure.cones.runs:
        rows[run.span] = geometry_of(run).rows_are_apart
    return rows


def _in_agreement(
    structure: ConeStructure, data: ConeData, rounding: tf.Tensor
) -> tf.Tensor:
    """`b`, with equalities that agree but for rounding made to agree."""
    p = structure.cones.zero
    rows, columns = structure.A.rows, structure.A.columns
    (entries,) = np.nonzero(rows < p)
    pattern = Pattern(rows[entries], columns[entries], (p, structure.n))
    A, b = to_dense(pattern, take(data.A, entries)), data.b[:, :p]
    # In rows of one length what is singular does not depend on their units.
    length = tf.norm(A, axis=2)
    length = tf.where(length > 0, length, tf.ones_like(length))
    parts = SingularValues.of(A / tf.expand_dims(length, 2), _DEPENDENT)
    U = parts.U * tf.expand_dims(tf.cast(parts.inverse > 0, A.dtype), 1)
    inside = tf.linalg.matvec(U, tf.linalg.matvec(U, b / length, transpose_a=True))
    miss = b - inside * length
    few = largest(miss / length) <= largest(rounding[:, :p] / length)
    agreed = tf.where(tf.expand_dims(few, 1), b - miss, b)
    return tf.concat([agreed, data.b[:, p:]], axis=1)
