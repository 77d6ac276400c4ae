"""The maps of a cone program give the numbers that CVXPY computes for itself."""

import tracemalloc
import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

from tests import oracles
from tests.problems import BY_NAME, Statement, every_case
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.from_cvxpy.canonicalize import canonicalize
from tf_cvxlayers.linalg.sparse import to_dense
from tf_cvxlayers.pipeline.problem_data import computed, problem_data
from tf_cvxlayers.pipeline.recovery import recover
from tf_cvxlayers.program.cone_program import ConeSolution

SHAPES = [(), (1,), (3,), (1, 3), (3, 1), (2, 3), (3, 3)]
SQUARE = {
    "symmetric": lambda V: V + V.T,
    "PSD": lambda V: V @ V.T,
    "NSD": lambda V: -V @ V.T,
    "diag": lambda V: np.diag(np.diag(V)),
}
SIGNS = {
    "nonneg": np.abs,
    "nonpos": lambda V: -np.abs(V),
    "pos": lambda V: np.abs(V) + 0.1,
    "neg": lambda V: -np.abs(V) - 0.1,
}


def _assert_same_numbers(statement, values, gp=False):
    """The package's `P, q, A, b` are those CVXPY makes with the values put in."""
    program = canonicalize(
        statement.problem, statement.parameters, statement.variables, gp
    )
    flat = [np.reshape(value, (1, -1)).astype(float) for value in values]
    data = computed(problem_data(program, flat))
    oracles.assign(statement.parameters, values)
    with warnings.catch_warnings():
        # CVXPY warns of the way in which it reads a sparse parameter itself.
        warnings.filterwarnings("ignore", "Reading from a sparse CVXPY expression")
        theirs, *_ = statement.problem.get_problem_data(cp.SCS, gp=gp)
    A = to_dense(program.structure.A, data.A)[0].numpy()
    np.testing.assert_allclose(A, theirs["A"].toarray(), atol=1e-12)
    np.testing.assert_allclose(data.b[0], theirs["b"], atol=1e-12)
    np.testing.assert_allclose(data.q[0], theirs["c"], atol=1e-12)
    P = to_dense(program.structure.P, data.P)[0].numpy()
    expected = theirs["P"].toarray() if "P" in theirs else np.zeros_like(P)
    np.testing.assert_allclose(0.5 * (P + P.T), expected, atol=1e-12)
    dims, ours = theirs["dims"], program.structure.cones
    assert (ours.zero, ours.nonnegative) == (dims.zero, dims.nonneg)
    assert ours.second_order == tuple(dims.soc)
    assert ours.psd == tuple(dims.psd)
    assert ours.exponential == dims.exp
    assert ours.power == tuple(dims.p3d)
    return program


@every_case
def test_the_numbers_are_those_of_cvxpy(case):
    for seed in range(3):
        _assert_same_numbers(case.state(), case.values(seed=seed), case.gp)


def _shaped(shape, **attributes):
    """A problem in which every entry of the parameter has a place of its own."""
    V, X = cp.Parameter(shape, name="V", **attributes), cp.Variable(shape, name="X")
    weights = np.arange(1.0, 1.0 + V.size).reshape(shape)
    objective = cp.sum_squares(cp.multiply(weights, X)) + cp.sum(cp.multiply(V, X))
    problem = cp.Problem(cp.Minimize(objective), [X >= V - 1, cp.sum(X + V) <= 100])
    return Statement(problem, [V], [X])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("attribute", ["none", "bounds", *SIGNS])
def test_every_shape_keeps_its_entries_in_place(shape, attribute):
    value = np.random.default_rng(0).normal(size=shape)
    options = {} if attribute == "none" else {attribute: True}
    if attribute == "bounds":
        options = {"bounds": [-1.0, 1.0]}
        value = np.clip(value, -1.0, 1.0)
    value = SIGNS.get(attribute, np.asarray)(value)
    program = _assert_same_numbers(_shaped(shape, **options), [value])
    (spec,) = program.parameters
    assert spec.shape == shape
    assert spec.attributes == tuple(set(options) - {"bounds"})


@pytest.mark.parametrize("attribute", SQUARE)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_every_square_attribute_keeps_its_entries_in_place(attribute, order):
    value = SQUARE[attribute](np.random.default_rng(0).normal(size=(order, order)))
    _assert_same_numbers(_shaped((order, order), **{attribute: True}), [value])


@pytest.mark.parametrize("shape", [(2, 3), (3, 3), (1, 4)], ids=str)
def test_a_sparse_parameter_keeps_its_entries_in_place(shape):
    rows, columns = np.array([0, shape[0] - 1]), np.array([2, 1])
    value = np.zeros(shape)
    value[rows, columns] = [2.0, 3.0]
    program = _assert_same_numbers(_shaped(shape, sparsity=(rows, columns)), [value])
    support = np.ravel_multi_index((rows, columns), shape)
    np.testing.assert_array_equal(program.parameters[0].support, np.sort(support))


