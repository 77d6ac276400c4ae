"""The continuous problems with which CVXPY tests solvers, as layers: the value that is
expected there, or the status."""

import cvxpy as cp
import numpy as np
import pytest
from cvxpy.tests import solver_test_helpers as theirs

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.errors import Status

PROBLEMS = {
    name: make
    for name, make in vars(theirs).items()
    if name.split("_")[0] in ("lp", "qp", "socp", "sdp", "expcone", "pcp")
    and callable(make)
}
_ARGUMENTS = {
    "socp_3": [{"axis": axis} for axis in (0, 1)],
    "sdp_1": [{"objective_sense": sense} for sense in ("min", "max")],
}
EACH = [
    pytest.param(make, arguments, id=f"{name}{''.join(map(str, arguments.values()))}")
    for name, make in PROBLEMS.items()
    for arguments in _ARGUMENTS.get(name, [{}])
]
_ENDS = {np.inf: Status.PRIMAL_INFEASIBLE, -np.inf: Status.DUAL_INFEASIBLE}


def _layer(problem, engine):
    """The problem times a number: a layer has a parameter."""
    scale = cp.Parameter(nonneg=True, name="scale")
    objective = type(problem.objective)(scale * problem.objective.args[0])
    problem = cp.Problem(objective, problem.constraints)
    return CvxpyLayer(
        problem, scale, problem.variables(), dtype="float64", engine=engine
    )


@pytest.mark.parametrize(
    "engine", ["interior_point", pytest.param("auto", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("make", "arguments"), EACH)
def test_the_value_is_the_one_expected_there(make, arguments, engine):
    helper = make(**arguments)
    expected = helper.expect_val
    found = _layer(helper.prob, engine).solve(np.array([1.0, 2.0]))
    status = set(found.status.numpy().tolist())
    if expected is not None and np.isinf(expected):
        sign = 1.0 if isinstance(helper.prob.objective, cp.Minimize) else -1.0
        assert status == {_ENDS[sign * expected]}
        return
    assert status == {Status.SOLVED}
    for k in range(2):
        for variable, value in zip(
            helper.prob.variables(), found.variables, strict=True
        ):
            variable.save_value(value[k].numpy())
        np.testing.assert_allclose(helper.prob.objective.value, expected, atol=5e-3)
        for constraint in helper.prob.constraints:
            assert np.max(constraint.violation(), initial=0.0) < 1e-6
