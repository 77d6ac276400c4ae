"""A batch element without a solution is reported, and does not touch the others."""

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_identical, outputs_and_gradients
from tests.problems import BY_NAME, Case, Statement, every_case
from tf_cvxlayers import CvxpyLayer, Status, clear_errors
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.errors import ParameterError, SolverError

pytestmark = pytest.mark.usefixtures("steady")

MODES = pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])


def _infeasible(k=3, size=8):
    """Values of `allocation` for a batch in which element `k` is infeasible."""
    A, b, low, total = BY_NAME["allocation"].values(size)
    low[k] = 10.0
    return [A[0], b, low, total]


def _unbounded():
    c, x = cp.Parameter(2, name="c"), cp.Variable(2, name="x")
    return Statement(cp.Problem(cp.Minimize(c @ x), [x >= -1]), [c], [x])


UNBOUNDED = Case("unbounded", _unbounded, lambda rng: [rng.uniform(1.0, 2.0, size=2)])


@MODES
def test_nan_leaves_the_other_elements_as_they_are_alone(graph):
    layer = BY_NAME["allocation"].new_layer(on_failure="nan")

    def run(*values):
        return outputs_and_gradients(layer, values)

    run = tf.function(run) if graph else run
    A, b, low, total = _infeasible()
    others = np.arange(8) != 3
    (x,), (dA, *each) = run(A, b, low, total)
    (alone,), (dA_alone, *each_alone) = run(A, b[others], low[others], total[others])
    assert np.isnan(x[3]).all()
    assert_identical(x.numpy()[others], alone)
    for found, expected in zip(each, each_alone, strict=True):
        np.testing.assert_array_equal(found[3], np.zeros_like(found[3]))
        assert_identical(found.numpy()[others], expected)
    # The matrix is shared by the batch: its gradient is a sum over the others.
    np.testing.assert_allclose(dA, dA_alone, rtol=1e-12)


@every_case
def test_nan_takes_an_element_that_is_not_finite(case):
    layer, values = case.new_layer(on_failure="nan"), case.values(3)
    expected, of_expected = outputs_and_gradients(layer, values)
    broken = [value.copy() for value in values]
    broken[0][1] = np.nan
    outputs, gradients = outputs_and_gradients(layer, broken)
    assert layer.solve(*broken).status.numpy()[1] == Status.NUMERICAL_ERROR
    for found, reference in zip(outputs, expected, strict=True):
        assert np.isnan(found[1]).all()
        assert_identical(found.numpy()[[0, 2]], reference.numpy()[[0, 2]])
    for found, reference in zip(gradients, of_expected, strict=True):
        assert not np.any(found[1])
        assert_identical(found.numpy()[[0, 2]], reference.numpy()[[0, 2]])


def test_nan_where_a_value_is_against_its_attribute():
    layer = BY_NAME["attributes"].new_layer(on_failure="nan")
    values = BY_NAME["attributes"].values(3)
    values[3][2, 0] = -1.0
    (x,), _ = outputs_and_gradients(layer, values)
    assert [bool(flag) for flag in np.isnan(x).all(axis=1)] == [False, False, True]


def test_a_batch_without_any_solution_is_nan_with_zero_gradients():
    layer = BY_NAME["allocation"].new_layer(on_failure="nan")
    A, b, low, total = BY_NAME["allocation"].values(2)
    (x,), gradients = outputs_and_gradients(layer, [A, b, low + 10.0, total])
    assert np.isnan(x).all()
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_raise_names_the_elements_their_statuses_and_a_way_out():
    values = _infeasible(k=3)
    values[2][5] = 10.0
    with pytest.raises(SolverError) as caught:
        BY_NAME["allocation"].layer()(*values)
    assert caught.value.indices == (3, 5)
    assert caught.value.statuses == (Status.PRIMAL_INFEASIBLE,) * 2
    for words in ("element 3: PRIMAL_INFEASIBLE", "relax", "on_failure='nan'"):
        assert words in str(caught.value)


def test_raise_counts_elements_of_several_batch_dimensions_in_order():
    A, b, low, total = BY_NAME["allocation"].values(2, 3)
    low[1, 2] = 10.0
    with pytest.raises(SolverError) as caught:
        BY_NAME["allocation"].layer()(A, b, low, total)
    assert caught.value.indices == (5,)


