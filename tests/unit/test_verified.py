"""An element is left with the nearest of the points that were found for it."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.engines import InteriorPoint
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.pipeline.verified import solved_and_verified
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure
from tf_cvxlayers.program.cones import ConeDims

_ONE = Pattern(np.array([0]), np.array([0]), (1, 1))


class _StopsEarly:
    """Stops with another status near the solution, and then far from it."""

    def __init__(self, status, near):
        self._distances = [near, *[1e6] * 10]
        self._status = status

    def solve(self, structure, data, thoroughly=False):
        found = InteriorPoint().solve(structure, data, thoroughly)
        found = found.at(found.x + self._distances.pop(0), found.y, found.s)
        return found._replace(status=tf.fill(tf.shape(found.status), self._status))


@pytest.mark.parametrize("status", [Status.NUMERICAL_ERROR, Status.ITERATION_LIMIT])
@pytest.mark.parametrize(("near", "is_kept"), [(1e-8, True), (1e-2, False)])
def test_what_stopped_a_solver_near_a_solution_does_not_matter(status, near, is_kept):
    # The nearest point to zero of those from one on.
    structure = ConeStructure(_ONE, _ONE, ConeDims(nonnegative=1))
    data = ConeData(*(tf.constant([[part]]) for part in (1.0, 0.0, -1.0, -1.0)))
    data = ConeData(*(tf.cast(part, tf.float64) for part in data))
    engine = _StopsEarly(int(status), near)
    found, residual, _ = solved_and_verified(engine, structure, data, 0.0, again=True)
    if is_kept:
        assert int(found.status[0]) == Status.INACCURATE
        np.testing.assert_allclose(found.x, 1.0, atol=1e-7)
        assert residual.largest()[0] <= 1e-7
    else:
        assert int(found.status[0]) == status
