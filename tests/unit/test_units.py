"""Units are powers of two, one for each curved cone, and bring numbers near one."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.pipeline.equilibration import as_they_need, by_means
from tf_cvxlayers.pipeline.units import units_of
from tf_cvxlayers.pipeline.viewpoint import seen_from, viewpoints_near
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.cones import ConeDims

BATCH = 3


def full(rows, columns):
    """The pattern of a matrix without zeros."""
    places = np.indices((columns, rows)).reshape(2, -1)
    return Pattern(places[1], places[0], (rows, columns))


def values(matrices):
    """Their values on the full pattern."""
    return tf.constant(matrices.swapaxes(-1, -2).reshape(len(matrices), -1))


def matrices(flat, rows):
    """The matrices of values on the full pattern."""
    return flat.numpy().reshape(len(flat), -1, rows).swapaxes(-1, -2)


STRUCTURE = ConeStructure(
    full(5, 5), full(7, 5), ConeDims(nonnegative=4, second_order=(3,))
)


def badly_scaled(rng):
    columns = 10.0 ** rng.uniform(-4, 4, size=5)
    rows = 10.0 ** np.r_[rng.uniform(-4, 4, size=4), [rng.uniform(-4, 4)] * 3]
    root = rng.normal(size=(BATCH, 5, 5)) * columns
    return ConeData(
        values(root.swapaxes(1, 2) @ root),
        tf.constant(rng.normal(size=(BATCH, 5)) * columns),
        values(rng.normal(size=(BATCH, 7, 5)) * rows[:, None] * columns),
        tf.constant(rng.normal(size=(BATCH, 7)) * rows),
    )


@pytest.mark.parametrize("way", [as_they_need, by_means])
def test_units_are_powers_of_two_and_bring_entries_near_one(way):
    data = badly_scaled(np.random.default_rng(0))
    units = units_of(STRUCTURE, data, way)
    for unit in units:
        exponents = np.log2(unit.numpy())
        np.testing.assert_array_equal(exponents, np.round(exponents))
    np.testing.assert_array_equal(units.s[:, 4:], np.tile(units.s[:, 4:5], (1, 3)))

    def spread(data):
        largest = np.abs(matrices(data.A, 7)).max(axis=2)
        return (largest.max(axis=1) / largest.min(axis=1)).max()

    assert spread(units.data(data)) < min(1e-2 * spread(data), 1e4)


def test_a_bound_on_a_variable_does_not_hide_its_unit():
    """Equalities whose columns are far apart, and a bound of its own for each."""
    rng = np.random.default_rng(0)
    columns = 10.0 ** rng.uniform(-6, 6, size=5)
    A = np.concatenate([rng.uniform(1.0, 2.0, size=(3, 5)), np.eye(5)]) * columns
    rows, of = np.nonzero(A.T)[::-1]
    structure = ConeStructure(
        Pattern(np.zeros(0, int), np.zeros(0, int), (5, 5)),
        Pattern(rows, of, A.shape),
        ConeDims(zero=3, nonnegative=5),
    )
    data = ConeData(
        tf.zeros([1, 0], tf.float64),
        tf.ones([1, 5], tf.float64),
        tf.constant(A[rows, of][None]),
        tf.ones([1, 8], tf.float64),
    )
    sizes = np.abs(units_of(structure, data).data(data).A)
    assert sizes.max() / sizes.min() < 100.0


def test_solutions_and_gradients_change_with_the_units():
    rng = np.random.default_rng(1)
    data = badly_scaled(rng)
    units = units_of(STRUCTURE, data)
    scaled = units.data(data)
    x, y, s = (rng.normal(size=(BATCH, k)) for k in (5, 7, 7))
    inside = units.inside(ConeSolution(*map(tf.constant, (x, y, s)), None, None))
    for new, old in zip(units.original(inside)[:3], (x, y, s), strict=True):
        np.testing.assert_array_equal(new, old)
    # A x + s and P x + A'y are those of the program, in its units of b and q.
    A, P = matrices(scaled.A, 7), matrices(scaled.P, 5)
    rows = np.einsum("kij,kj->ki", A, inside.x) + inside.s
    A, P_old = matrices(data.A, 7), matrices(data.P, 5)
    old = np.einsum("kij,kj->ki", A, x) + s
    np.testing.assert_allclose(rows, old * units.b, rtol=1e-10, atol=1e-12)
    columns = np.einsum("kij,kj->ki", P, inside.x)
    columns += np.einsum("kij,ki->kj", matrices(scaled.A, 7), inside.y)
    old = np.einsum("kij,kj->ki", P_old, x) + np.einsum("kij,ki->kj", A, y)
    np.testing.assert_allclose(columns, old * units.q, rtol=1e-10, atol=1e-12)


def test_what_is_shared_by_the_batch_stays_shared():
    data = badly_scaled(np.random.default_rng(2))
    shared = data._replace(A=data.A[:1])
    assert units_of(STRUCTURE, shared).data(shared).A.shape[0] == 1


def test_what_is_seen_from_a_point_is_exact():
    # Against differences in whole numbers of 200 bits.
    rng = np.random.default_rng(3)
    data = badly_scaled(rng)
    x0 = viewpoints_near(tf.constant(1e6 * rng.normal(size=(BATCH, 5))))[0]
    seen = seen_from(STRUCTURE, data, x0)
    P = 0.5 * (matrices(data.P, 5) + matrices(data.P, 5).swapaxes(1, 2))

    def whole(array):
        return np.vectorize(lambda v: int(v * 2.0**100) << 100, otypes=[object])(array)

    for k in range(BATCH):
        x = whole(x0.numpy()[k])
        for matrix, offset, found, sign in (
            (matrices(data.A, 7)[k], data.b[k], seen.b[k], -1),
            (P[k], data.q[k], seen.q[k], 1),
        ):
            exact = (whole(offset.numpy()) << 200) + sign * whole(matrix).dot(x)
            miss = np.abs((whole(found.numpy()) << 200) - exact)
            largest = np.abs(whole(matrix)).max() * np.abs(x).max()
            assert np.all(miss <= (np.abs(exact) >> 51) + (int(largest) >> 66))
