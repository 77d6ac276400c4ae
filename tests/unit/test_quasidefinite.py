"""Sparse systems of polyhedral programs, against dense least squares."""

import threading

import numpy as np
import pytest

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.optimality.quasidefinite import Quasidefinite
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import ConeDims

N, M = 12, 15


class _Instance:
    """A system with sparse `A`, and its least-squares solution of least norm.

    Attributes:
        dependent: whether `P` is of low rank, a row of `A` that is held is the sum of
            two that are, and a variable occurs nowhere.
    """

    def __init__(self, seed, dependent=False):
        rng = np.random.default_rng(seed)
        root = rng.normal(size=(N, 4 if dependent else N))
        P = root @ root.T
        A = np.where(rng.random((M, N)) < 0.4, rng.normal(size=(M, N)), 0.0)
        # Some rows are on both sides of their cone.
        d = rng.choice([0.0, 0.3, 1.0], size=M, p=[0.5, 0.1, 0.4])
        if dependent:
            d[3:6], A[5], P[0], P[:, 0], A[:, 0] = 1.0, A[3] + A[4], 0.0, 0.0, 0.0
            P[0, 0] = 0.0
        patterns = []
        for matrix in (P, A):
            columns, rows = np.nonzero(matrix.T)
            patterns.append(Pattern(rows, columns, matrix.shape))
        self.structure = ConeStructure(*patterns, ConeDims(nonnegative=M))
        self.values = [
            matrix[pattern.rows, pattern.columns]
            for matrix, pattern in zip((P, A), patterns, strict=True)
        ]
        self.d = d
        self.right = rng.normal(size=N), np.zeros(M), rng.normal(size=M)
        a, _, u = self.right
        held = np.sqrt(d)[:, None] * A
        matrix = np.block([[P, -held.T], [-held, np.diag(d - 1.0)]])
        both = np.concatenate([a, -np.sqrt(d) * u])
        r1, f = np.split(np.linalg.lstsq(matrix, both, rcond=1e-12)[0], [N])
        self.expected = np.concatenate([r1, np.sqrt(d) * f])

    def solve(self, system):
        """`(r1, r2)`, and what is missed."""
        r1, r2, missed = system.solve(*self.values, self.d, self.right)
        return np.concatenate([r1, r2]), missed


@pytest.mark.parametrize("seed", range(8))
def test_regular_systems(seed):
    instance = _Instance(seed)
    found, missed = instance.solve(Quasidefinite(instance.structure))
    assert missed < 1e-12
    np.testing.assert_allclose(found, instance.expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_singular_ones_get_the_least_squares_solution_of_least_norm(seed):
    """A row too many disagrees with the others, and nothing holds a variable."""
    instance = _Instance(seed, dependent=True)
    found, missed = instance.solve(Quasidefinite(instance.structure))
    # What no solution meets does not count.
    assert missed < 1e-8
    size = np.abs(instance.expected).max()
    np.testing.assert_allclose(found, instance.expected, atol=1e-5 * size)


def test_nearly_singular_ones_are_solved():
    """Held rows that differ by 1e-4 leave a singular value of 2e-9 in `K`."""
    rng = np.random.default_rng(0)
    A = np.array([[1.0, 1.0, 0.0], [1.0, 1.0 + 1e-4, 0.0]])
    columns, rows = np.nonzero(A.T)
    diagonal = Pattern(np.arange(3), np.arange(3), (3, 3))
    pattern = Pattern(rows, columns, A.shape)
    structure = ConeStructure(diagonal, pattern, ConeDims(nonnegative=2))
    right = rng.normal(size=3), np.zeros(2), rng.normal(size=2)
    r1, r2, missed = Quasidefinite(structure).solve(
        np.ones(3), A[rows, columns], np.ones(2), right
    )
    assert missed < 1e-10
    expected = np.linalg.solve(A @ A.T, right[2] - A @ right[0])
    np.testing.assert_allclose(r2, expected, rtol=1e-6)
    np.testing.assert_allclose(A @ r1, right[2], atol=1e-7)


def test_nan_is_an_answer_to_nothing():
    instance = _Instance(0)
    instance.values[0][3] = np.nan
    found, missed = instance.solve(Quasidefinite(instance.structure))
    assert missed == 1.0
    np.testing.assert_array_equal(found, 0.0)


def test_an_answer_does_not_depend_on_earlier_ones_or_on_threads():
    instances = [_Instance(0) for _ in range(6)]
    for k, instance in enumerate(instances):
        instance.values[1] *= 1.0 + k
        instance.d[:] = np.roll(instance.d, k)
    alone = [one.solve(Quasidefinite(one.structure))[0] for one in instances]
    system = Quasidefinite(instances[0].structure)
    found = {}

    def work(k):
        for _ in range(20):
            found[k] = instances[k].solve(system)[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, expected in enumerate(alone):
        np.testing.assert_array_equal(found[k], expected)


def test_a_pivot_that_is_zero_leaves_the_other_deltas():
    """What `delta` adds may be taken away again by rounding: here by the matrix."""
    diagonal = Pattern(np.arange(2), np.arange(2), (2, 2))
    structure = ConeStructure(diagonal, diagonal, ConeDims(nonnegative=2))
    system = Quasidefinite(structure)
    for P in (np.array([-1e-8, 1.0]), np.array([-1e-11, 1.0])):
        right = np.array([0.0, 2.0]), np.zeros(2), np.zeros(2)
        r1, r2, missed = system.solve(P, np.ones(2), np.zeros(2), right)
        np.testing.assert_allclose(r1, [0.0, 2.0], atol=1e-9)
        assert np.isfinite(missed)
        np.testing.assert_array_equal(r2, 0.0)
