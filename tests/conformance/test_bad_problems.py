"""What cannot become a layer is refused, with the culprit and a way out."""

import cvxpy as cp
import numpy as np
import pytest

from tests.problems import BY_NAME
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.errors import ParameterError, ProblemError

x = cp.Variable(2, name="x")
a, b = cp.Parameter(2, name="a"), cp.Parameter(2, name="b")
A, B = cp.Parameter((2, 2), name="A"), cp.Parameter((2, 2), name="B")
P = cp.Parameter((2, 2), name="P", PSD=True)
SQUARES = cp.sum_squares(x - a)


def _minimized(objective, *constraints):
    return cp.Problem(cp.Minimize(objective), list(constraints))


def _integer():
    return cp.Variable(2, name="whole", integer=True)


# problem, fed parameters, variables, what the message says
BAD = {
    "product of parameters": (
        lambda: (_minimized(cp.sum_squares(A @ (B @ x) - a)), [A, B, a], x),
        r"A @ B.*which does not.*u == B @ x",
    ),
    "product in a constraint": (
        lambda: (_minimized(cp.sum_squares(x), (a[0] * b) @ x <= 1), [a, b], x),
        r"\(DPP\).*Received: a\[0\] \* b.*Compute a\[0\] \* b with.*cp.Parameter\(2\)",
    ),
    "parameter under a function": (
        lambda: (_minimized(SQUARES, x <= cp.exp(b)), [a, b], x),
        r"exp\(b\).*",
    ),
    "quad_form in a constraint": (
        lambda: (_minimized(SQUARES, cp.quad_form(x, P) <= 1), [a, P], x),
        r"(QuadForm|quad_form)\(x, P\).*sum_squares\(R @ x\)",
    ),
    "nonconvex objective": (
        lambda: (_minimized(-cp.sum_squares(x - a)), [a], x),
        r"convex \(DCP\).*curvature",
    ),
    "nonconvex constraint": (
        lambda: (_minimized(SQUARES, cp.norm(x) >= 1), [a], x),
        r"convex \(DCP\).*<= ",
    ),
    "integer variable": (
        lambda: (_minimized(cp.sum_squares(w := _integer()) + a @ w), [a], w),
        r"'whole' with integer=True.*bounds",
    ),
    "boolean variable": (
        lambda: (
            _minimized(a @ (w := cp.Variable(2, name="on", boolean=True))),
            [a],
            w,
        ),
        r"'on' with boolean=True",
    ),
    "complex variable": (
        lambda: (_minimized(cp.norm((w := cp.Variable(2, complex=True)) - a)), [a], w),
        r"real variables.*real and the imaginary part",
    ),
    "complex parameter": (
        lambda: (_minimized(cp.norm(x - (w := cp.Parameter(2, complex=True)))), [w], x),
        r"real variables",
    ),
    "no role for a parameter": (
        lambda: (_minimized(SQUARES + b @ x), [a], x),
        r"'b' of shape \(2,\), which is none of them",
    ),
    "a parameter fed twice": (
        lambda: (_minimized(SQUARES), [a, a], x),
        r"'a' 2 times",
    ),
    "foreign parameter": (
        lambda: (_minimized(SQUARES), [a, b], x),
        r"'b' of shape \(2,\), which does not",
    ),
    "foreign variable": (
        lambda: (_minimized(SQUARES), [a], cp.Variable(3, name="other")),
        r"'other' of shape \(3,\).*\['x'\]",
    ),
    "a number for a parameter": (
        lambda: (_minimized(SQUARES), [1.0], x),
        r"1.0 of type",
    ),
    "an expression for a variable": (
        lambda: (_minimized(SQUARES), [a], x + 1.0),
        r"cvxpy.Variable objects.*of type",
    ),
    "no variable": (lambda: (_minimized(SQUARES), [a], []), r"at least one variable"),
    "no problem": (lambda: (SQUARES, [a], x), r"Expected a cvxpy.Problem"),
    "problem without variables": (
        lambda: (_minimized(cp.sum_squares(a)), [a], x),
        r"at least one variable.*none",
    ),
    "finite set": (
        lambda: (_minimized(SQUARES, cp.constraints.FiniteSet(x, [0, 1])), [a], x),
        r"finite set.*interval",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_problem_that_cannot_become_a_layer_says_why(name):
    make, words = BAD[name]
    with pytest.raises(ProblemError, match=rf"(?s){words}") as caught:
        CvxpyLayer(*make())
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("Expected")
    assert "Received" in str(caught.value)


def test_a_parameter_with_two_roles_is_refused():
    with pytest.raises(ProblemError, match="'a' 2 times"):
        CvxpyLayer(_minimized(SQUARES), [a], x, learned={a: "zeros"})


def test_a_problem_that_is_not_log_log_convex_is_refused():
    u = cp.Variable(pos=True)
    with pytest.raises(ProblemError, match=r"log-log convex \(DGP\).*positive"):
        CvxpyLayer(_minimized(u - cp.sum(a) / u), [a], u, gp=True)


def test_duals_of_a_geometric_program_are_refused():
    statement = BY_NAME["box_gp"].state()
    dual = statement.problem.constraints[0].dual_variables[0]
    with pytest.raises(ProblemError, match="gp=True"):
        CvxpyLayer(statement.problem, statement.parameters, dual, gp=True)


def test_an_unknown_engine_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'auto'.*'diffcp'.*engine='magic'"):
        CvxpyLayer(_minimized(SQUARES), a, x, engine="magic")


def test_an_engine_that_lacks_a_cone_names_it():
    case = BY_NAME["power_projection"]
    with pytest.raises(ProblemError, match=r"power.*engine='auto'"):
        case.new_layer(engine=Diffcp(solver="clarabel"))
    with pytest.raises(ProblemError, match="quadratic objective"):
        BY_NAME["relu"].new_layer(engine=Diffcp(solver="ecos"))


@pytest.mark.parametrize(
    "setting",
    [
        {"solver": "simplex"},
        {"derivative": "adjoint"},
        {"tolerance": 0.0},
        {"tolerance": 1.0},
        {"max_iterations": 0},
        {"threads": 0},
    ],
)
def test_an_impossible_engine_setting_is_named(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"Received: {name}="):
        Diffcp(**setting)


def test_an_unknown_failure_policy_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'raise', 'nan'.*on_failure='ignore'"):
        CvxpyLayer(_minimized(SQUARES), a, x, on_failure="ignore")


@pytest.mark.parametrize("role", ["learned", "fixed"])
def test_a_constant_of_the_wrong_kind_names_the_parameter(role):
    problem = _minimized(SQUARES + cp.quad_form(x, P))
    for value, words in (
        (np.ones((2, 3)), r"'P' to have shape \(2, 2\)"),
        (-np.eye(2), "'P' to be symmetric positive semidefinite"),
        (np.full((2, 2), np.nan), "'P' to be finite"),
        ([["one"]], "'P' to be an array of numbers"),
    ):
        with pytest.raises(ParameterError, match=words):
            CvxpyLayer(problem, a, x, **{role: {P: value}})


def test_unknown_keys_of_a_learned_parameter_are_named():
    with pytest.raises(ProblemError, match=r"learned\['a'\].*\['initialiser'\]"):
        CvxpyLayer(_minimized(SQUARES), [], x, learned={a: {"initialiser": "zeros"}})


@pytest.mark.parametrize("solver", ["clarabel", "scs"])
def test_a_setting_that_the_solver_does_not_know_is_named(solver):
    with pytest.raises(ValueError, match=rf"(?s){solver}.*no_such_setting"):
        Diffcp(solver=solver, solver_options={"no_such_setting": 1})
