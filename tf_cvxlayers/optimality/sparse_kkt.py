"""The system of `kkt` for large sparse programs, in Python, for each element.

In `(r1, r2, z)` it is linear in `P`, `A` and `D` themselves, and as sparse as they are:

    P r1 - A'r2      = a
         r2 - D z    = g
    A r1 - r2 + z    = u

* The adjoint (see `adjoint`): `a = gx`, `g = -gs`, `u = gy + gs`; `(r1, r2)` is `r`.
* A Newton step (see `refinement`), with `-A` in place of `A`: `a = -F1`, `g = 0`,
  `u = -F2`; then `r1 = dx`, `r2 = dy`, `z = dv`.

One sparse LU factorization (SuperLU) solves it, with `delta` on the diagonal of the
first two blocks, as in `kkt`, and refinement that removes its effect: auxiliary
variables that nothing holds make the system singular. Where that fails, LSQR (Paige and
Saunders, 1982) gives the least-squares solution of minimum norm of

    [P, -A'; D A, I - D] (r1, r2) = (a, D u + g).
"""

import enum

import numpy as np
import scipy.sparse as sp
import tensorflow as tf
from scipy.sparse.linalg import LinearOperator, lsqr, splu

from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.optimality.cones.product import Spectrum, derivative_pattern
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.serialization import payload_of, structure_from
from tf_cvxlayers.runtime import callback
from tf_cvxlayers.runtime.threads import in_threads

_TOKEN = "tf_cvxlayers/sparse_kkt/v1"
# A relative residual above this says that a factorization has missed, and one below the
# other that there is nothing to refine.
_ACCEPTED, _EXACT = 1e-9, 1e-15
_DELTA = 1e-8
_REFINEMENTS = 10
# A step that leaves more of the residual than this is the last one.
_CRAWLS = 0.5


class Method(enum.IntEnum):
    """Factor, as far as that leads, or with LSQR behind it; or LSQR only."""

    FACTOR = 0
    FACTOR_OR_LSQR = 1
    LSQR = 2


