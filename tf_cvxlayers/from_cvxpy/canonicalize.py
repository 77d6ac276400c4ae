"""A CVXPY problem becomes a `ConeProgram`. With `returned`, the only user of CVXPY's
internals.

CVXPY rewrites the problem into a cone program whose numbers are affine in its
parameters (Agrawal et al., "Differentiable convex optimization layers", 2019,
section 4). What is taken from it: the tensors of that affine map, the order of the
cones, and how variables and duals are read off a solution. All of it is flattened
here into constant sparse maps, so that nothing later needs CVXPY.
"""

import warnings

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy.reductions.solvers.conic_solvers.scs_conif import SCS
from cvxpy.reductions.solvers.defines import SOLVER_MAP_CONIC

from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.from_cvxpy.diagnosis import check_problem
from tf_cvxlayers.from_cvxpy.quadratic_forms import with_squares
from tf_cvxlayers.from_cvxpy.returned import variable_spec
from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.program.cone_program import (
    ATTRIBUTE_NAMES,
    ConeData,
    ConeProgram,
    ConeStructure,
    ParameterSpec,
)
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.runtime.memory import gibibytes, memory_size


class _ConeForm(SCS):
    """CVXPY's target: SCS's order and packing, without its need for a constraint."""

    REQUIRES_CONSTR = False

    def name(self) -> str:
        return "TF_CVXLAYERS"


# A function within `perspective` is compiled by itself, for a solver of this name.
SOLVER_MAP_CONIC.setdefault(_ConeForm().name(), _ConeForm())


# What a cone program takes at least for each number of the problem, in bytes.
_EACH = 500


def canonicalize(
    problem: cp.Problem,
    parameters: list[cp.Parameter],
    variables: list[cp.Variable],
    gp: bool = False,
) -> ConeProgram:
    """The cone program of `problem`, with `parameters` and `variables` in this order.

    Args:
        problem: a DPP problem; with `gp`, a geometric program.
        parameters: every parameter of the problem.
        variables: primal variables of the problem, or dual variables of its
            constraints.
        gp: whether the problem is a geometric program.

    Raises:
        ProblemError: the problem is not convex, not DPP, has integer or complex
            variables, or a variable is not its own; or it does not fit in memory.
    """
    problem = with_squares(problem)
    check_problem(problem, gp)
    _require_room(problem)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data, chain, inverse = problem.get_problem_data(
                _ConeForm(), gp=gp, enforce_dpp=True
            )
    except (
        AssertionError,  # what `is_dpp` of an atom promised too much
        cp.error.SolverError,
        cp.error.DCPError,
        NotImplementedError,
        ValueError,
        MemoryError,  # NumPy's, before it allocates: CVXPY makes some things dense
    ) as error:
        raise ProblemError(
            "Expected a problem that CVXPY can turn into a cone program. "
            f"Received: problem={problem}. CVXPY says: {error!s:.400} "
            f"({type(error).__name__})."
        ) from error
    stuffed = data["param_prob"]
    n, m = stuffed.x.size, stuffed.constr_size
    features, to_columns = _features(parameters, chain, stuffed)
    structure, maps = _data_maps(stuffed, n, m, to_columns)
    return ConeProgram(
        structure=structure,
        maps=maps,
        parameters=tuple(_parameter_spec(parameter) for parameter in parameters),
        features=features,
        variables=tuple(
            variable_spec(variable, problem, chain, inverse, stuffed, m, gp)
            for variable in variables
        ),
    )


def _require_room(problem: cp.Problem) -> None:
    """Raise for a problem that is larger than the memory, before it is filled."""
    leaves = *problem.variables(), *problem.parameters()
    # Of sparse ones and diagonals CVXPY takes the entries alone.
    whole = [
        leaf
        for leaf in leaves
        if not (leaf.attributes["diag"] or leaf.attributes["sparsity"])
    ]
    count = sum(part.size for part in (*whole, *problem.constraints))
    there = memory_size()
    if there is None or count * _EACH <= there:
        return
    raise ProblemError(
        f"Expected a problem whose cone program fits in {gibibytes(there)} of "
        f"memory. Received: variables, parameters and constraints of {count:,} numbers "
        f"together, which take at least {gibibytes(count * _EACH)}. Try a smaller "
        "problem, or several."
    )


def _features(
    parameters, chain, stuffed
) -> tuple[tuple[tuple[int, bool], ...], sp.csr_array]:
    """The blocks of features, and the map from features to CVXPY's parameter vector.

    On the way CVXPY replaces a parameter by its logarithm (geometric programs) and by
    its independent entries (symmetric, diagonal and sparse parameters).
    """
    identities = {parameter.id: parameter for parameter in parameters}
    sources = {parameter.id: (parameter.id, False) for parameter in parameters}
    for reduction in chain.reductions:
        logarithms = type(reduction).__name__ == "Dgp2Dcp"
        for old, renamed in reduction.param_id_map.items():
            for new in renamed:
                source, logarithm = sources[old]
                sources[new] = (source, logarithm or logarithms)

    order = {parameter.id: k for k, parameter in enumerate(parameters)}
    entries, features, start = [], [], 0
    for column_id, column in stuffed.param_id_to_col.items():
        if column_id not in sources:  # the constant, which CVXPY numbers -1
            continue
        source, logarithm = sources[column_id]
        selection = _independent_entries(identities[source]).tocoo()
        row, feature = selection.coords
        entries.append((selection.data, column + row, start + feature))
        features.append((order[source], logarithm))
        start += selection.shape[1]
    # The constant is the last on both sides.
    last = stuffed.total_param_size
    entries.append(([1.0], [last], [start]))
    values, rows, columns = map(np.concatenate, zip(*entries, strict=True))
    shape = (last + 1, start + 1)
    return tuple(features), sp.csr_array((values, (rows, columns)), shape=shape)


