"""Large sparse quadratic programs, as matrices derived by hand.

    minimize 1/2 z'Pz + (q + Q x)'z  subject to  A z = b + B x,  G z <= h

with one parameter ``x`` for each element of the batch. NumPy and SciPy only, which all
environments have: libraries that want matrices take these, and the exact answers are
computed from them (`instances.polished`). What the numbers of a form are does not
depend on the seed of a run; ``points`` draws the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class SparseForm(NamedTuple):
    """A program, and the entries of ``z`` that are asked for, in order."""

    P: sp.csc_array
    q: np.ndarray
    Q: sp.csr_array
    A: sp.csc_array
    b: np.ndarray
    B: sp.csr_array
    G: sp.csc_array
    h: np.ndarray
    asked: np.ndarray
    points: Callable[[np.random.Generator, int], np.ndarray]


def _form(P, G, h, asked, points, q=None, Q=None, A=None, b=None, B=None) -> SparseForm:
    n = P.shape[0]
    k = points(np.random.default_rng(0), 1).shape[1]
    A = sp.csr_array((0, n)) if A is None else A
    return SparseForm(
        sp.csc_array(P),
        np.zeros(n) if q is None else q,
        sp.csr_array((n, k)) if Q is None else sp.csr_array(Q),
        sp.csc_array(A),
        np.zeros(A.shape[0]) if b is None else b,
        sp.csr_array((A.shape[0], k)) if B is None else sp.csr_array(B),
        sp.csc_array(G),
        h,
        np.asarray(asked),
        points,
    )


def _normal(n: int, scale: float = 1.0):
    return lambda rng, batch: scale * rng.normal(size=(batch, n))


def _differences(n: int) -> sp.csr_array:
    ends = [-np.ones(n - 1), np.ones(n - 1)]
    return sp.diags_array(ends, offsets=[0, 1], shape=(n - 1, n), format="csr")


def simplex(n: int) -> SparseForm:
    """The projection on the simplex."""
    one = sp.eye_array(n)
    return _form(
        2 * one, -one, np.zeros(n), np.arange(n), _normal(n), Q=-2 * one,
        A=sp.csr_array(np.ones((1, n))), b=np.ones(1),
    )  # fmt: skip


def chain(n: int) -> SparseForm:
    """The projection on the points whose neighbours differ by at most one."""
    D, one = _differences(n), sp.eye_array(n)
    rows = sp.vstack([D, -D])
    ones = np.ones(2 * (n - 1))
    return _form(2 * one, rows, ones, np.arange(n), _normal(n, 100.0), Q=-2 * one)


#: The weight of the total variation.
VARIATION = 5.0


def variation(n: int) -> SparseForm:
    """A signal of least total variation, with an epigraph variable a step."""
    D, steps = _differences(n), sp.eye_array(n - 1)
    rows = sp.vstack([sp.hstack([D, -steps]), sp.hstack([-D, -steps])])
    P = sp.block_diag([sp.eye_array(n), sp.csr_array((n - 1, n - 1))])
    Q = sp.vstack([-sp.eye_array(n), sp.csr_array((n - 1, n))])
    q = np.concatenate([np.zeros(n), np.full(n - 1, VARIATION)])

    def walks(rng, batch):
        return np.cumsum(rng.normal(size=(batch, n)), axis=1)

    return _form(P, rows, np.zeros(2 * (n - 1)), np.arange(n), walks, q=q, Q=Q)


#: Of the control problem: states, inputs, and the bound on inputs.
STATES, INPUTS, SATURATION = 12, 4, 0.3


def dynamics() -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices of a system, some modes of which are unstable."""
    rng = np.random.default_rng(0)
    A = np.eye(STATES) + 0.05 * rng.normal(size=(STATES, STATES))
    return A, 0.2 * rng.normal(size=(STATES, INPUTS))


def control(horizon: int) -> SparseForm:
    """Inputs that bring a state to zero; states first, then inputs, step by step."""
    A, B = dynamics()
    n, last = STATES * (horizon + 1), horizon
    shift = sp.eye_array(last + 1, format="csr")
    moves = sp.kron(shift[1:], np.eye(STATES)) - sp.kron(shift[:-1], A)
    steps = sp.hstack([moves, -sp.kron(sp.eye_array(last), B)])
    first = sp.hstack(
        [sp.eye_array(STATES, n), sp.csr_array((STATES, INPUTS * horizon))]
    )
    one = sp.eye_array(INPUTS * horizon)
    inputs = sp.hstack([sp.csr_array((INPUTS * horizon, n)), one])
    rows = sp.vstack([inputs, -inputs])
    equalities = sp.vstack([first, steps])
    size = n + INPUTS * horizon
    return _form(
        2 * sp.eye_array(size), rows, np.full(rows.shape[0], SATURATION),
        n + np.arange(INPUTS * horizon), _normal(STATES, 0.3), A=equalities,
        B=sp.eye_array(equalities.shape[0], STATES),
    )  # fmt: skip


