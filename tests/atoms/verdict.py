"""What comes of a problem as a layer: the right value and gradient, or a refusal."""

import warnings

import cvxpy as cp
import numpy as np

from tests.atoms.places import Stated
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.errors import ProblemError

ROLES = ("fed", "learned", "fixed")
# What another solver's answer may be off by, and a gradient.
_VALUE, _GRADIENT = 3e-4, 1e-4


def verdict(stated: Stated, role: str) -> str:
    """`right`, or what is wrong, or `refused: ` and why.

    Values are those of CVXPY with Clarabel; gradients, of fed and learned parameters,
    those of differences.
    """
    problem, parameter = stated.problem, stated.parameter
    given = parameter.value
    try:
        layer = CvxpyLayer(
            problem,
            [parameter] if role == "fed" else [],
            stated.variable,
            learned={parameter: given} if role == "learned" else None,
            fixed={parameter: given} if role == "fixed" else None,
            gp=stated.gp,
            dtype="float64",
        )
    except ProblemError as error:
        return f"refused: {error}"
    fed = [given] if role == "fed" else []
    result = layer.solve(*fed)
    status, expected = Status(int(result.status)), _solved(stated)
    if status is not Status.SOLVED:
        return f"{status.name}; by CVXPY: {problem.status}"
    off = np.abs(result.variables.numpy() - expected).max()
    if off > _VALUE:
        return f"value off by {off:.1e}"
    if role != "fixed":
        report = layer.check_gradients(*fed, directions=2)
        if report.max_relative_error > _GRADIENT:
            return f"gradient {report}"
    return "right"


def _solved(stated: Stated) -> np.ndarray:
    """The variable, by CVXPY."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stated.problem.solve(solver=cp.CLARABEL, gp=stated.gp)
        except cp.error.SolverError:
            return np.full(stated.variable.shape, np.nan)
    return np.asarray(stated.variable.value)
