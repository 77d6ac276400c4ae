"""Answers that do not come from the package: closed forms, CVXPY, differences."""

import warnings

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from tests.problems import Case


def relu(x, W, b):
    """`max(W x + b, 0)`."""
    return np.maximum(W @ x + b, 0.0)


def softmax(x):
    """Along the last axis."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_jacobian(x):
    """`diag(y) - y y'` at `y = softmax(x)`."""
    y = softmax(x)
    return np.diag(y) - np.outer(y, y)


def cube(p):
    """The minimizer of `x^3 + (x - p)^2 / 2` over `x >= 0`."""
    return (np.sqrt(1.0 + 12.0 * p) - 1.0) / 6.0


def onto_simplex(x):
    """The nearest probability vector (Held, Wolfe and Crowder, 1974)."""
    u = np.sort(x)[::-1]
    excess = np.cumsum(u) - 1.0
    k = np.flatnonzero(u * np.arange(1, x.size + 1) > excess)[-1]
    return np.maximum(x - excess[k] / (k + 1.0), 0.0)


def _with_sum(function, total, low, high):
    """`function(t)` for the t at which each row, increasing in t, has this sum."""
    low, high = np.broadcast_arrays(low, high)
    for _ in range(200):
        middle = 0.5 * (low + high)
        below = function(middle).sum(axis=-1, keepdims=True) < total
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return function(0.5 * (low + high))


def capped_simplex(x, bound):
    """The nearest vectors in `[0, bound]` that sum to one."""
    ends = -x.max(axis=-1, keepdims=True) - 1.0, bound - x.min(axis=-1, keepdims=True)
    return _with_sum(lambda t: np.clip(x + t, 0.0, bound), 1.0, *ends)


def capped_softmax(x, bound):
    """Multiples of `exp(x)`, none above the bound, that sum to one."""
    e = np.exp(x)
    ends = np.zeros((len(x), 1)), 2.0 / e.min(axis=-1, keepdims=True)
    return _with_sum(lambda t: np.minimum(t * e, bound), 1.0, *ends)


def limited_multi_label(x, k):
    """Sigmoids of `x + t` that sum to k."""
    ends = -x.max(axis=-1, keepdims=True) - 30.0, 30.0 - x.min(axis=-1, keepdims=True)
    return _with_sum(lambda t: 1.0 / (1.0 + np.exp(-x - t)), k, *ends)


def onto_second_order(v):
    """The nearest point of `{(t, u) : ||u|| <= t}`."""
    t, u = v[0], v[1:]
    size = np.linalg.norm(u)
    if size <= t:
        return v.copy()
    if size <= -t:
        return np.zeros_like(v)
    return 0.5 * (t + size) * np.r_[1.0, u / size]


def onto_psd(V):
    """The nearest positive semidefinite matrix."""
    w, Q = np.linalg.eigh(0.5 * (V + V.T))
    return (Q * np.maximum(w, 0.0)) @ Q.T


def onto_spectraplex(matrices, trace):
    """The nearest PSD matrices whose traces have the sum `trace`, by eigenvalues."""
    pairs = [np.linalg.eigh(matrix) for matrix in matrices]
    w = np.concatenate([values for values, _ in pairs])
    parts = np.split(trace * onto_simplex(w / trace), [len(matrices[0])])
    return [(Q * values) @ Q.T for values, (_, Q) in zip(parts, pairs, strict=True)]


def qp_solution(P, q, A, b, G, h):
    """`(x, nu, lam)` of a strictly convex QP, by trying every active set."""
    n, equalities, inequalities = len(q), len(b), len(h)
    for code in range(2**inequalities):
        active = [k for k in range(inequalities) if code >> k & 1]
        rows = np.vstack([A, G[active]])
        size = n + len(rows)
        matrix = np.zeros((size, size))
        matrix[:n, :n], matrix[:n, n:], matrix[n:, :n] = P, rows.T, rows
        if np.linalg.matrix_rank(matrix) < size:
            continue
        point = np.linalg.solve(matrix, np.r_[-q, b, h[active]])
        x, lam = point[:n], point[n + equalities :]
        if np.all(lam >= 0) and np.all(G @ x <= h + 1e-9):
            every = np.zeros(inequalities)
            every[active] = lam
            return x, point[n : n + equalities], every
    raise ValueError("no active set is optimal")


def assign(parameters, values) -> None:
    """Give CVXPY the values of its parameters."""
    for parameter, value in zip(parameters, values, strict=True):
        value = np.asarray(value)
        # CVXPY refuses the last bits of rounding in a symmetric matrix.
        if any(parameter.attributes[name] for name in ("symmetric", "PSD", "NSD")):
            value = 0.5 * (value + value.T)
        if parameter.sparse_idx is not None:
            parameter.value_sparse = _sparse(parameter, value)
        else:
            parameter.value = value


def cvxpy_solution(case: Case, values: list[np.ndarray]) -> list[np.ndarray]:
    """What CVXPY and Clarabel find for one batch element."""
    statement = case.state()
    assign(statement.parameters, values)
    tolerances = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    with warnings.catch_warnings():
        # CVXPY warns of the way in which it reads sparse parameters itself, and where
        # Clarabel stopped a little short of these tolerances.
        warnings.simplefilter("ignore")
        statement.problem.solve(solver=cp.CLARABEL, gp=case.gp, **tolerances)
    if statement.problem.status not in ("optimal", "optimal_inaccurate"):
        raise ValueError(f"{case.name}: {statement.problem.status}")
    # CVXPY gives the dual of a second-order cone as a column, whatever its shape.
    return [
        np.reshape(variable.value, variable.shape) for variable in statement.variables
    ]


def _sparse(parameter, value):
    rows, columns = parameter.sparse_idx
    entries = value[rows, columns]
    return sp.coo_array((entries, (rows, columns)), shape=parameter.shape)


def central_difference(function, point, direction, step=1e-5):
    """The derivative of `function` at `point` along `direction`."""
    above, below = (
        function(point + step * direction),
        function(point - step * direction),
    )
    return (above - below) / (2.0 * step)


def jacobian(function, point, step=1e-6):
    """The Jacobian of a vector-valued function of a vector, by central differences."""
    columns = [
        central_difference(function, point, direction, step)
        for direction in np.eye(point.size)
    ]
    return np.stack(columns, axis=-1)
