"""Each constraint on a parameter means the same everywhere: checks, training, steps."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.errors import ParameterError
from tf_cvxlayers.pipeline.attributes import ATTRIBUTES, Constraint, constraints_of
from tf_cvxlayers.pipeline.validation import checked, checks_of, require_valid
from tf_cvxlayers.program.cone_program import ATTRIBUTE_NAMES, ParameterSpec

N = 4
SPECS = {name: ParameterSpec("p", (N, N), (name,)) for name in ATTRIBUTES}
SPECS |= {
    "bounds": ParameterSpec(
        "p", (N, N), bounds=(np.array(-0.5), np.linspace(0.2, 1.0, N))
    ),
    "sparsity": ParameterSpec("p", (N, N), support=np.array([1, 6, 7, 12])),
}
each = pytest.mark.parametrize("name", SPECS)


def _constraint(name) -> Constraint:
    (constraint,) = constraints_of(SPECS[name])
    return constraint


def _holds(constraint, value, tolerance=1e-8):
    flat = tf.reshape(tf.cast(value, tf.float64), [1, N * N])
    rounding = tolerance * tf.reduce_max(tf.abs(flat), axis=1, keepdims=True)
    return bool(constraint.holds(flat, rounding)[0])


def test_the_table_has_the_names_that_a_parameter_may_have():
    assert tuple(ATTRIBUTES) == ATTRIBUTE_NAMES


@each
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_nearest_value_holds_and_stays(name, dtype):
    constraint = _constraint(name)
    rng = np.random.default_rng(0)
    value = tf.constant(rng.normal(size=(N, N)).astype(dtype))
    assert not _holds(constraint, value)
    nearest = constraint.nearest(value)
    assert nearest.dtype == value.dtype
    tolerance = {"float64": 1e-8, "float32": 1e-5}[dtype]
    assert _holds(constraint, nearest, tolerance)
    again = constraint.nearest(nearest)
    np.testing.assert_allclose(again, nearest, atol=10.0 * np.finfo(dtype).eps)


@each
def test_small_steps_in_its_directions_stay_inside(name):
    constraint = _constraint(name)
    rng = np.random.default_rng(1)
    value = constraint.nearest(tf.constant(rng.normal(size=(N, N)))).numpy()
    if name in ("PSD", "NSD"):
        value += np.eye(N) * (1.0 if name == "PSD" else -1.0)
    if name in ("nonneg", "nonpos"):
        value += 1.0 if name == "nonneg" else -1.0
    if name == "bounds":
        value = 0.5 * value
    values = np.stack([value, value])
    way = constraint.inside(rng.normal(size=(2, N, N)), values, 1e-6)
    assert np.abs(way).max() > 0
    for step in (1e-6, -1e-6):
        assert _holds(constraint, value + step * way[0])


@each
@pytest.mark.parametrize("at", [0.0, 1e-7, -1.0, 9.0])
def test_at_its_border_directions_go_inward(name, at):
    # The nearest value to one far outside, or to zero, is at the border.
    constraint = _constraint(name)
    rng = np.random.default_rng(3)
    start = at * (np.ones((N, N)) if abs(at) == 9.0 else np.eye(N))
    value = constraint.nearest(tf.constant(start)).numpy()
    way = constraint.inside(rng.normal(size=(N, N)), value, 1e-3)
    assert np.abs(way).max() > 0
    for step in (0.0, 1e-4, 1e-3):
        assert _holds(constraint, value + step * way, tolerance=1e-14)
    again = constraint.inside(way, value, 1e-3)
    np.testing.assert_allclose(again, way, atol=1e-12)


def test_entries_away_from_the_border_keep_their_direction():
    constraint = _constraint("nonneg")
    value, way = np.array([0.0, 1.0, 0.0, 1.0]), np.array([-1.0, -1.0, 1.0, 1.0])
    inside = constraint.inside(way, value, 1e-3)
    np.testing.assert_array_equal(inside, [1.0, -1.0, 1.0, 1.0])


def test_two_signs_of_one_parameter_are_one():
    value, way = np.array([[1e-3, 2.0]]), np.array([[3.0, -0.5]])
    spec = ParameterSpec("p", (2,), ("nonneg", "pos"))
    for constraint in (*constraints_of(spec), *constraints_of(spec)):
        way = constraint.inside(way, value, 1e-4)
    np.testing.assert_array_equal(way, [[1e-3, -0.5]])


@each
def test_its_words_are_in_the_error(name):
    spec = SPECS[name]
    rng = np.random.default_rng(2)
    bad = tf.constant(rng.normal(size=(2, N * N)))
    good = tf.reshape(_constraint(name).nearest(tf.reshape(bad[0], [N, N])), [1, -1])
    _, passed = checked(spec, tf.concat([good, bad], axis=0), 1e-8)
    with pytest.raises(ParameterError) as caught:
        require_valid(checks_of(spec), tuple(passed))
    text = str(caught.value)
    assert f"'p' to be {_constraint(name).words}" in text
    assert "batch elements [1, 2]" in text
    assert _constraint(name).note


def test_constraints_are_checked_in_one_order():
    spec = ParameterSpec(
        "p",
        (2, 2),
        ("nonneg", "diag"),
        (np.array(0.0), np.array(1.0)),
        np.array([0, 3]),
    )
    notes = [constraint.note for constraint in constraints_of(spec)]
    assert notes == ["nonneg", "diag", "bounds", "2 entries"]
    assert constraints_of(ParameterSpec("free", (3,))) == []
