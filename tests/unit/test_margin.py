"""How far a solution is from a kink: by cone, in units that any statement shares."""

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.cones import CATALOGUE, ONE_CONE, smooth_pairs
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.optimality.margin import first_rows
from tf_cvxlayers.pipeline import pipeline
from tf_cvxlayers.program.cones import ConeDims

each_cone = pytest.mark.parametrize("name", ONE_CONE)
CLOSED = [
    name for name, dims in ONE_CONE.items() if not dims.exponential and not dims.power
]
SMOOTH = [name for name in ONE_CONE if name not in [*CLOSED, "zero"]]


def _distances(name, y, s):
    (run,) = ONE_CONE[name].runs
    pair = tf.constant(np.atleast_2d(y)), tf.constant(np.atleast_2d(s))
    return geometry_of(run).distances(*pair).numpy()


@each_cone
def test_there_is_one_for_each_row_or_one_for_the_cone(name):
    y, s = smooth_pairs(ONE_CONE[name], 20)
    found = _distances(name, y, s)
    assert found.shape == (20, first_rows(ONE_CONE[name]).size)
    assert found.min() > 0
    np.testing.assert_allclose(_distances(name, 3.0 * y, 3.0 * s), 3.0 * found)
    y[2, -1] = np.nan
    np.testing.assert_array_equal(_distances(name, y, s)[:2], found[:2])


def test_the_zero_cone_has_no_kink():
    assert np.isinf(_distances("zero", np.ones(3), np.zeros(3))).all()


def _sides(name, v):
    """How many eigenvalues of `D` at `v` are zero, and one."""
    (run,) = ONE_CONE[name].runs
    geometry = geometry_of(run)
    pair = geometry.pair(tf.constant(v), tf.zeros_like(v))
    values, _ = geometry.spectrum(*pair)
    return np.stack([np.sum(values.numpy() == side, axis=1) for side in (0.0, 1.0)])


@pytest.mark.parametrize("name", [n for n in CLOSED if n != "zero"])
def test_no_side_changes_within_the_distance_and_one_does_soon_after(name):
    rng = np.random.default_rng(0)
    v = rng.normal(size=(300, ONE_CONE[name].size))
    reach = _distances(name, v, 0.0 * v).min(axis=1, keepdims=True)
    ways = rng.normal(size=(300, *v.shape))
    ways /= np.linalg.norm(ways, axis=2, keepdims=True)
    start = _sides(name, v)
    changed = np.zeros(300, bool)
    for way in ways:
        np.testing.assert_array_equal(_sides(name, v + 0.99 * reach * way), start)
        changed |= np.any(_sides(name, v + 1.5 * reach * way) != start, axis=0)
    assert changed.mean() > 0.9


@pytest.mark.parametrize("name", SMOOTH)
def test_of_a_smooth_cone_it_is_to_first_order_what_a_point_is_moved_by(name):
    dims = ONE_CONE[name]
    y, s = smooth_pairs(dims, 20)
    size_y, size_s = (np.linalg.norm(part, axis=1, keepdims=True) for part in (y, s))
    none, near = np.zeros_like(s), 1e-5
    # On the surface, close to y = 0 and close to s = 0.
    for pair, size in (((near * y, s), size_y), ((y, near * s), size_s)):
        np.testing.assert_allclose(_distances(name, *pair), near * size, rtol=1e-9)
    # Inside the cone, and inside its dual: the normals of both are y and s.
    inner = s + near * y / size_y
    np.testing.assert_allclose(_distances(name, none, inner), near, rtol=1e-3)
    inner = y + near * s / size_s
    np.testing.assert_allclose(_distances(name, inner, none), near, rtol=1e-3)