def factors(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the loadings of a tenth as many factors, and assets' own risks."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, n // 10)) / np.sqrt(n // 10), 0.1 + rng.random(n)


def portfolio(n: int) -> SparseForm:
    """A portfolio by its factors, for returns that are the parameter."""
    F, own = factors(n)
    k = F.shape[1]
    P = 2 * sp.diags_array(np.concatenate([own**2, np.ones(k)]))
    A = sp.vstack(
        [
            sp.hstack([-sp.csr_array(F.T), sp.eye_array(k)]),
            sp.hstack([sp.csr_array(np.ones((1, n))), sp.csr_array((1, k))]),
        ]
    )
    bounds = sp.hstack([-sp.eye_array(n), sp.csr_array((n, k))])
    Q = sp.vstack([-sp.eye_array(n), sp.csr_array((k, n))])
    b = np.concatenate([np.zeros(k), np.ones(1)])
    return _form(P, bounds, np.zeros(n), np.arange(n), _normal(n, 0.1), Q=Q, A=A, b=b)


#: Of the quadratic term of transport: enough for a plan that connects all places, or
#: its potentials would not be unique.
SPREAD = 10.0


def transport(n: int) -> SparseForm:
    """A plan between uniform distributions, row by row; one equality is redundant."""
    one = sp.eye_array(n * n)
    rows = sp.kron(sp.eye_array(n), np.ones((1, n)))
    columns = sp.kron(np.ones((1, n)), sp.eye_array(n, format="csr")[:-1])
    A = sp.vstack([rows, columns])

    def costs(rng, batch):
        return rng.random((batch, n * n))

    return _form(
        2 * SPREAD * one, -one, np.zeros(n * n), np.arange(n * n), costs, Q=one, A=A,
        b=np.full(2 * n - 1, 1.0 / n),
    )  # fmt: skip


#: Of the battery: efficiency, wear, capacity, power. One that is idle while it is full
#: or empty has multipliers that are not unique: the capacity is not reached.
EFFICIENCY, WEAR, CAPACITY, POWER = 0.95, 0.05, 200.0, 0.5


def battery(steps: int) -> SparseForm:
    """When to charge and when to discharge; then the states that follow."""
    one, lower = sp.eye_array(steps), sp.eye_array(steps, k=-1)
    A = sp.hstack([-EFFICIENCY * one, one / EFFICIENCY, one - lower])
    none = sp.csr_array((steps, steps))
    P = sp.block_diag([2 * WEAR * one, 2 * WEAR * one, none])
    everything = sp.eye_array(3 * steps)
    limits = np.repeat([POWER, POWER, CAPACITY], steps)
    rows = sp.vstack([everything, -everything])
    h = np.concatenate([limits, np.zeros(3 * steps)])
    b = np.zeros(steps)
    b[0] = CAPACITY / 2

    def prices(rng, batch):
        day = np.sin(2 * np.pi * np.arange(steps) / 96)
        return 1.0 + day + 0.3 * rng.normal(size=(batch, steps))

    Q = sp.vstack([one, -one, none])
    return _form(P, rows, h, np.arange(steps), prices, Q=Q, A=A, b=b)


def network(nodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return arcs `[arcs, 2]`, four a node, their capacities, and supplies."""
    rng = np.random.default_rng(0)
    ring = np.stack([np.arange(nodes), (np.arange(nodes) + 1) % nodes], axis=1)
    others = rng.integers(nodes, size=(3 * nodes, 2))
    others[:, 1] = np.where(
        others[:, 0] == others[:, 1], (others[:, 1] + 7) % nodes, others[:, 1]
    )
    supply = rng.normal(size=nodes)
    arcs = np.concatenate([ring, others])
    capacity = np.where(np.arange(4 * nodes) < nodes, 100.0, 1.0)
    return arcs, capacity, supply - supply.mean()


def incidence(nodes: int) -> sp.csr_array:
    """Return what leaves a node less what arrives, for each arc, but for one node."""
    arcs, _, _ = network(nodes)
    which = np.arange(len(arcs))
    signs = np.repeat([1.0, -1.0], len(arcs))
    places = np.concatenate([arcs[:, 0], arcs[:, 1]]), np.concatenate([which, which])
    return sp.csr_array((signs, places), shape=(nodes, len(arcs)))[:-1]


def flow(nodes: int) -> SparseForm:
    """Flows of least cost on a network, with congestion."""
    _, capacity, supply = network(nodes)
    one = sp.eye_array(capacity.size)
    rows = sp.vstack([one, -one])

    def costs(rng, batch):
        return 0.1 + rng.random((batch, capacity.size))

    return _form(
        0.2 * one, rows, np.concatenate([capacity, np.zeros(capacity.size)]),
        np.arange(capacity.size), costs, Q=one, A=incidence(nodes), b=supply[:-1],
    )  # fmt: skip


FORMS: dict[str, Callable[[int], SparseForm]] = {
    "simplex": simplex,
    "chain": chain,
    "variation": variation,
    "control": control,
    "portfolio": portfolio,
    "transport": transport,
    "battery": battery,
    "flow": flow,
}