def test_raise_in_a_graph_becomes_a_solver_error_under_clear_errors():
    graph = tf.function(BY_NAME["allocation"].layer())
    with pytest.raises(SolverError) as caught, clear_errors():
        graph(*_infeasible(k=6))
    assert caught.value.indices == (6,)
    assert caught.value.statuses == (Status.PRIMAL_INFEASIBLE,)


def test_raise_in_a_graph_names_the_failure_without_clear_errors():
    graph = tf.function(BY_NAME["allocation"].layer())
    with pytest.raises(tf.errors.InvalidArgumentError, match="2: PRIMAL_INFEASIBLE"):
        graph(*_infeasible())


def _fitted(on_failure, x):
    p, low, y = cp.Parameter(2, name="p"), cp.Parameter(name="low"), cp.Variable(2)
    objective = cp.Minimize(cp.sum_squares(y - p))
    problem = cp.Problem(objective, [y >= low, cp.sum(y) <= cp.sum(p)])
    layer = CvxpyLayer(
        problem, p, y, learned={low: "zeros"}, on_failure=on_failure, dtype="float64"
    )
    model = keras.Sequential([keras.Input((2,), dtype="float64"), layer])
    model.compile("sgd", lambda _, output: keras.ops.sum(output, axis=-1))
    model.fit(x, np.zeros(len(x)), batch_size=len(x), shuffle=False, verbose=0)
    return layer


def test_fit_raises_a_solver_error_under_clear_errors():
    x = np.array([[1.0, 2.0], [-3.0, 1.0], [2.0, 2.0]])
    with pytest.raises(SolverError) as caught, clear_errors():
        _fitted("raise", x)
    assert caught.value.indices == (1,)


def test_clear_errors_leaves_other_exceptions_alone():
    with pytest.raises(ZeroDivisionError), clear_errors():
        1 / 0  # noqa: B018
    with pytest.raises(tf.errors.InvalidArgumentError), clear_errors():
        tf.debugging.assert_equal(1, 2)


def test_solve_never_raises_for_a_missing_solution():
    result = BY_NAME["allocation"].layer().solve(*_infeasible())
    expected = np.full(8, int(Status.SOLVED))
    expected[3] = Status.PRIMAL_INFEASIBLE
    np.testing.assert_array_equal(result.status, expected)
    assert np.isnan(result.variables[0].numpy()).all(axis=1).tolist() == [
        k == 3 for k in range(8)
    ]


@pytest.mark.parametrize("engine", [Diffcp(), Diffcp(solver="scs")], ids=str)
def test_an_unbounded_problem_is_dual_infeasible(engine):
    layer = UNBOUNDED.new_layer(engine=engine)
    (c,) = UNBOUNDED.values(2)
    c[1] = [-1.0, 1.0]
    assert layer.solve(c).status.numpy().tolist() == [
        Status.SOLVED,
        Status.DUAL_INFEASIBLE,
    ]
    with pytest.raises(SolverError, match="unbounded below"):
        layer(c)


@pytest.mark.parametrize("engine", [Diffcp(), Diffcp(solver="scs")], ids=str)
def test_an_infeasible_problem_is_primal_infeasible(engine):
    layer = BY_NAME["allocation"].new_layer(engine=engine)
    assert layer.solve(*_infeasible()).status.numpy()[3] == Status.PRIMAL_INFEASIBLE


a = cp.Parameter(name="a")
t, u = cp.Variable(name="t"), cp.Variable(2, name="u")
X = cp.Variable((2, 2), PSD=True, name="X")
FAILING = {
    # objective, constraints, a value with a solution, and one without
    "infeasible_second_order": (u[1], [cp.norm(u) <= 1, u[0] == a], 0.5, 2.0),
    "infeasible_psd": (X[0, 0], [cp.trace(X) == 1, X[0, 1] == a], 0.3, 0.7),
    "infeasible_exponential": (-t, [cp.exp(t) <= a], 2.0, -1.0),
    "unbounded_second_order": (a * t - u[0], [cp.norm(u) <= t, u[1] == 1], 2.0, -1.0),
    "unbounded_psd": (a * cp.trace(X), [X[0, 1] == 1], 1.0, -1.0),
    "unbounded_exponential": (a * t, [cp.exp(t) <= 1], -1.0, 1.0),
}


