"""How to say the same under the rules of disciplined parametrized programming (DPP).

A product of two expressions that both hold parameters is what is mostly in the way. For
each expression that is, there are a few things to say instead (`candidates`); each is
put in its place in a copy of the problem, and the first that CVXPY then finds to be DPP
is recommended.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import cvxpy as cp
from cvxpy.utilities.scopes import quad_form_dpp_scope

from tf_cvxlayers.from_cvxpy.candidates import Rewrite, candidates
from tf_cvxlayers.from_cvxpy.expressions import culprit, nodes_of, replaced

# How many expressions of a problem are rewritten, and how many problems are looked at.
_DEPTH, _MOST = 4, 200


def undisciplined(problem: cp.Problem) -> Any:
    """The smallest expression of a convex problem that does not follow the rules of
    DPP, or that CVXPY does not compile though it does; None where there is none."""
    parts = [problem.objective, *problem.constraints]
    for node in nodes_of(parts):
        # Its cones hold Kronecker products, which take no parameters.
        if isinstance(node, cp.quantum_rel_entr) and node.parameters():
            return node
    if problem.is_dpp(quad_form_dpp="qp"):
        return None
    with quad_form_dpp_scope():
        node = culprit(parts[:1], _is_dpp)
    return culprit(parts[1:], _is_dpp) if node is None else node


def _is_dpp(node: Any) -> bool:
    return node.is_dcp(dpp=True)


def rewrites_of(problem: cp.Problem) -> list[str]:
    """What makes a convex problem DPP, in words, one sentence for each expression that
    is in the way; nothing where nothing was found that does."""
    return rewritten(problem)[0]


def rewritten(problem: cp.Problem) -> tuple[list[str], cp.Problem]:
    """The words of `rewrites_of`, and the problem that follows them."""
    looks = itertools.count()
    for depth in range(1, _DEPTH + 1):
        if found := _mended(problem, depth, looks):
            return found
    return [], problem


def _mended(
    problem: cp.Problem, depth: int, looks: Iterator[int]
) -> tuple[list[str], cp.Problem] | None:
    """The words of so many rewrites after which the problem is DPP, and the problem;
    None if there are none."""
    node = undisciplined(problem)
    if node is None:
        return [], problem
    if not depth or next(looks) > _MOST:
        return None
    leaves = [*problem.variables(), *problem.parameters()]
    for rewrite in candidates(node, {leaf.name() for leaf in leaves}):
        new = _applied(problem, rewrite)
        if new is None:
            continue
        if found := _mended(new, depth - 1, looks):
            return [rewrite.words, *found[0]], found[1]
    return None


def _applied(problem: cp.Problem, rewrite: Rewrite) -> cp.Problem | None:
    """The problem with a rewrite; None where CVXPY refuses it, or it is not convex."""
    places = {id(old): new for old, new in rewrite.places}
    try:
        objective = replaced(problem.objective, places)
        constraints = [
            replaced(constraint, places) for constraint in problem.constraints
        ]
        new = cp.Problem(objective, [*constraints, *rewrite.constraints])
        return new if new.is_dcp() else None
    except Exception:  # atoms check their arguments in many ways
        return None
