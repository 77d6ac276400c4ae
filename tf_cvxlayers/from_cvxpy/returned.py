"""How what a layer returns is read off a solution of the cone program."""

import numpy as np
import scipy.sparse as sp
from cvxpy.reductions.cvx_attr2constr import recover_value_for_leaf

from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.linalg.patterns import LinearMap
from tf_cvxlayers.program.cone_program import VariableSpec


def variable_spec(variable, problem, chain, inverse, stuffed, m, gp) -> VariableSpec:
    """The record of a variable that is returned, primal or dual.

    Args:
        variable: a variable of the problem, or a dual variable of a constraint.
        problem: the problem.
        chain, inverse, stuffed: what CVXPY made of it.
        m: the number of rows of the cone program.
        gp: whether the problem is a geometric program.

    Raises:
        ProblemError: the variable is not one of the problem, or a dual of a geometric
            program.
    """
    n = stuffed.x.size
    if variable.id in {own.id for own in problem.variables()}:
        recovery = _primal_recovery(variable, chain, stuffed, n + m)
        return VariableSpec(variable.name(), tuple(variable.shape), recovery, gp)
    for constraint in problem.constraints:
        for place, dual in enumerate(constraint.dual_variables):
            if dual.id == variable.id:
                if gp:
                    raise ProblemError(
                        "Expected primal variables with gp=True: the duals of a "
                        "geometric program belong to its logarithmic form. Received: "
                        f"a dual variable of the constraint {constraint}."
                    )
                recovery = _dual_recovery(constraint, place, chain, inverse, n, m)
                name = f"dual_of_{constraint.id}_{place}"
                return VariableSpec(name, tuple(variable.shape), recovery)
    raise ProblemError(
        "Expected variables of the problem, or dual variables of its constraints. "
        f"Received: variable '{variable.name()}' of shape {variable.shape}, which "
        "occurs in neither; the problem has "
        f"{[own.name() for own in problem.variables()]}."
    )


def _primal_recovery(variable, chain, stuffed, length: int) -> LinearMap:
    """Where the entries of a variable stand in `x`."""
    inner = variable.id
    for reduction in chain.reductions:
        inner = reduction.var_id_map.get(inner, [inner])[0]
    if inner not in stuffed.var_id_to_col:
        raise ProblemError(
            "Expected every returned variable to matter. Received: variable "
            f"'{variable.name()}', which CVXPY removes from the problem; use it in the "
            "objective or in a constraint, or do not return it."
        )
    column = stuffed.var_id_to_col[inner]
    kept = stuffed.id_to_var[inner]
    # Numbers 1, 2, ... go through CVXPY's own unpacking; what comes out says where each
    # entry is from, and 0 that it is always zero.
    numbers = np.arange(1.0, kept.size + 1).reshape(kept.shape, order="F")
    if kept.size == variable.size and not variable._has_dim_reducing_attr:
        unpacked = numbers.reshape(variable.shape, order="F")
    else:
        unpacked = recover_value_for_leaf(variable, numbers, project=False)
    dense = sp.coo_array(unpacked).toarray() if sp.issparse(unpacked) else unpacked
    places = np.rint(np.asarray(dense)).astype(np.int64).ravel()
    rows = np.flatnonzero(places)
    return LinearMap(
        rows, column + places[rows] - 1, np.ones(rows.size), (places.size, length)
    )


def _dual_recovery(constraint, place, chain, inverse, n: int, m: int) -> LinearMap:
    """How a dual variable is read off `y`.

    CVXPY's own way back is linear, but spread over its reductions; it is applied to
    random vectors, where an entry `c y[j]` betrays both `j` and `c`.
    """
    rng = np.random.default_rng(0)
    probes = 1.0 + rng.random((3, m))
    images = np.stack(
        [_dual_value(constraint, place, chain, inverse, n, y) for y in probes]
    )
    rows = np.flatnonzero(np.any(images != 0, axis=0))
    ratios = probes[0] / probes[1]
    order = np.argsort(ratios)
    wanted = images[0, rows] / images[1, rows]
    near = np.clip(np.searchsorted(ratios[order], wanted), 1, max(m - 1, 1))
    left, right = order[near - 1], order[np.minimum(near, m - 1)]
    closer = np.abs(ratios[left] - wanted) <= np.abs(ratios[right] - wanted)
    columns = np.where(closer, left, right)
    values = images[0, rows] / probes[0, columns]
    if np.allclose(values * probes[2, columns], images[2, rows], rtol=1e-9, atol=0):
        return LinearMap(rows, n + columns, values, (images.shape[1], n + m))
    basis = np.stack(
        [_dual_value(constraint, place, chain, inverse, n, y) for y in np.eye(m)],
        axis=1,
    )
    full = sp.hstack([sp.csr_array((basis.shape[0], n)), sp.csr_array(basis)])
    return LinearMap.of(full)


def _dual_value(constraint, place, chain, inverse, n: int, y: np.ndarray) -> np.ndarray:
    """The dual variable that CVXPY makes of the solver's `y`, flattened in C order."""
    info = {"status": "solved", "status_val": 1, "iter": 1, "pobj": 0.0}
    info |= {"solve_time": 0.0, "setup_time": 0.0}
    raw = {"x": np.zeros(n), "y": y, "s": np.zeros_like(y), "info": info}
    duals = chain.invert(raw, inverse).dual_vars
    kept = [dual.value for dual in constraint.dual_variables]
    try:
        constraint.save_dual_value(duals[constraint.id])
        return np.asarray(constraint.dual_variables[place].value, np.float64).ravel()
    finally:
        for dual, value in zip(constraint.dual_variables, kept, strict=True):
            dual._value = value