@pytest.mark.parametrize("name", SMOOTH)
def test_off_the_surface_of_a_smooth_cone_it_is_zero_at_the_borders(name):
    apex, dual = np.zeros(3), np.array([-1.0, 1.0, 3.0])
    assert _distances(name, apex, apex) == 0.0
    if name == "exponential":
        assert _distances(name, dual, apex) > 0.1
        # The flat face is {x <= 0, y = 0, z >= 0}.
        flat = np.array([0.0, 0.2, 0.0])
        assert _distances(name, flat, np.array([-1.0, 0.0, 1.0])) == 0.2
        assert _distances(name, flat, np.array([-0.1, 0.0, 1.0])) == 0.1
        assert _distances(name, apex, np.array([-1.0, 0.0, 1.0])) == 0.0
    else:
        face = np.array([0.5, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
        assert _distances(name, *face) == 0.5


def test_every_kind_of_cone_is_looked_at():
    assert {kind for dims in ONE_CONE.values() for kind in dims.kinds} == set(CATALOGUE)


def _layer(weight=1.0, unit=1.0, row=1.0):
    """A projection onto an orthant, a second-order cone, a PSD cone and an exponential
    cone, with another weight of the objective, unit of the variable, and unit of the
    constraints."""
    p, z = cp.Parameter(10, name="p"), cp.Variable(10, name="z")
    x = z / unit
    matrix = cp.bmat([[x[5], x[6]], [x[6], 2.0 - x[5]]])
    constraints = [
        row * (x[:2] + x[1]) <= row,
        cp.SOC(row * x[2], row * x[3:5]),
        row * matrix >> 0,
        cp.ExpCone(row * x[7], row * x[8], row * x[9]),
        cp.sum(x) <= 7.0,
    ]
    objective = cp.Minimize(weight * cp.sum_squares(x - p))
    return CvxpyLayer(cp.Problem(objective, constraints), p, z, dtype="float64")


P = np.random.default_rng(4).normal(size=(4, 10))


@pytest.mark.parametrize(
    "options", [{"weight": 300.0}, {"unit": 1e-3}, {"row": 50.0}], ids=str
)
def test_it_does_not_depend_on_units(options):
    expected = _layer().solve(P).margin.numpy()
    assert expected.min() > 1e-3
    assert expected.max() < 3.0
    found = _layer(**options).solve(P).margin
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_it_has_its_closed_form_for_a_projection_onto_an_orthant(unit):
    p, x = cp.Parameter(2, name="p"), cp.Variable(2, name="x", nonneg=True)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
    layer = CvxpyLayer(problem, p, x, dtype="float64")
    values = unit * np.array([[3.0, -0.5], [3.0, 0.0], [3.0, 1e-8], [2.0, 1.0]])
    # Slack x over the largest entry of x, dual -2p over that of the gradient, 2p.
    expected = [0.5 / 3.0, 0.0, 1e-8 / 3.0, 0.5]
    result = layer.solve(values)
    np.testing.assert_allclose(result.margin, expected, rtol=1e-5, atol=1e-12)


def test_bounds_that_are_far_away_do_not_change_it():
    def margin(bound):
        p, x = cp.Parameter(2, name="p"), cp.Variable(2, name="x")
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x >= 0, x <= bound])
        layer = CvxpyLayer(problem, p, x, dtype="float64")
        return layer.solve(np.array([[3.0, -0.5], [0.2, 0.7]])).margin.numpy()

    np.testing.assert_allclose(margin(1e8), margin(30.0))


def test_without_a_solution_it_is_nan_and_without_inequalities_infinite():
    p, x = cp.Parameter(name="p"), cp.Variable(name="x")
    problem = cp.Problem(cp.Minimize(cp.square(x)), [x >= p, x <= 1])
    layer = CvxpyLayer(problem, p, x, on_failure="nan")
    margin = layer.solve(np.array([[0.5, 2.0]])).margin
    assert margin.shape == (1, 2)
    assert margin.dtype == tf.float64
    np.testing.assert_array_equal(np.isfinite(margin), [[True, False]])
    assert np.isnan(margin[0, 1])
    free = CvxpyLayer(cp.Problem(cp.Minimize(cp.square(x - p))), p, x)
    assert np.isinf(free.solve(np.array(0.5)).margin)


def test_a_call_does_not_compute_it(monkeypatch):
    p, x = cp.Parameter(2, name="p"), cp.Variable(2, name="x", nonneg=True)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(x - p))), p, x)

    def distances(*_):
        raise AssertionError("distances")

    monkeypatch.setattr(pipeline, "distances", distances)
    layer(np.ones((1, 2)))
    with pytest.raises(AssertionError, match="distances"):
        layer.solve(np.ones((1, 2)))


def test_rows_have_words():
    dims = ConeDims(2, 3, (3, 2), (2,), 2, (0.3,))
    words = [dims.row_in_words(int(row)) for row in first_rows(dims)]
    assert words[:5] == [
        *("row 0 of the zero cone", "row 1 of the zero cone"),
        *(f"row {k} of the nonnegative cone" for k in range(3)),
    ]
    assert words[5:] == [
        "cone 0 of kind 'second_order'",
        "cone 1 of kind 'second_order'",
        "cone 0 of kind 'psd'",
        "cone 0 of kind 'exponential'",
        "cone 1 of kind 'exponential'",
        "cone 0 of kind 'power'",
    ]
    with pytest.raises(ValueError, match="Received: row=22"):
        dims.row_in_words(dims.size)