def sparse_solve(
    structure: ConeStructure,
    matrices: tuple[tf.Tensor, tf.Tensor],
    pair: tuple[tf.Tensor, tf.Tensor],
    right: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    method: Method,
    threads: int | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The first two parts of the solution, `(r1 [B, n], r2 [B, m])`.

    Args:
        structure: of the program.
        matrices: the values of `P` and `A`.
        pair: `y` and `s`, where `D` is taken.
        right: `a`, `g` and `u`.
        method: how.
        threads: how many elements at a time.
    """
    D = Spectrum.at(structure.cones, *pair).derivative_entries()
    settings = np.array([method, threads or 0], np.int32)
    batch = batch_size(right)
    key, content = map(callback.bytes_tensor, payload_of(structure))
    r1, r2 = callback.call(
        _TOKEN,
        [key, content, tf.constant(settings), *matrices, D, *right],
        [tf.float64, tf.float64],
        [(batch, structure.n), (batch, structure.m)],
    )
    return r1, r2


def _solve_batch(key, content, settings, P, A, D, a, g, u) -> list[np.ndarray]:
    """The callback: NumPy arrays in, NumPy arrays out."""
    structure = structure_from(key, content)
    method, threads = Method(int(settings[0])), int(settings[1]) or None
    r1, r2 = np.zeros_like(a), np.zeros_like(u)
    system = _System(structure)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            right = a[k], g[k], u[k]
            if any(part.any() for part in right):
                data = [array[0 if len(array) == 1 else k] for array in (P, A, D)]
                r1[k], r2[k] = system.solve(data, right, method)

    in_threads(work, len(a), threads)
    return [r1, r2]


class _System:
    """The sparse matrix of the three block rows, filled by position."""

    def __init__(self, structure: ConeStructure):
        n, m = structure.n, structure.m
        (P, self.folding), A = structure.P.upper, structure.A
        self.n, self.m = n, m
        off = np.flatnonzero(P.rows != P.columns)
        D_rows, D_columns = derivative_pattern(structure.cones)
        ones = np.arange(m)
        # Blocks in the order of `solve`: P, its lower triangle, -A', A, -D, I, -I, I.
        rows = [P.rows, P.columns[off], A.columns, n + m + A.rows]
        columns = [P.columns, P.rows[off], n + A.rows, A.columns]
        rows += [n + D_rows, n + ones, n + m + ones, n + m + ones]
        columns += [n + m + D_columns, n + ones, n + ones, n + m + ones]
        self.off, self.ones = off, np.ones(m)
        self.delta = sp.diags_array(
            np.concatenate([np.full(n + m, _DELTA), np.zeros(m)]), format="csc"
        )
        size = n + 2 * m
        count = sum(part.size for part in rows)
        numbered = sp.csc_array(
            (
                np.arange(1.0, count + 1),
                (np.concatenate(rows), np.concatenate(columns)),
            ),
            shape=(size, size),
        )
        self.order = numbered.data.astype(np.int64) - 1
        self.indices, self.indptr, self.size = numbered.indices, numbered.indptr, size
        self.P, self.A = P, A
        self.D_rows, self.D_columns = D_rows, D_columns

    def solve(self, data, right, method):
        """`(r1, r2)` of one element."""
        P, A, D = data
        P = self.folding @ P
        if method != Method.LSQR:
            values = [P, P[self.off], -A, A, -D, self.ones, -self.ones, self.ones]
            entries = np.concatenate(values)[self.order]
            matrix = sp.csc_array(
                (entries, self.indices, self.indptr), shape=(self.size, self.size)
            )
            solution, missed = self._factored(matrix, np.concatenate(right))
            if method == Method.FACTOR or missed <= _ACCEPTED:
                return solution[: self.n], solution[self.n : self.n + self.m]
        return self._least_squares(P, A, D, right)

    def _factored(self, matrix, right) -> tuple[np.ndarray, float]:
        """The refined solution by sparse LU, and how much of the right-hand side it
        misses; zero where there is no factorization."""
        solution, size = np.zeros_like(right), np.abs(right).max()
        left, missed = right, 1.0
        if not np.isfinite(size):
            return solution, missed
        try:
            factor = splu(matrix + self.delta)
        except RuntimeError:  # exactly singular
            return solution, missed
        for _ in range(_REFINEMENTS):
            better = solution + factor.solve(left)
            left = right - matrix @ better
            before, missed = missed, float(np.abs(left).max() / size)
            if not missed < before:
                return solution, before
            solution = better
            if missed <= _EXACT or missed > _CRAWLS * before:
                break
        return solution, missed

    def _least_squares(self, P, A, D, right):
        a, g, u = right
        n, m = self.n, self.m
        upper = sp.csr_array((P, (self.P.rows, self.P.columns)), shape=(n, n))
        full = upper + sp.triu(upper, 1).T
        A = sp.csr_array((A, (self.A.rows, self.A.columns)), shape=(m, n))
        D = sp.csr_array((D, (self.D_rows, self.D_columns)), shape=(m, m))

        def forward(r):
            r1, r2 = r[:n], r[n:]
            return np.concatenate([full @ r1 - A.T @ r2, D @ (A @ r1 - r2) + r2])

        def backward(r):
            r1, r2 = r[:n], r[n:]
            Dr = D @ r2
            return np.concatenate([full @ r1 + A.T @ Dr, r2 - Dr - A @ r1])

        operator = LinearOperator(
            (n + m, n + m), matvec=forward, rmatvec=backward, dtype=np.float64
        )
        both = np.concatenate([a, D @ u + g])
        r = lsqr(operator, both, atol=1e-13, btol=1e-13, iter_lim=20 * (n + m))[0]
        return r[:n], r[n:]


callback.register(_TOKEN, _solve_batch)