@pytest.mark.parametrize(
    "options",
    [{}, {"symmetric": True}, {"PSD": True}, {"diag": True}, {"nonneg": True}],
    ids=str,
)
def test_a_matrix_variable_is_read_off_where_cvxpy_put_it(options):
    X = cp.Variable((3, 3), name="X", **options)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - np.eye(3))), [cp.trace(X) <= 1])
    program = canonicalize(problem, [], [X])
    rng = np.random.default_rng(0)
    n, m = program.structure.n, program.structure.m
    point = rng.normal(size=(1, n))
    solution = ConeSolution(point, np.zeros((1, m)), np.zeros((1, m)), [0], [0])
    (found,) = recover(program.variables, solution)
    _, chain, inverse = problem.get_problem_data(cp.SCS)
    raw = {"x": point[0], "y": np.zeros(m), "s": np.zeros(m)}
    raw["info"] = {"status": "solved", "status_val": 1, "iter": 1, "pobj": 0.0}
    raw["info"] |= {"solve_time": 0.0, "setup_time": 0.0}
    expected = chain.invert(raw, inverse).primal_vars[X.id]
    expected = expected.toarray() if sp.issparse(expected) else expected
    if "PSD" not in options and "nonneg" not in options:
        np.testing.assert_allclose(found[0], expected, atol=1e-12)
    else:  # CVXPY projects onto the attribute, which a solution has already
        assert found.shape == (1, 3, 3)


def test_the_duals_of_eliminated_rows_are_those_of_cvxpy():
    x, W = cp.Parameter(3, name="x"), cp.Parameter((4, 3), name="W")
    b, z = cp.Parameter(4, name="b"), cp.Variable(4, name="z")
    copy = cp.Variable((4, 3), name="copy")
    copied = copy == W
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(z - copy @ x - b)), [z >= 0, copied]
    )

    wanted = [copy, copied.dual_variables[0], z]
    layer = CvxpyLayer(problem, [x, W, b], wanted, dtype="float64")
    assert layer.pipeline.reduction.structure.n == 4
    values = BY_NAME["relu"].values(2)
    outputs = layer(*values)
    for k in range(2):
        oracles.assign([x, W, b], [value[k] for value in values])
        problem.solve(solver=cp.CLARABEL)
        for found, variable in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(found[k], variable.value, atol=1e-6)
    assert layer.check_gradients(*values).max_relative_error < 1e-6


def test_parameters_with_the_same_name_are_kept_apart():
    a, b = cp.Parameter(2, name="p"), cp.Parameter(2, name="p")
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x <= b])
    _assert_same_numbers(
        Statement(problem, [b, a], [x]), [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    )


@pytest.mark.parametrize("objective", [False, True], ids=["constraint", "objective"])
def test_what_a_matrix_takes_is_not_its_square(objective):
    # The map of 10^4 numbers to 10^4 numbers, dense, takes 800 MB; the list of the
    # terms of A'A 70.
    x, y = cp.Parameter(100, name="x"), cp.Variable(100, name="y")
    A = cp.Parameter((100, 100), name="A")
    misfit = cp.sum_squares(A @ y - x if objective else y - x)
    problem = cp.Problem(cp.Minimize(misfit), [y >= 0] if objective else [A @ y <= 1])
    tracemalloc.start()
    try:
        CvxpyLayer(problem, [x, A], y)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 30e6, most


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_form_of_a_difference_with_a_parameter_is_a_sum_of_squares(sign):
    """CVXPY says of `quad_form(x - p, Q)` that it is DPP, but not beside a quadratic
    objective."""
    Q = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])
    p, x = cp.Parameter(3, name="p"), cp.Variable(3, name="x")
    form = 2.0 * cp.quad_form(x - p, sign * Q) + 1.0
    constraints = [cp.sum(x) == 1]
    objective = cp.Minimize(form) if sign > 0 else cp.Maximize(form)
    problem = cp.Problem(objective, constraints)
    layer = CvxpyLayer(
        problem, p, [x, constraints[0].dual_variables[0]], dtype="float64"
    )
    value = np.array([0.3, -2.0, 1.0])
    found, dual = layer(value)
    # Q (x - p) = 1 (1 - 1'p) / (1' Q^-1 1)
    rest = (1.0 - value.sum()) / np.linalg.inv(Q).sum()
    expected = value + rest * np.linalg.inv(Q).sum(1)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(dual, -4.0 * rest, atol=1e-11)
    assert layer.check_gradients(value).max_relative_error < 1e-7
