"""What is recommended for a problem that is not DPP makes it DPP, and is the same."""

import re

import cvxpy as cp
import numpy as np
import pytest

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.from_cvxpy.rewrites import rewrites_of, rewritten


class Leaves:
    """Parameters with values, and variables, under the names in the cases below."""

    def __init__(self):
        rng = np.random.default_rng(0)
        shapes = {"X": (20, 3), "A": (3, 3), "b": 3, "v": 3, "K": (2, 2), "q": ()}
        for name, shape in shapes.items():
            parameter = cp.Parameter(shape, name=name)
            parameter.value = rng.normal(size=shape)
            setattr(self, name, parameter)
        for name in ("p", "C"):
            setattr(self, name, cp.Parameter(name=name, pos=True, value=0.7))
        self.S = cp.Parameter((3, 3), name="S", PSD=True)
        self.S.value = np.diag([1.0, 2.0, 3.0]) + 0.1
        self.x, self.w = cp.Variable(3, name="x"), cp.Variable(3, name="w")
        self.Z = cp.Variable((2, 2), name="Z")


# What is minimized, and what the advice has to say.
CASES = {
    "hinge": (
        lambda of: cp.sum_squares(of.w) + of.C * cp.sum(cp.pos(1 - of.X @ of.w)),
        r"u == X @ w",
    ),
    "norm of affine": (
        lambda of: of.C * cp.norm(of.A @ of.x - of.b) + cp.sum_squares(of.x),
        r"u == A @ x - b",
    ),
    "product in product": (
        lambda of: cp.sum_squares(of.p * (of.q * of.x) - 1),
        r"u == q \* x",
    ),
    "shift of a variable": (
        lambda of: cp.norm(of.A @ (of.x - of.v)) + cp.sum_squares(of.x),
        r"u == x - v",
    ),
    "product of parameters": (
        lambda of: cp.sum_squares(of.x - of.A @ of.b),
        r"Compute A @ b with TensorFlow, .*r = cp.Parameter\(3\)",
    ),
    "scalar product": (
        lambda of: cp.sum_squares(of.p * of.q * of.x - 1),
        r"Compute p \* q with TensorFlow, .*r = cp.Parameter\(\)",
    ),
    "function of a parameter": (
        lambda of: cp.sum_squares(cp.exp(of.q) * of.x - 1),
        r"Compute exp\(q\) .*r = cp.Parameter\(nonneg=True\)",
    ),
    "quotient": (
        lambda of: cp.sum_squares(of.x / of.p - 1),
        r"Feed 1 / p .*cp.multiply\(r, x\) for x / p",
    ),
    "quotient of norm": (
        lambda of: cp.norm(of.x - 1) / of.p + cp.sum_squares(of.x),
        r"Feed 1 / p .*r = cp.Parameter\(nonneg=True\)",
    ),
    "kron": (
        lambda of: cp.sum_squares(cp.kron(of.K, of.Z) - 1),
        r"cp.bmat\(\[\[K\[i, j\] \* Z for j in range\(2\)\] for i in range\(2\)\]\)",
    ),
    "kron from the right": (
        lambda of: cp.sum_squares(cp.kron(of.Z, of.K) - 1),
        r"cp.bmat\(\[\[Z\[i, j\] \* K",
    ),
    "convolve": (
        lambda of: cp.sum_squares(cp.convolve(of.v, of.x) - 1),
        r"T = cp.Parameter\(\(5, 3\)\), with v .*T @ x for convolve\(v, x\)",
    ),
    "several": (
        lambda of: of.C * cp.norm1(of.A @ of.x) + of.p * cp.norm(of.x - of.b),
        r"u == A @ x.*u2 == x - b",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_advice_makes_the_problem_dpp(name):
    of = Leaves()
    problem = cp.Problem(cp.Minimize(CASES[name][0](of)))
    assert problem.is_dcp()
    assert not problem.is_dpp()
    words, new = rewritten(problem)
    assert re.search(CASES[name][1], " ".join(words)), words
    assert new.is_dcp()
    assert new.is_dpp()
    given = list(problem.parameters())
    with pytest.raises(ProblemError) as raised:
        CvxpyLayer(problem, given, problem.variables())
    assert " ".join(words) in str(raised.value)
    # The new problem is a layer.
    CvxpyLayer(new, new.parameters(), problem.variables())


# What a parameter of the new problem is fed with.
FED = {
    "product of parameters": lambda of: of.A.value @ of.b.value,
    "scalar product": lambda of: of.p.value * of.q.value,
    "function of a parameter": lambda of: np.exp(of.q.value),
    "quotient": lambda of: 1.0 / of.p.value,
    "quotient of norm": lambda of: 1.0 / of.p.value,
    "convolve": lambda of: np.stack(
        [np.r_[np.zeros(j), of.v.value, np.zeros(2 - j)] for j in range(3)], axis=1
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_new_problem_has_the_same_solution(name):
    of = Leaves()
    problem = cp.Problem(cp.Minimize(CASES[name][0](of)))
    _, new = rewritten(problem)
    own = {parameter.id for parameter in problem.parameters()}
    for parameter in new.parameters():
        if parameter.id not in own:
            parameter.value = FED[name](of)
    expected = problem.solve(solver=cp.CLARABEL, ignore_dpp=True)
    assert new.solve(solver=cp.CLARABEL) == pytest.approx(expected, abs=1e-6)


def test_a_quadratic_form_in_a_constraint_has_a_square_root():
    of = Leaves()
    constraint = cp.quad_form(of.x, of.S) <= 1
    words, new = rewritten(cp.Problem(cp.Minimize(cp.sum(of.x)), [constraint]))
    assert "write cp.sum_squares(R @ x) for" in words[0]
    (R,) = (own for own in new.parameters() if own.name() == "R")
    R.value = np.linalg.cholesky(of.S.value).T
    inverse = np.linalg.inv(of.S.value)
    assert new.solve(solver=cp.CLARABEL) == pytest.approx(-np.sqrt(inverse.sum()))


def test_a_parameter_in_a_quadratic_form_moves_into_a_variable():
    of = Leaves()
    form = cp.quad_form(of.x - of.v, of.S)
    words, new = rewritten(cp.Problem(cp.Minimize(form), [cp.sum(of.x) == 1]))
    assert len(words) == 1
    assert "u == x - v" in words[0]
    assert new.is_dpp(quad_form_dpp="qp")
    words, new = rewritten(cp.Problem(cp.Minimize(cp.sum(of.x)), [form <= 1]))
    assert re.search(r"u == x - v.*sum_squares\(R @ u\)", " ".join(words))
    assert new.is_dpp()


def test_names_that_are_taken_are_not_given_again():
    u = cp.Parameter((4, 3), name="u")
    C, w = cp.Parameter(name="C", nonneg=True), cp.Variable(3, name="w")
    hinge = cp.sum_squares(w) + C * cp.sum(cp.pos(1 - u @ w))
    assert "u2 == u @ w" in rewrites_of(cp.Problem(cp.Minimize(hinge)))[0]


def test_what_nothing_helps_for_is_named_all_the_same():
    assert rewrites_of(cp.Problem(cp.Minimize(cp.sum(cp.Variable(3))))) == []
    # Too many terms to write out.
    p, x = cp.Parameter((60, 60), name="p"), cp.Variable((60, 60), name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(cp.kron(p, x)[:60, :60])))
    with pytest.raises(ProblemError, match=r"kron\(p, x\).*\(DPP\)|not affine in"):
        CvxpyLayer(problem, p, x)
