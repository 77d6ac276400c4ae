"""The system of `kkt` for large sparse programs, in Python, for each element.

In `(r1, r2, z)` it is linear in `P`, `A` and `D` themselves, and as sparse as they are:

    P r1 - A'r2      = a
         r2 - D z    = g
    A r1 - r2 + z    = u

* The adjoint (see `adjoint`): `a = gx`, `g = -gs`, `u = gy + gs`; `(r1, r2)` is `r`.
* A Newton step (see `refinement`), with `-A` in place of `A`: `a = -F1`, `g = 0`,
  `u = -F2`; then `r1 = dx`, `r2 = dy`, `z = dv`.

One sparse factorization solves it: of a symmetric matrix where all cones are polyhedral
(`quasidefinite`), of the three blocks otherwise (`sparse_lu`). Where that fails, LSQR
(Paige and Saunders, 1982) gives the least-squares solution of minimum norm of

    [P, -A'; D A, I - D] (r1, r2) = (a, D u + g).
"""

import enum
import functools

import numpy as np
import scipy.sparse as sp
import tensorflow as tf
from scipy.sparse.linalg import LinearOperator, lsqr

from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.optimality.cones.derivative import (
    DerivativePattern,
    derivative_entries,
)
from tf_cvxlayers.optimality.cones.product import Spectrum
from tf_cvxlayers.optimality.quasidefinite import Quasidefinite
from tf_cvxlayers.optimality.sparse_lu import SparseLU
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.serialization import payload_of, structure_from
from tf_cvxlayers.runtime import callback
from tf_cvxlayers.runtime.threads import in_threads

_TOKEN = "tf_cvxlayers/sparse_kkt/v1"
# A relative residual above this says that a factorization has missed.
_ACCEPTED = 1e-8
# The most steps of LSQR, each in Python, for an element that no factorization solves;
# and where nothing else is asked for, for each of its unknowns.
_STEPS, _STEPS_EACH = 2000, 20


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
    D = derivative_entries(Spectrum.at(structure.cones, *pair))
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
    system = _system(structure)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            right = a[k], g[k], u[k]
            if any(part.any() for part in right):
                data = [array[0 if len(array) == 1 else k] for array in (P, A, D)]
                r1[k], r2[k] = _solution(structure, system, data, right, method)

    in_threads(work, len(a), threads)
    return [r1, r2]


@functools.lru_cache(maxsize=64)
def _system(structure: ConeStructure) -> Quasidefinite | SparseLU:
    """What is made once for all systems of a structure."""
    suited = Quasidefinite if structure.cones.is_polyhedral else SparseLU
    return suited(structure)


def _solution(structure, system, data, right, method):
    """`(r1, r2)` of one element."""
    if method != Method.LSQR:
        r1, r2, missed = system.solve(*data, right)
        if method == Method.FACTOR or missed <= _ACCEPTED:
            return r1, r2
        return _least_squares(structure, data, right, _STEPS)
    most = _STEPS_EACH * (structure.n + structure.m)
    return _least_squares(structure, data, right, most)


def _least_squares(structure, data, right, steps):
    """The least-squares solution of minimum norm of one element, by LSQR."""
    (P, A, D), (a, g, u) = data, right
    n, m = structure.n, structure.m
    upper, folding = structure.P.upper
    half = sp.csr_array((folding @ P, (upper.rows, upper.columns)), shape=(n, n))
    full = half + sp.triu(half, 1).T
    A = sp.csr_array((A, (structure.A.rows, structure.A.columns)), shape=(m, n))
    E11, E12, E21 = DerivativePattern.of(structure.cones).matrices(D)

    def derivative(z):
        return E11 @ z + E12 @ (E21 @ z)

    def forward(r):
        r1, r2 = r[:n], r[n:]
        return np.concatenate([full @ r1 - A.T @ r2, derivative(A @ r1 - r2) + r2])

    def backward(r):
        r1, r2 = r[:n], r[n:]
        Dr = derivative(r2)
        return np.concatenate([full @ r1 + A.T @ Dr, r2 - Dr - A @ r1])

    operator = LinearOperator(
        (n + m, n + m), matvec=forward, rmatvec=backward, dtype=np.float64
    )
    both = np.concatenate([a, derivative(u) + g])
    r = lsqr(operator, both, atol=1e-13, btol=1e-13, iter_lim=steps)[0]
    return r[:n], r[n:]


callback.register(_TOKEN, _solve_batch)
