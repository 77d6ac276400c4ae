"""Random quadratic programs of random sizes and batches, against their active sets."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.problems import optnet, optnet_sample
from tf_cvxlayers import CvxpyLayer

pytestmark = pytest.mark.slow
SLOWLY = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@SLOWLY
@given(
    st.integers(1, 6),
    st.integers(0, 2),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_optnet_of_any_size_has_the_solution_of_its_active_set(
    n, equalities, inequalities, batch, seed
):
    equalities = min(equalities, n - 1)
    statement = (
        optnet(n, equalities, inequalities) if equalities else _without(n, inequalities)
    )
    rng = np.random.default_rng(seed)
    # No more active rows than there is room for beside the equalities.
    inequalities_active = inequalities // 2 + equalities <= n
    rows = [optnet_sample(rng, n, equalities, inequalities) for _ in range(batch)]
    values = [np.stack(part) for part in zip(*rows, strict=True)]
    fed = values if equalities else [values[k] for k in (0, 1, 4, 5)]
    layer = CvxpyLayer(
        statement.problem, statement.parameters, statement.variables, dtype="float64"
    )
    x = layer(*fed)[0]
    for k in range(batch):
        L, q, A, b, G, h = (value[k] for value in values)
        if inequalities_active:
            expected, *_ = oracles.qp_solution(L.T @ L, q, A, b, G, h)
            np.testing.assert_allclose(x[k], expected, rtol=0, atol=1e-7)
    if inequalities_active:
        report = layer.check_gradients(*fed, step=1e-6)
        assert report.max_relative_error < 1e-5


def _without(n, inequalities):
    """OptNet's QP without equalities."""
    from tests.problems import Statement

    L, q = cp.Parameter((n, n), name="L"), cp.Parameter(n, name="q")
    G, h = (
        cp.Parameter((inequalities, n), name="G"),
        cp.Parameter(inequalities, name="h"),
    )
    x = cp.Variable(n, name="x")
    objective = cp.Minimize(0.5 * cp.sum_squares(L @ x) + q @ x)
    return Statement(cp.Problem(objective, [G @ x <= h]), [L, q, G, h], [x])
