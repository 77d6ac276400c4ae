"""Solutions are those of closed forms, of CVXPY, and of the optimality conditions."""

import numpy as np

from tests import oracles
from tests.problems import BY_NAME, every_case
from tf_cvxlayers import Status


@every_case
def test_solutions_equal_those_of_cvxpy(case):
    values = case.values(3)
    result = case.layer().solve(*values)
    for k in range(3):
        expected = oracles.cvxpy_solution(case, [value[k] for value in values])
        for found, reference in zip(result.variables, expected, strict=True):
            # An interior-point reference is off by the root of its tolerance of 1e-11
            # where a cone is flat.
            np.testing.assert_allclose(found[k], reference, rtol=2e-5, atol=2e-5)


@every_case
def test_solutions_satisfy_the_optimality_conditions(case):
    result = case.layer().solve(*case.values(5, seed=1))
    assert (result.status.numpy() == int(Status.SOLVED)).all()
    for residual in (result.primal_residual, result.dual_residual, result.gap):
        assert residual.dtype == np.float64
        assert residual.numpy().max() <= 1e-9


def test_relu_is_the_positive_part():
    x, W, b = BY_NAME["relu"].values(6)
    (z,) = BY_NAME["relu"].layer()(x, W, b)
    expected = [oracles.relu(*each) for each in zip(x, W, b, strict=True)]
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-10)


def test_softmax_is_the_normalised_exponential():
    (x,) = BY_NAME["softmax"].values(6)
    (y,) = BY_NAME["softmax"].layer()(x)
    np.testing.assert_allclose(y, oracles.softmax(x), rtol=0, atol=1e-10)


def test_cube_solves_its_quadratic_equation():
    (p,) = BY_NAME["cube"].values(6)
    (x,) = BY_NAME["cube"].layer()(p)
    np.testing.assert_allclose(x, oracles.cube(p), rtol=0, atol=1e-10)


def test_spectraplex_is_the_projection_of_the_eigenvalues():
    C, D, t = BY_NAME["spectraplex"].values(4)
    X, Y = BY_NAME["spectraplex"].layer()(C, D, t)
    for k in range(4):
        expected = oracles.onto_spectraplex([C[k], D[k]], t[k])
        np.testing.assert_allclose(X[k], expected[0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(Y[k], expected[1], rtol=0, atol=1e-9)


def test_optnet_has_the_solution_and_multipliers_of_its_active_set():
    L, q, A, b, G, h = BY_NAME["optnet"].values(5)
    outputs = BY_NAME["optnet"].layer()(L, q, A, b, G, h)
    for k in range(5):
        expected = oracles.qp_solution(L[k].T @ L[k], q[k], A[k], b[k], G[k], h[k])
        for found, reference in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(found[k], reference, rtol=0, atol=1e-9)


def test_a_sparse_parameter_counts_only_its_entries():
    case = BY_NAME["attributes"]
    values = case.values(2)
    dense = case.values(2)
    gradient_free = np.zeros((3, 3), bool)
    gradient_free[[0, 0, 2], [1, 2, 0]] = True
    dense[1] = np.where(gradient_free, values[1], 0.0)
    np.testing.assert_array_equal(case.layer()(*values)[0], case.layer()(*dense)[0])