def _independent_entries(parameter: cp.Parameter) -> sp.csr_array:
    """From all entries (C order) to the ones CVXPY keeps.

    A symmetric matrix is read as `(V + V') / 2`, so that the gradient is symmetric too.
    """
    attributes = parameter.attributes
    index = np.arange(parameter.size).reshape(parameter.shape)
    if any(attributes[name] for name in ("symmetric", "PSD", "NSD")):
        upper = np.triu_indices(parameter.shape[0])
        first, second = index[upper], index.T[upper]
        rows = np.tile(np.arange(first.size), 2)
        return sp.csr_array(
            (
                np.full(rows.size, 0.5),
                (rows, np.concatenate([first, second])),
            ),
            shape=(first.size, parameter.size),
        )
    if attributes["diag"]:
        kept = np.diagonal(index)
    elif parameter.sparse_idx is not None:
        kept = index[parameter.sparse_idx]
    else:
        kept = index.ravel(order="F")
    return sp.csr_array(
        (np.ones(kept.size), (np.arange(kept.size), kept)),
        shape=(kept.size, parameter.size),
    )


def _data_maps(stuffed, n: int, m: int, to_columns) -> tuple[ConeStructure, ConeData]:
    """Split CVXPY's tensors into patterns and maps. CVXPY has `A x + b in K`."""
    rows, tensor = _occupied(stuffed.A)
    of_b = int(np.searchsorted(rows, m * n))
    A_pattern, A_map = _on_pattern(rows[:of_b], -tensor[:of_b] @ to_columns, (m, n))
    b = _spread(rows[of_b:] - m * n, tensor[of_b:] @ to_columns, m)
    rows, tensor = _occupied(stuffed.q)
    of_q = int(np.searchsorted(rows, n))  # the last row is the constant's
    q = _spread(rows[:of_q], tensor[:of_q] @ to_columns, n)
    rows, tensor = _occupied(
        sp.csc_array((n * n, to_columns.shape[0])) if stuffed.P is None else stuffed.P
    )
    P_pattern, P_map = _on_pattern(rows, tensor @ to_columns, (n, n))
    dims = stuffed.cone_dims
    cones = ConeDims(
        zero=dims.zero,
        nonnegative=dims.nonneg,
        second_order=tuple(dims.soc),
        psd=tuple(dims.psd),
        exponential=dims.exp,
        power=tuple(float(exponent) for exponent in dims.p3d),
    )
    maps = ConeData(P=P_map, q=LinearMap.of(q), A=A_map, b=LinearMap.of(b))
    return ConeStructure(P_pattern, A_pattern, cones), maps


def _occupied(tensor) -> tuple[np.ndarray, sp.csr_array]:
    """The numbers of the rows that are not empty, sorted, and the matrix of these.

    A tensor has a row for each place of a matrix, `m n` of them, nearly all empty: a
    compressed-row matrix of it would take memory for each.
    """
    tensor = sp.coo_array(tensor)
    row, column = tensor.coords
    rows, place = np.unique(row.astype(np.int64), return_inverse=True)
    shape = rows.size, tensor.shape[1]
    return rows, sp.csr_array((tensor.data, (place, column)), shape=shape)


def _spread(rows: np.ndarray, matrix: sp.csr_array, size: int) -> sp.csr_array:
    """The matrix with these rows among `size`, the others empty."""
    counts = np.zeros(size, np.int64)
    counts[rows] = np.diff(matrix.indptr)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    shape = size, matrix.shape[1]
    return sp.csr_array((matrix.data, matrix.indices, indptr), shape=shape)


def _on_pattern(
    places: np.ndarray, values: sp.csr_array, shape: tuple[int, int]
) -> tuple[Pattern, LinearMap]:
    """The entries of a matrix that are not always zero, and their map. The places count
    column by column."""
    values.eliminate_zeros()
    entries = np.flatnonzero(np.diff(values.indptr))
    columns, rows = np.divmod(places[entries], max(shape[0], 1))
    return Pattern(rows, columns, shape), LinearMap.of(values[entries])


def _parameter_spec(parameter: cp.Parameter) -> ParameterSpec:
    attributes = parameter.attributes
    bounds = attributes["bounds"]
    if bounds is not None:
        if any(isinstance(bound, cp.Expression) for bound in bounds):
            raise ProblemError(
                "Expected the bounds of a parameter to be numbers. Received: parameter "
                f"'{parameter.name()}' with bounds={bounds}. Write them as constraints."
            )
        bounds = tuple(
            np.asarray(bound.toarray() if sp.issparse(bound) else bound, np.float64)
            for bound in bounds
        )
    support = None
    if parameter.sparse_idx is not None:
        flat = np.arange(parameter.size).reshape(parameter.shape)
        support = np.sort(flat[parameter.sparse_idx])
    return ParameterSpec(
        name=parameter.name(),
        shape=tuple(parameter.shape),
        attributes=tuple(name for name in ATTRIBUTE_NAMES if attributes[name]),
        bounds=bounds,
        support=support,
    )
