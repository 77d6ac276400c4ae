"""Kinks between the points of a difference: where a constraint changes its side.

At a kink the solution is continuous and has no derivative. A difference across it is a
mean of those on both sides, which no gradient can agree with.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.layers.directions import Direction
from tf_cvxlayers.optimality.margin import first_rows
from tf_cvxlayers.pipeline.pipeline import Pipeline

# A row changes its side within a step if its distance is at most what the step changes
# it by. This is by how much a distance may be curved.
_CURVED = 2.0
# A distance so small is not known: sides are decided by the solver's rounding.
_UNKNOWN = 1e-9


class Row(NamedTuple):
    """A row of a cone at a solution.

    Attributes:
        words: which row of which cone.
        distance: of the solution from the kink at which the row changes its side.
        element: its place in the batch.
    """

    words: str
    distance: float
    element: tuple[int, ...]

    def __str__(self) -> str:
        where = f", in batch element {list(self.element)}" if self.element else ""
        return f"{self.words} at margin {self.distance:.2g}{where}"


class Kinks:
    """The kinks near a solution: how far each row is from changing its side.

    Args:
        pipeline: of the layer.
        values: of its parameters.
    """

    def __init__(self, pipeline: Pipeline, values: list[tf.Tensor]):
        self._pipeline = pipeline
        self._distances = self._at(values)

    def _at(self, values: list[tf.Tensor]) -> np.ndarray:
        """`[*batch, k]`, NaN where there is no solution or no kink."""
        distances = self._pipeline.measured(values).distances.numpy()
        return np.where(np.isinf(distances), np.nan, distances)

    def nearest(self) -> Row | None:
        """The row with the least distance; None where no row has two sides."""
        return self._row(np.isfinite(self._distances))

    def within(self, direction: Direction, step: float) -> Row | None:
        """The row with the least distance among those that change their side between
        the points of a difference; None if there is none."""
        moved = (self._at(direction.point(t)) for t in direction.lengths(step))
        # One of the points may have no solution: then the other one tells.
        change = np.fmax.reduce([np.abs(away - self._distances) for away in moved])
        reach = np.fmax(_CURVED * change, _UNKNOWN)
        return self._row(self._distances <= reach)

    def _row(self, among: np.ndarray) -> Row | None:
        if not among.any():
            return None
        distances = np.where(among, self._distances, np.inf)
        place = np.unravel_index(np.argmin(distances), distances.shape)
        reduction = self._pipeline.reduction
        row = reduction.rows[first_rows(reduction.structure.cones)[place[-1]]]
        words = self._pipeline.program.structure.cones.row_in_words(int(row))
        element = tuple(int(index) for index in place[:-1])
        return Row(words, float(distances[place]), element)
