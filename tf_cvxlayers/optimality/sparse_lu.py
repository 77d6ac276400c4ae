"""Sparse systems of `kkt` by LU factorization, element by element, in NumPy.

For curved cones, whose `D` is no diagonal: the three block rows of `sparse_kkt` as they
are, with `delta` on the diagonal of the first two blocks, as in `kkt`, and refinement
that removes its effect: auxiliary variables that nothing holds make the system
singular. SuperLU does the arithmetic.
"""

import contextlib

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from tf_cvxlayers.linalg.filled import filled
from tf_cvxlayers.linalg.refined_solution import refined_solution
from tf_cvxlayers.optimality.cones.derivative import DerivativePattern
from tf_cvxlayers.program.cone_program import ConeStructure

_DELTA = 1e-8


class SparseLU:
    """The systems of one structure: a sparse matrix, filled by position."""

    def __init__(self, structure: ConeStructure):
        n, m = structure.n, structure.m
        (P, self.folding), A = structure.P.upper, structure.A
        self.n, self.m = n, m
        off = np.flatnonzero(P.rows != P.columns)
        D = DerivativePattern.of(structure.cones)
        # The rows of `E21` are the last.
        D_rows = np.where(D.rows < m, n, n + m) + D.rows
        ones, more = np.arange(m), n + 2 * m + np.arange(D.more)
        # In the order of `solve`: P, its lower triangle, -A', A, -E, I, -I, I, I.
        rows = [P.rows, P.columns[off], A.columns, n + m + A.rows]
        columns = [P.columns, P.rows[off], n + A.rows, A.columns]
        rows += [D_rows, n + ones, n + m + ones, n + m + ones, more]
        columns += [n + m + D.columns, n + ones, n + ones, n + m + ones, more]
        self.off, self.ones, self.more = off, np.ones(m), np.ones(D.more)
        self.delta = sp.diags_array(
            np.repeat([_DELTA, 0.0], [n + m, m + D.more]), format="csc"
        )
        size = n + 2 * m + D.more
        count = sum(part.size for part in rows)
        self.numbered = sp.csc_array(
            (
                np.arange(1.0, count + 1),
                (np.concatenate(rows), np.concatenate(columns)),
            ),
            shape=(size, size),
        )
        self.order = self.numbered.data.astype(np.int64) - 1

    def solve(self, P, A, D, right) -> tuple[np.ndarray, np.ndarray, float]:
        """`(r1, r2)` of one element, and how much of the right-hand side it misses.

        Args:
            P, A: the values of the structure's matrices.
            D: the entries of `D`, see `DerivativePattern`.
            right: `a`, `g` and `u`.
        """
        P = self.folding @ P
        values = [P, P[self.off], -A, A, -D, self.ones, -self.ones, self.ones]
        values.append(self.more)
        entries = np.concatenate(values)[self.order]
        matrix = filled(self.numbered, entries)
        b = np.concatenate([*right, 0.0 * self.more])
        solution, missed = np.zeros_like(b), 1.0
        # Exactly singular ones have no factor.
        with contextlib.suppress(RuntimeError):
            if np.isfinite(b).all() and np.isfinite(entries).all():
                factor = splu(matrix + self.delta)
                product = matrix.__matmul__
                solution, missed = refined_solution(b, factor.solve, product)
        return solution[: self.n], solution[self.n : self.n + self.m], missed
