"""Bounds that a curved cone implies are dropped, and come back with dual zero."""

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.pipeline.reduction.implied_rows import implied_rows
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import ConeDims

N = 4


def found(bound, cone_rows, dims):
    """The rows that are dropped of `bound = (a, b)` on the first variable, beside a
    cone whose rows are `(a, b)` on one variable each."""
    entries = [bound, *cone_rows]
    A, b = (np.array(part, float) for part in zip(*entries, strict=True))
    rows = np.arange(len(entries))
    columns = np.maximum(rows - 1, 0)
    order = np.lexsort((rows, columns))
    none = Pattern(np.zeros(0, np.int64), np.zeros(0, np.int64), (N, N))
    pattern = Pattern(rows[order], columns[order], (len(entries), N))
    step = implied_rows(ConeStructure(none, pattern, dims), A[order], b)
    return [] if step is None else list(step.R)


CONES = {
    "second-order": (ConeDims(nonnegative=1, second_order=(3,)), True),
    "psd": (ConeDims(nonnegative=1, psd=(2,)), True),
    "exponential": (ConeDims(nonnegative=1, exponential=1), False),
    "power": (ConeDims(nonnegative=1, power=(0.3,)), True),
}


@pytest.mark.parametrize("name", CONES)
def test_a_bound_is_dropped_where_the_cone_says_as_much(name):
    dims, first_is_nonnegative = CONES[name]
    rows = [(-2.0, 0.0), (-1.0, 0.0), (-1.0, 0.0)]
    assert found((-1.0, 0.0), rows, dims) == [0] * first_is_nonnegative
    # `x >= -1` follows, `x >= 1` and `x <= 0` do not.
    assert found((-1.0, 1.0), rows, dims) == [0] * first_is_nonnegative
    assert found((-1.0, -1.0), rows, dims) == []
    assert found((1.0, 0.0), rows, dims) == []
    # `2 x + 3 >= 0` in the cone is `x >= -1.5`.
    moved = [(-2.0, 3.0), *rows[1:]]
    assert found((-1.0, 1.0), moved, dims) == []
    assert found((-1.0, 1.5), moved, dims) == [0] * first_is_nonnegative
    # What depends on a parameter is not known.
    assert found((-1.0, np.nan), rows, dims) == []
    assert found((np.nan, 0.0), rows, dims) == []


def test_an_upper_bound_is_dropped_likewise():
    dims = ConeDims(nonnegative=1, second_order=(3,))
    rows = [(1.0, 2.0), (-1.0, 0.0), (-1.0, 0.0)]
    assert found((1.0, 2.0), rows, dims) == [0]
    assert found((1.0, 1.0), rows, dims) == []


@pytest.mark.slow
def test_softmax_with_a_bound_is_softmax():
    p, y = cp.Parameter(N, name="p"), cp.Variable(N, nonneg=True)
    bound = y >= 0
    problem = cp.Problem(
        cp.Maximize(p @ y + cp.sum(cp.entr(y))), [cp.sum(y) == 1, bound]
    )
    layer = CvxpyLayer(
        problem, p, [y, bound.dual_variables[0]], dtype="float64", on_failure="nan"
    )
    values = tf.constant([[0.0, 1.0, -60.0, 2.0], [0.0, -1e3, -90.0, 2.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(values)
        found, dual = layer(values)
        total = found[0, 1] + found[1, 3]
    np.testing.assert_array_equal(layer.solve(values).status, Status.SOLVED)
    expected = tf.nn.softmax(values)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(dual, 0.0)
    gradient = tape.gradient(total, values).numpy()
    for k, i in ((0, 1), (1, 3)):
        row = expected[k].numpy()
        truth = row[i] * ((np.arange(N) == i) - row)
        np.testing.assert_allclose(gradient[k], truth, atol=1e-9)
