"""Quadratic forms of expressions with parameters, as sums of squares.

CVXPY takes `quad_form(x - p, Q)` for DPP where objectives are linear; where they may be
quadratic, only without `p`, lest `Q` is a parameter too. With a constant
`Q = M M' - N N'` it is `|M'(x - p)|^2 - |N'(x - p)|^2`, in which `p` stays affine.
"""

from typing import Any

import cvxpy as cp
from cvxpy.atoms.quad_form import decomp_quad

from tf_cvxlayers.from_cvxpy.expressions import nodes_of, replaced


def with_squares(problem: Any) -> Any:
    """The problem with such forms in its objective written out; others as they are."""
    if not isinstance(problem, cp.Problem):
        return problem
    forms = [
        node
        for node in nodes_of([problem.objective])
        if isinstance(node, cp.QuadForm)
        and node.args[0].parameters()
        and node.args[1].is_constant()
        and not node.args[1].parameters()
    ]
    if not forms:
        return problem
    objective = replaced(problem.objective, {id(of): _squares(of) for of in forms})
    return cp.Problem(objective, problem.constraints)


def _squares(form: Any) -> Any:
    x, Q = form.args
    scale, M, N = decomp_quad(Q.value)
    x = cp.vec(x, order="F")
    terms = [
        sign * scale * cp.sum_squares(factor.T @ x)
        for sign, factor in ((1.0, M), (-1.0, N))
        if factor.size
    ]
    return cp.sum(terms) if terms else cp.Constant(0.0)
