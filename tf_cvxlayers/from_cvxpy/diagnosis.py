"""Why a CVXPY problem cannot become a layer: the sub-expression, and a rewrite."""

from typing import Any

import cvxpy as cp
from cvxpy.atoms.affine.index import index, special_index

from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.from_cvxpy.expressions import culprit, nodes_of, shown
from tf_cvxlayers.from_cvxpy.rewrites import rewrites_of, undisciplined


def check_problem(problem: cp.Problem, gp: bool) -> None:
    """Raise a `ProblemError` for a problem that is not convex and DPP."""
    if not isinstance(problem, cp.Problem):
        raise ProblemError(
            "Expected a cvxpy.Problem. "
            f"Received: problem={problem!r} of type {type(problem).__name__}."
        )
    if not problem.variables():
        raise ProblemError(
            "Expected a problem with at least one variable. "
            f"Received: problem={problem}, which has none."
        )
    for variable in problem.variables():
        for attribute in ("integer", "boolean"):
            if variable.attributes[attribute]:
                raise ProblemError(
                    "Expected continuous variables: the solution of a mixed-integer "
                    "problem is piecewise constant and has no useful gradient. "
                    f"Received: variable '{variable.name()}' with {attribute}=True. "
                    "Relax it to bounds, such as cp.Variable(n, bounds=[0, 1])."
                )
    for leaf in [*problem.variables(), *problem.parameters()]:
        if leaf.is_complex():
            raise ProblemError(
                "Expected real variables and parameters. Received: complex "
                f"'{leaf.name()}'. Write the real and the imaginary part as two."
            )
    for constraint in problem.constraints:
        if isinstance(constraint, cp.constraints.FiniteSet):
            raise ProblemError(
                "Expected convex constraints. Received: the finite set "
                f"{constraint}; relax it to an interval."
            )
    for node in nodes_of([problem.objective, *problem.constraints]):
        if isinstance(node, cp.real | cp.imag):
            raise ProblemError(
                "Expected an expression in real numbers: CVXPY has cp.real and cp.imag "
                f"for complex ones alone. Received: {shown(node)}. Leave it out."
            )
        if isinstance(node, cp.perspective) and node.f.parameters():
            names = [parameter.name() for parameter in node.f.parameters()]
            raise ProblemError(
                "Expected cp.perspective of a function without parameters: CVXPY "
                "compiles it with the values that they have at that time. Received: "
                f"{node.f}, with the parameters {names}. Write its perspective out."
            )
    if gp:
        _check_rules(problem, "log-log convex (DGP)", True)
    else:
        _check_rules(problem, "convex (DCP)", False)


def check_parameters(
    problem, fed: list[Any], learned: dict[Any, Any], fixed: dict[Any, Any]
) -> None:
    """Raise a `ProblemError` unless each parameter has exactly one role."""
    if not isinstance(problem, cp.Problem):
        return  # `check_problem` says so
    given = [*fed, *learned, *fixed]
    for parameter in given:
        if not isinstance(parameter, cp.Parameter):
            raise ProblemError(
                "Expected fed, learned and fixed parameters to be cvxpy.Parameter "
                f"objects. Received: {parameter!r} of type {type(parameter).__name__}."
            )
    own = {parameter.id: parameter for parameter in problem.parameters()}
    ids = [parameter.id for parameter in given]
    for parameter in given:
        if ids.count(parameter.id) > 1:
            raise ProblemError(
                "Expected each parameter to be exactly one of fed, learned and fixed. "
                f"Received: parameter '{parameter.name()}' {ids.count(parameter.id)} "
                "times."
            )
        if parameter.id not in own:
            raise ProblemError(
                "Expected parameters that occur in the problem. Received: parameter "
                f"'{parameter.name()}' of shape {parameter.shape}, which does not; the "
                f"problem has {[own[key].name() for key in own]}."
            )
    for key, parameter in own.items():
        if key not in ids:
            raise ProblemError(
                "Expected each parameter of the problem to be exactly one of fed "
                "(listed in parameters=), learned (a key of learned=) and fixed (a key "
                f"of fixed=). Received: parameter '{parameter.name()}' of shape "
                f"{parameter.shape}, which is none of them."
            )


def check_variables(variables: list[Any]) -> None:
    """Raise a `ProblemError` for anything but CVXPY variables."""
    if not variables:
        raise ProblemError("Expected at least one variable. Received: variables=[].")
    for variable in variables:
        if not isinstance(variable, cp.Variable):
            raise ProblemError(
                "Expected variables to be cvxpy.Variable objects, or dual variables of "
                "constraints (constraint.dual_variables[0]). Received: "
                f"{variable} of type {type(variable).__name__}.{_returned(variable)}"
            )


def _returned(expression: Any) -> str:
    """What to return instead of an expression."""
    if not isinstance(expression, cp.Expression) or not expression.variables():
        return ""
    names = ", ".join(variable.name() for variable in expression.variables())
    if isinstance(expression, index | special_index):
        return f" Return {names} and slice the output: layer(...)[...]."
    return f" Return {names} and compute the expression from the output."


def _check_rules(problem, words: str, dgp: bool) -> None:
    parts = [problem.objective, *problem.constraints]
    if not (problem.is_dgp() if dgp else problem.is_dcp()):
        node = culprit(
            parts, (lambda node: node.is_dgp()) if dgp else (lambda node: node.is_dcp())
        )
        raise ProblemError(
            f"Expected a {words} problem. Received: {shown(node)}, which is not, in "
            f"{_context(problem)}. Check the curvature with `expression.curvature`; "
            + (
                "every variable and parameter of a geometric program is positive."
                if dgp
                else "minimize convex, maximize concave, and write constraints as "
                "convex <= concave."
            )
        )
    if dgp and problem.is_dpp("dgp"):
        return
    node = (
        culprit(parts, lambda node: node.is_dgp(dpp=True))
        if dgp
        else undisciplined(problem)
    )
    if node is None:
        return
    raise ProblemError(
        "Expected a problem that follows the rules of disciplined parametrized "
        f"programming (DPP). Received: {shown(node)}, which does not, in "
        f"{_context(problem)}. {_advice(problem, node, dgp)}"
    )


def _context(problem) -> str:
    return f"the problem `{shown(problem, 200)}`"


def _advice(problem, node, dgp: bool) -> str:
    """How to say the same under DPP."""
    if words := [] if dgp else rewrites_of(problem):
        return " ".join(words)
    names = [parameter.name() for parameter in node.parameters()]
    return (
        f"It is not affine in the parameters {names}. Compute that part with "
        "TensorFlow and feed the result as a parameter of its own."
    )
