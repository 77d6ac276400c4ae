"""The adjoint is the transposed inverse of the optimality conditions' Jacobian."""

import numpy as np
import pytest
import tensorflow as tf

from tests.problems import BY_NAME
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.linalg.dense_symmetric import DenseSymmetric
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.sparse import symmetric_to_dense, to_dense
from tf_cvxlayers.optimality.adjoint import direct_adjoint
from tf_cvxlayers.optimality.cones.derivative import (
    DerivativePattern,
    derivative_entries,
)
from tf_cvxlayers.optimality.cones.product import Spectrum
from tf_cvxlayers.optimality.kkt import kkt_system
from tf_cvxlayers.optimality.matrices import Matrices, dense_matrices
from tf_cvxlayers.pipeline.problem_data import computed, problem_data
from tf_cvxlayers.program.cone_program import ConeData
from tf_cvxlayers.program.cones import ConeDims

NAMES = ["optnet", "ellipsoid", "maxcut", "softmax", "power_projection"]


def solved(name, batch=3):
    """The cone program of a row of the catalogue, solved: structure, data, solution."""
    case = BY_NAME[name]
    program = case.layer().pipeline.program
    flat = [tf.constant(v.reshape(batch, -1)) for v in case.values(batch)]
    data = computed(problem_data(program, flat))
    engine = Diffcp(solver="scs") if name == "power_projection" else Diffcp()
    return program.structure, data, engine.solve(program.structure, data)


def _cotangent(structure, batch=3):
    rng = np.random.default_rng(0)
    n, m = structure.n, structure.m
    return tuple(tf.constant(rng.normal(size=(batch, k))) for k in (n, m, m))


def _matrices(structure, data, solution):
    """Dense `P`, `A` and `D` in NumPy."""
    P = symmetric_to_dense(structure.P, data.P).numpy()
    A = to_dense(structure.A, data.A).numpy()
    batch = len(solution.x)
    P, A = (np.broadcast_to(M, (batch, *M.shape[1:])) for M in (P, A))
    pattern = DerivativePattern.of(structure.cones)
    D = np.zeros((batch, structure.m, structure.m))
    cone = Spectrum.at(structure.cones, solution.y, solution.s)
    for k, entries in enumerate(derivative_entries(cone).numpy()):
        E11, E12, E21 = pattern.matrices(entries)
        D[k] = (E11 + E12 @ E21).toarray()
    return P, A, D


@pytest.mark.parametrize("name", NAMES)
def test_the_adjoint_solves_the_transposed_system(name):
    structure, data, solution = solved(name)
    cotangent = _cotangent(structure)
    gx, gy, gs = (part.numpy() for part in cotangent)
    P, A, D = _matrices(structure, data, solution)
    found = direct_adjoint(structure, data, solution, cotangent)
    for k in range(3):
        eye = np.eye(structure.m)
        J = np.block([[P[k], A[k].T @ D[k]], [-A[k], eye - D[k]]])
        right = np.r_[gx[k], D[k] @ (gy[k] + gs[k]) - gs[k]]
        r = np.linalg.solve(J.T, right)
        r1, r2 = r[: structure.n], r[structure.n :]
        x, y = solution.x[k].numpy(), solution.y[k].numpy()
        dA = np.outer(r2, x) - np.outer(y, r1)
        dP = -0.5 * (np.outer(r1, x) + np.outer(x, r1))
        expected = ConeData(
            P=dP[structure.P.rows, structure.P.columns],
            q=-r1,
            A=dA[structure.A.rows, structure.A.columns],
            b=-r2,
        )
        for one, other, values in zip(found, expected, data, strict=True):
            if values.shape[0] != 1:  # shared values get the sum over the batch
                np.testing.assert_allclose(one[k], other, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["optnet", "maxcut"])