@pytest.mark.parametrize("name", FAILING)
def test_failures_of_every_cone_are_classified(name):
    objective, constraints, good, bad = FAILING[name]
    problem = cp.Problem(cp.Minimize(objective), constraints)
    layer = CvxpyLayer(problem, a, problem.variables(), dtype="float64")
    status = layer.solve(np.array([good, bad, good])).status.numpy().tolist()
    kind = "PRIMAL" if name.startswith("infeasible") else "DUAL"
    assert status == [Status.SOLVED, Status[f"{kind}_INFEASIBLE"], Status.SOLVED]


@pytest.mark.parametrize(
    ("engine", "name", "first"),
    [
        (Diffcp(max_iterations=1), "log_sum_exp", Status.ITERATION_LIMIT),
        # Newton's method nearly finishes what one iteration began.
        (Diffcp(solver="scs", max_iterations=1), "maxcut", Status.INACCURATE),
    ],
)
def test_too_few_iterations_are_an_iteration_limit(engine, name, first):
    case = BY_NAME[name]
    layer, values = case.new_layer(engine=engine), case.values(2)
    result = layer.solve(*values)
    assert result.status.numpy().tolist() == [first, Status.ITERATION_LIMIT]
    assert result.iterations.numpy().max() <= 1
    with pytest.raises(SolverError, match="max_iterations"):
        layer(*values)


BAD_VALUES = [
    ("qp_quad_form", 1, lambda v: v * np.nan, "'q' to be finite.*NaN or infinity"),
    ("qp_quad_form", 1, lambda v: v * np.inf, "'q' to be finite"),
    ("qp_quad_form", 0, lambda v: -v, "'P' to be symmetric positive semidefinite"),
    ("qp_quad_form", 0, lambda v: v + np.triu(v), "'P' to be symmetric positive"),
    ("maximized_nsd", 0, lambda v: -v, "'N' to be symmetric negative semidefinite"),
    ("spectraplex", 0, lambda v: v + np.triu(v, 1), "'C' to be symmetric"),
    ("spectraplex", 2, lambda v: 0.0 * v, "'t' to be positive"),
    ("attributes", 0, lambda v: v + 1.0, "'D' to be diagonal"),
    ("attributes", 1, lambda v: v + 1.0, "'S' to be zero outside its sparsity"),
    ("attributes", 3, lambda v: -v, "'weight' to be nonnegative"),
    ("attributes", 4, lambda v: v + 2.0, "'upper' to be within its bounds"),
    ("attributes", 5, lambda v: -v, "'shift' to be nonpositive"),
    ("box_gp", 0, lambda v: -v, "'a' to be positive"),
]


# In a graph the words are the same, and come the same way: three of them are looked at,
# and one in the fast suite.
IN_GRAPHS = [
    pytest.param(*row, True, id=f"{row[3]}-graph", marks=pytest.mark.slow if k else ())
    for k, row in enumerate(BAD_VALUES[:3])
]
EAGERLY = [pytest.param(*row, False, id=f"{row[3]}-eager") for row in BAD_VALUES]


@pytest.mark.parametrize(
    ("name", "place", "spoil", "words", "graph"), EAGERLY + IN_GRAPHS
)
def test_a_bad_value_names_the_parameter_and_the_elements(
    name, place, spoil, words, graph
):
    case = BY_NAME[name]
    values = case.values(3)
    values[place][1] = spoil(values[place][1])
    call = tf.function(case.layer()) if graph else case.layer()
    with (
        pytest.raises(ParameterError, match=rf"(?s){words}.*batch elements \[1\]"),
        clear_errors(),
    ):
        call(*values)


def test_rounding_in_single_precision_is_not_against_an_attribute():
    for name in ("qp_quad_form", "maximized_nsd", "spectraplex", "attributes"):
        case = BY_NAME[name]
        values = [value.astype("float32") for value in case.values(4)]
        if name == "qp_quad_form":
            values[0] = values[0] * (1.0 + 1e-7 * np.triu(np.ones((5, 5)), 1))
        case.layer()(*[value.astype("float32") for value in values])
