"""Exact answers of large sparse programs, by the active set that a solver finds.

Clarabel's point says which inequalities are active. With these as equalities the
optimality conditions are one linear system, whose solution is exact up to rounding if
its slacks and multipliers have the right signs; and so is the gradient. Elements of
which one is not clear of zero are drawn again. SciPy and Clarabel only: nothing of the
package is trusted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from instances.arrays import COTANGENT, SOLUTION, Arrays
from instances.sparse_forms import FORMS, SparseForm

#: What a slack, or a multiplier, has to be at least, relative to the largest.
CLEARANCE = 1e-6
#: What the conditions may miss.
EXACT = 1e-10


class _Optimum(NamedTuple):
    z: np.ndarray
    held: np.ndarray
    factor: object


def sparse_programs(
    rng: np.random.Generator, form: str, size: int, batch: int
) -> tuple[Arrays, Arrays]:
    """Return parameters of a form, and the answers."""
    program = FORMS[form](size)
    found: list[tuple[np.ndarray, _Optimum]] = []
    for _ in range(20):
        for x in program.points(rng, batch):
            optimum = _optimum(program, x)
            if optimum is not None:
                found.append((x, optimum))
        if len(found) >= batch:
            break
    else:
        raise RuntimeError(f"only {len(found)} elements of {form} are clear of kinks")
    found = found[:batch]
    cotangent = rng.normal(size=(batch, program.asked.size))
    gradients = [
        _gradient(program, optimum, w)
        for (_, optimum), w in zip(found, cotangent, strict=True)
    ]
    instance = {"x": np.stack([x for x, _ in found]), COTANGENT: cotangent}
    solutions = [optimum.z[program.asked] for _, optimum in found]
    return instance, {SOLUTION: np.stack(solutions), "x": np.stack(gradients)}


def _optimum(program: SparseForm, x: np.ndarray) -> _Optimum | None:
    P, A, G, n = program.P, program.A, program.G, len(program.q)
    q, b = program.q + program.Q @ x, program.b + program.B @ x
    z, multipliers = _clarabel(P, q, A, b, G, program.h)
    slack = program.h - G @ z
    held = multipliers > slack
    for _ in range(20):
        rows = sp.vstack([A, G[held]])
        none = sp.csr_array((rows.shape[0], rows.shape[0]))
        matrix = sp.block_array([[P, rows.T], [rows, none]], format="csc")
        right = np.concatenate([-q, b, program.h[held]])
        try:
            factor = splu(matrix)
        except RuntimeError:
            return None
        both = factor.solve(right)
        both += factor.solve(right - matrix @ both)
        if not np.abs(right - matrix @ both).max() <= EXACT * (1 + np.abs(both).max()):
            return None
        z, lam = both[:n], np.zeros(len(held))
        lam[held] = both[n + len(b) :]
        slack = program.h - G @ z
        wrong = np.where(held, lam < 0, slack < 0)
        if not wrong.any():
            break
        held = held ^ wrong
    clear = np.where(held, lam / max(lam.max(), 1e-300), slack / slack.max())
    return _Optimum(z, held, factor) if clear.min() > CLEARANCE else None


def _clarabel(P, q, A, b, G, h) -> tuple[np.ndarray, np.ndarray]:
    import clarabel

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    cones = [clarabel.ZeroConeT(len(b)), clarabel.NonnegativeConeT(len(h))]
    solver = clarabel.DefaultSolver(
        sp.csc_matrix(sp.triu(P)), q, sp.csc_matrix(sp.vstack([A, G])),
        np.concatenate([b, h]), cones[len(b) == 0 :], settings,
    )  # fmt: skip
    solution = solver.solve()
    return np.array(solution.x), np.array(solution.z)[len(b) :]


def _gradient(program: SparseForm, optimum: _Optimum, w: np.ndarray) -> np.ndarray:
    n = len(program.q)
    right = np.zeros(n + program.A.shape[0] + int(optimum.held.sum()))
    right[program.asked] = w
    both = optimum.factor.solve(right)
    of_b = both[n : n + program.A.shape[0]]
    return program.Q.T @ -both[:n] + program.B.T @ of_b
