"""Sparse systems of `kkt` by LDL' factorization, element by element, in NumPy.

Where all cones are polyhedral, `D = diag(d)`. With `r2 = g + d^(1/2) f` the three block
rows of `sparse_kkt` are those of one symmetric matrix:

    K = [ P           -A'd^(1/2) ]      K (r1, f) = (a + A'g, -d^(1/2) (g + u))
        [-d^(1/2) A   -(1 - d)   ]

With `delta` added to the first block and taken from the second it is quasi-definite:
`L D L'` exists for every symmetric permutation (Vanderbei, "Symmetric quasidefinite
matrices", 1995), so that the order of elimination is found once for a structure, and no
pivots are looked for. QDLDL (Stellato et al., "OSQP", 2020) does the arithmetic.

Refinement against `K` removes the effect of `delta`. A vector of the null space of `K`
has both of its parts there, and steps have no part in it: of many solutions the one of
least norm is found. What of a right-hand side no solution meets is in the null space
too, and is all that is left of it by `left -> Delta (K + Delta)^-1 left`. Without it,
the solution is the least-squares solution of least norm.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import qdldl
import scipy.sparse as sp

from tf_cvxlayers.linalg.filled import filled
from tf_cvxlayers.linalg.refined_solution import Map, refined_solution
from tf_cvxlayers.program.cone_program import ConeStructure

# The first one serves nearly always, the second one where a system is nearly
# singular. Rounding in a factorization is that of numbers larger by the inverse of it:
# the third one, where the system is singular, leaves the most of a vector of the null
# space.
_DELTAS, _NULL_DELTA = (1e-8, 1e-11), 1e-5
# Relative to the right-hand side, a residual with which the second one is not needed,
# and one with which the third one is not.
_ENOUGH, _REGULAR = 1e-13, 1e-9
# How often what is left is taken on, and what the matrix leaves of a vector of its null
# space, relative to the vector, in units in which its numbers are near one.
_TAKEN_ON, _NULL = 5, 1e-7


class _NoFactor(Exception):
    """Rounding has made a pivot zero: two rows cancel in it, all but `delta`."""


class Quasidefinite:
    """The systems of one structure, all of whose cones are polyhedral."""

    def __init__(self, structure: ConeStructure):
        self.n, self.m = structure.n, structure.m
        (P, self._folding), self._A = structure.P.upper, structure.A
        self._AT = sp.csr_array(
            (np.ones(self._A.size), self._A.rows, self._A.indptr),
            shape=(self.n, self.m),
        )
        size = self.n + self.m
        on_diagonal = np.arange(size)
        # P, -A' and the diagonal, as in `_values`, summed by place, column by column.
        rows = np.concatenate([P.rows, self._A.columns, on_diagonal])
        columns = np.concatenate([P.columns, self.n + self._A.rows, on_diagonal])
        places, where = np.unique(columns * size + rows, return_inverse=True)
        self._summed = sp.csr_array(
            (np.ones(where.size), (where, np.arange(where.size))),
            shape=(places.size, where.size),
        )
        columns, rows = np.divmod(places, max(size, 1))
        numbered = np.arange(1.0, places.size + 1.0), (rows, columns)
        self._upper = sp.csc_array(numbered, shape=(size, size))
        self._whole = sp.csr_array(self._upper + sp.triu(self._upper, 1).T)
        self._in_whole = self._whole.data.astype(np.int64) - 1
        # The diagonal is the last of each column, and never empty.
        self._on_diagonal = self._upper.indptr[1:] - 1
        self._signs = np.repeat([1.0, -1.0], [self.n, self.m])
        self._lock = threading.Lock()
        self._idle: list[qdldl.Solver] = []

    def solve(self, P, A, d, right) -> tuple[np.ndarray, np.ndarray, float]:
        """`(r1, r2)` of one element, and how much of the right-hand side it misses.

        Args:
            P, A: the values of the structure's matrices.
            d: the diagonal of `D`.
            right: `a`, `g` and `u`.
        """
        a, g, u = right
        root = np.sqrt(d)
        b = np.concatenate([a + filled(self._AT, A) @ g, -root * (g + u)])
        values = self._values(P, A, d, root)
        solution, missed = np.zeros_like(b), 1.0
        if np.isfinite(b).all() and np.isfinite(values).all():
            solution, missed = self._solution(values, b)
        return solution[: self.n], g + root * solution[self.n :], missed

    def _values(self, P, A, d, root) -> np.ndarray:
        """The entries of the upper triangle of `K`."""
        diagonal = np.concatenate([np.zeros(self.n), d - 1.0])
        parts = [self._folding @ P, -A * root[self._A.rows], diagonal]
        return self._summed @ np.concatenate(parts)

    def _solution(self, values, b) -> tuple[np.ndarray, float]:
        """The solution, and what it misses; where the system is singular, the
        least-squares solution of least norm, and what it misses of what can be met."""
        product = filled(self._whole, values[self._in_whole]).__matmul__
        solution, missed = np.zeros_like(b), 1.0
        for delta in _DELTAS:
            diagonal = delta * self._signs
            with suppress(_NoFactor), self._factored(values, diagonal) as solve:
                found, misses = refined_solution(b, solve, product)
                if misses <= missed:
                    solution, missed = found, misses
            if missed <= _ENOUGH:
                break
        if missed <= _REGULAR:
            return solution, missed
        diagonal = _NULL_DELTA * self._signs
        with suppress(_NoFactor), self._factored(values, diagonal) as solve:
            outside = np.zeros_like(b)
            # What rounding adds to a vector of the null space is found by another turn.
            for _ in range(2):
                left = b - outside
                for _ in range(_TAKEN_ON):
                    left = diagonal * solve(left)
                outside += left
            if np.abs(product(outside)).max() <= _NULL * np.abs(outside).max():
                return refined_solution(b - outside, solve, product)
        return solution, missed

    @contextmanager
    def _factored(self, values, delta) -> Iterator[Map]:
        """The solution of systems with `K + diag(delta)`, by a solver that nobody else
        has.

        Of its past it keeps the order of elimination, which the pattern gives.

        Raises:
            _NoFactor: a pivot is zero.
        """
        nearby = values.copy()
        nearby[self._on_diagonal] += delta
        matrix = filled(self._upper, nearby)
        with self._lock:
            solver = self._idle.pop() if self._idle else None
        try:
            if solver is None:
                solver = qdldl.Solver(matrix, upper=True)
            else:
                solver.update(matrix, upper=True)
        except RuntimeError as error:
            raise _NoFactor from error
        yield solver.solve
        with self._lock:
            self._idle.append(solver)
