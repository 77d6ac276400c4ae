"""The parts of rows that machine code goes through hold all that is in them."""

import numpy as np
import pytest

from tf_cvxlayers.engines.compiled.profile import Profile
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import ConeDims


def _structure(A, P, dims):
    return ConeStructure(*(_pattern(M) for M in (np.triu(P), A)), dims)


def _pattern(M):
    columns, rows = np.nonzero(M.T)
    return Pattern(rows, columns, M.shape)


def _arrow(rng, points, own, shared):
    """Rows on the variables of one point each, and on those that all share; variables
    in any order."""
    A = np.zeros((2 * points, own * points + shared), bool)
    for row in range(2 * points):
        A[row, own * (row // 2) : own * (row // 2 + 1)] = True
        A[row, own * points :] = True
    return A[:, rng.permutation(A.shape[1])]


def _within(spans, M):
    """Whether all entries are in the pieces of their rows."""
    columns = np.arange(M.shape[1])
    inside = (spans[:, 0, :, None] <= columns) & (columns < spans[:, 1, :, None])
    return bool((inside.any(axis=0) >= M).all())


@pytest.mark.parametrize("seed", range(20))
def test_a_profile_holds_every_entry_and_the_factor(seed):
    rng = np.random.default_rng(seed)
    arrow = _arrow(rng, *rng.integers(1, 7, 3))
    m, n = arrow.shape
    A = arrow if seed % 2 else rng.random((m, n)) < rng.choice([0.1, 0.3, 0.9])
    P = np.triu(rng.random((n, n)) < rng.choice([0.0, 0.1, 0.9]))
    curved = rng.integers(0, m // 2 + 1)
    dims = ConeDims(nonnegative=m - 2 * curved, second_order=(2,) * curved)
    found = Profile.of(_structure(A, P, dims))
    np.testing.assert_array_equal(np.sort(found.order), np.arange(n))
    A, P = A[:, found.order], (P | P.T)[np.ix_(found.order, found.order)]
    assert _within(found.A, A)
    assert _within(found.P, P)
    # Rows of one cone have the same pieces.
    cones = A[m - 2 * curved :].reshape(curved, 2, n).any(axis=1).repeat(2, axis=0)
    assert _within(found.A[:, :, m - 2 * curved :], cones)
    H = A.T.astype(float) @ np.concatenate([A[: m - 2 * curved], cones]) + P
    H = H + H.T + 1e3 * n * m * np.eye(n)
    places = np.arange(n)
    kept = (places < found.factor[:, None]) | (places >= found.border)
    assert kept[np.triu(np.linalg.cholesky(H).T != 0.0)].all()
    assert (np.diff(found.factor) >= 0).all()
    assert found.factor.max() <= found.border


@pytest.mark.parametrize("shared", [1, 5])
def test_work_on_points_that_share_variables_grows_with_their_number(shared):
    rng = np.random.default_rng(shared)
    arrows = [_arrow(rng, points, 3, shared) for points in (20, 80)]
    few, many = (
        Profile.of(_structure(A, np.eye(A.shape[1]), ConeDims(nonnegative=len(A))))
        for A in arrows
    )
    assert few.border == 60
    assert many.border == 240
    assert many.work < 4.5 * few.work


def test_values_in_the_order_of_a_profile_come_back():
    arrow = _arrow(np.random.default_rng(0), 6, 2, 1)
    found = Profile.of(_structure(arrow, np.eye(13), ConeDims(nonnegative=12)))
    v = np.arange(26.0).reshape(2, 13)
    ordered = found.ordered(v)
    np.testing.assert_array_equal(ordered, v[:, found.order])
    assert (found.order != np.arange(13)).any()
    # Machine code is made for one layout.
    assert ordered.flags.c_contiguous
    found.put_back(ordered)
    np.testing.assert_array_equal(ordered, v)


def test_variables_keep_their_order_where_another_saves_little():
    structure = _structure(np.ones((4, 6)), np.eye(6), ConeDims(nonnegative=4))
    found = Profile.of(structure)
    np.testing.assert_array_equal(found.order, np.arange(6))
    v = np.ones((2, 6))
    assert found.ordered(v) is v