def test_values_shared_by_the_batch_get_the_sum(name):
    structure, data, solution = solved(name)
    cotangent = _cotangent(structure)
    shared = ConeData(*(part[:1] for part in data))
    solution = solution._replace(
        **{key: tf.repeat(getattr(solution, key)[:1], 3, axis=0) for key in "xys"}
    )
    copies = ConeData(*(tf.repeat(part, 3, axis=0) for part in shared))
    found = direct_adjoint(structure, shared, solution, cotangent)
    each = direct_adjoint(structure, copies, solution, cotangent)
    for one, many in zip(found, each, strict=True):
        total = tf.reduce_sum(many, axis=0, keepdims=True)
        np.testing.assert_allclose(one, total, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_zero_cotangent_gives_exactly_zero(name):
    structure, data, solution = solved(name)
    cotangent = tuple(tf.zeros_like(part) for part in _cotangent(structure))
    for part in direct_adjoint(structure, data, solution, cotangent):
        np.testing.assert_array_equal(part, np.zeros(part.shape))


def _system(structure, data, solution):
    problem = dense_matrices(structure, data)
    return kkt_system(structure.cones, problem, solution.y, solution.s)


@pytest.mark.parametrize("name", NAMES)
def test_the_system_is_solved_to_rounding(name):
    structure, data, solution = solved(name)
    system = _system(structure, data, solution)
    rng = np.random.default_rng(0)
    n, m = structure.n, structure.m
    d = system.cone.values
    right = tf.constant(rng.normal(size=(3, n))), d * rng.normal(size=(3, m))
    (r, e), kept = system.factored().solve_until(right, 1e-11, 6)
    assert kept.numpy().all()
    for part in system.residual(right, r, e):
        np.testing.assert_allclose(part, np.zeros(part.shape), atol=1e-8)


def test_a_singular_system_has_its_least_squares_solution_of_least_norm():
    structure, data, solution = solved("optnet", 1)
    system = _system(structure, data, solution)
    # Without objective and constraints' values the system is singular.
    zero = Diagonal(tf.zeros([1, structure.n], tf.float64))
    system = system._replace(P=zero)
    rng = np.random.default_rng(0)
    right = tuple(
        tf.constant(rng.normal(size=(1, k))) for k in (structure.n, structure.m)
    )
    r, e = system.decomposed().solve(right)
    d = system.cone.values[0].numpy()
    A = system.turned.dense()[0].numpy()
    matrix = np.block(
        [[np.zeros((structure.n,) * 2), -A.T], [d[:, None] * A, np.diag(1.0 - d)]]
    )
    both = np.r_[right[0][0], right[1][0]]
    expected = np.linalg.lstsq(matrix, both, rcond=1e-12)[0]
    np.testing.assert_allclose(np.r_[r[0], e[0]], expected, atol=1e-8)


@pytest.mark.parametrize("active", [0, 1, 5])
def test_a_program_with_too_few_rows_at_its_solution_still_has_a_factor(active):
    # Where there is none, TensorFlow fills it with NaN, and says so in the log for
    # each matrix: hundreds of lines for a batch of linear programs like these.
    rng = np.random.default_rng(active)
    n, m, batch = 8, 14, 64
    is_active = np.arange(m) < active
    y = np.where(is_active, rng.uniform(0.5, 2.0, (batch, m)), 0.0)
    s = np.where(is_active, 0.0, rng.uniform(0.5, 2.0, (batch, m)))
    problem = Matrices(
        DenseSymmetric(tf.zeros([1, n, n], tf.float64)),
        tf.zeros([1, n], tf.float64),
        DenseRows(tf.constant(rng.normal(size=(batch, m, n)))),
        tf.zeros([1, m], tf.float64),
    )
    system = kkt_system(ConeDims(nonnegative=m), problem, *map(tf.constant, (y, s)))
    right = tf.constant(rng.normal(size=(batch, n))), tf.zeros_like(y)
    (r, _), kept = system.factored().solve_until(right, 1e-6, 2)
    assert np.isfinite(r).all()
    # What no row holds is still seen to be missing.
    assert not kept.numpy().any()
