"""Every kind of cone keeps the contract of `optimality.cones`: complementary pairs are
projections, and `D` is their derivative, in its eigenbasis."""

import numpy as np
import pytest
import tensorflow as tf

from tests import oracles
from tests.cones import (
    CATALOGUE,
    ONE_CONE,
    by_cone,
    outside,
    outside_dual,
    projected,
    smooth_pairs,
    vector_of,
)
from tf_cvxlayers.optimality.cones.derivative import (
    DerivativePattern,
    derivative_entries,
)
from tf_cvxlayers.optimality.cones.product import Spectrum, complementary_pair
from tf_cvxlayers.optimality.cones.table import GEOMETRIES, geometry_of
from tf_cvxlayers.program.cones import KINDS, ConeDims

# Products: equal cones next to each other, and different ones.
DIMS = {
    **ONE_CONE,
    "closed_forms": ConeDims(1, 2, (3, 3, 2), (2, 2, 3)),
    "all": ConeDims(1, 1, (3,), (2,), 2, (0.6, 0.3)),
    # Of the larger ones the eigenbasis is no matrix.
    "large": ConeDims(1, 1, (3, 18, 18, 20)),
}
each_product = pytest.mark.parametrize("name", DIMS)
CLOSED = [
    name for name, dims in DIMS.items() if not dims.exponential and not dims.power
]


def _derivative(dims, y, s):
    """`D [B, m, m]` of the package; that its parts belong together is checked."""
    spectrum = Spectrum.at(dims, tf.constant(y), tf.constant(s))
    pattern = DerivativePattern.of(dims)
    D = np.zeros((len(y), dims.size, dims.size))
    for k, entries in enumerate(derivative_entries(spectrum).numpy()):
        E11, E12, E21 = pattern.matrices(entries)
        D[k] = (E11 + E12 @ E21).toarray()
    eye = tf.eye(dims.size, batch_shape=[len(y)], dtype=tf.float64)
    U = spectrum.out_of(eye).numpy()
    np.testing.assert_allclose(U @ U.swapaxes(1, 2), eye, atol=1e-12)
    np.testing.assert_allclose(spectrum.into(eye), U.swapaxes(1, 2), atol=1e-12)
    turned = U @ (spectrum.values.numpy()[:, :, None] * U.swapaxes(1, 2))
    np.testing.assert_allclose(turned, D, atol=1e-12)
    np.testing.assert_allclose(D, D.swapaxes(1, 2), atol=1e-12)
    assert spectrum.values.numpy().min() >= 0.0
    assert spectrum.values.numpy().max() <= 1.0
    return D


def test_every_geometry_has_a_row_in_the_catalogue():
    # A kind may have none: then no engine takes it.
    assert list(CATALOGUE) == list(GEOMETRIES)
    assert list(GEOMETRIES) == [kind for kind in KINDS if kind in GEOMETRIES]
    for kind, row in CATALOGUE.items():
        assert all(dims.kinds == {kind} for dims in row.dims.values())


@each_product
def test_the_pair_is_complementary_and_in_the_cones(name):
    dims = DIMS[name]
    noise = 1e-3 * np.random.default_rng(1).normal(size=(2, 20, dims.size))
    near = (tf.constant(part) for part in smooth_pairs(dims, 20) + noise)
    for y, s in zip(*complementary_pair(dims, *near), strict=True):
        assert outside_dual(dims, y.numpy()) <= 1e-9
        assert outside(dims, s.numpy()) <= 1e-9
        assert abs(tf.tensordot(y, s, 1)) <= 1e-9


@each_product
def test_a_complementary_pair_stays_what_it_is(name):
    dims = DIMS[name]
    y, s = smooth_pairs(dims, 20)
    found = complementary_pair(dims, tf.constant(y), tf.constant(s))
    for part, expected in zip(found, (y, s), strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-9)


@pytest.mark.parametrize("name", CLOSED)
def test_the_pair_is_the_projection(name):
    dims = DIMS[name]
    v = np.random.default_rng(0).normal(size=(20, dims.size))
    y, s = complementary_pair(dims, tf.constant(v + 1.0), tf.ones_like(v))
    # The dual of the zero cone is everything: there `y` stays, and `s` is zero.
    free = dims.zero
    expected = np.stack([projected(dims, row) for row in v])
    np.testing.assert_allclose(y[:, free:], expected[:, free:], atol=1e-12)
    np.testing.assert_allclose(s[:, free:], (expected - v)[:, free:], atol=1e-12)
    np.testing.assert_array_equal(y[:, :free], v[:, :free] + 1.0)
    np.testing.assert_array_equal(s[:, :free], 0.0 * v[:, :free])


@each_product
def test_the_derivative_is_that_of_the_projection(name):
    dims = DIMS[name]
    number = 20 if name in CLOSED else 3
    y, s = smooth_pairs(dims, number, seed=3)
    D = _derivative(dims, y, s)
    for k in range(number):
        start = 0
        for row, parameter, v in by_cone(dims, (y - s)[k]):
            own = slice(start, start + v.size)
            start += v.size
            project = row.project(parameter, v)
            np.testing.assert_allclose(project, y[k, own], atol=1e-6)
            expected = oracles.jacobian(
                lambda u, row=row, parameter=parameter: row.project(parameter, u),
                v,
                row.step,
            )
            np.testing.assert_allclose(D[k, own, own], expected, atol=row.accuracy)


@each_product
def test_the_derivative_takes_the_point_to_its_projection(name):
    # A projection onto a cone is homogeneous: D v = Pi(v).
    dims = DIMS[name]
    y, s = smooth_pairs(dims, 20)
    D = _derivative(dims, y, s)
    found = (D @ (y - s)[:, :, None])[:, :, 0]
    np.testing.assert_allclose(found, y, atol=1e-9)


@each_product
def test_turning_into_the_eigenbasis_and_back_changes_nothing(name):
    dims = DIMS[name]
    y, s = map(tf.constant, smooth_pairs(dims, 5))
    spectrum = Spectrum.at(dims, y, s)
    rng = np.random.default_rng(0)
    # One matrix for each element, and one that the batch shares.
    for batch in (5, 1):
        matrix = rng.normal(size=(batch, dims.size, 2))
        there = spectrum.into(tf.constant(matrix))
        back = spectrum.out_of(there)
        expected = np.broadcast_to(matrix, back.shape)
        np.testing.assert_allclose(back, expected, atol=1e-12)
    assert spectrum.is_identity == all(
        geometry_of(cone).keeps_axes for cone in dims.blocks
    )


@pytest.mark.parametrize("name", ["second_order_4", "psd_4"])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_inside_and_opposite_points_keep_or_lose_everything(name, scale):
    dims = DIMS[name]
    inside = np.r_[3.0, 0.1 * np.ones(3)] if "second" in name else vector_of(np.eye(4))
    zero = np.zeros_like(inside)
    eye = np.eye(dims.size)
    kept = _derivative(dims, scale * inside[None], zero[None])[0]
    lost = _derivative(dims, zero[None], scale * inside[None])[0]
    np.testing.assert_allclose(kept, eye, atol=1e-12)
    np.testing.assert_allclose(lost, 0.0 * eye, atol=1e-12)


def test_equal_eigenvalues_have_the_limit_of_distinct_ones():
    dims = ConeDims(psd=(3,))
    Q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))

    def derivative(w):
        y, s = ((Q * np.maximum(sign * w, 0)) @ Q.T for sign in (1, -1))
        return _derivative(dims, vector_of(y)[None], vector_of(s)[None])[0]

    equal = derivative(np.array([1.0, 1.0, -2.0]))
    near = derivative(np.array([1.0, 1.0 + 1e-9, -2.0]))
    np.testing.assert_allclose(equal, near, atol=1e-7)


def test_a_vector_of_every_direction_is_reflected_stably():
    dims = ConeDims(second_order=(3,))
    for u in ([1.0, 0.0], [-1.0, 0.0], [-1.0, 1e-12], [0.0, 0.0], [0.0, -1.0]):
        v = np.r_[0.2, u]
        y = projected(dims, v)
        assert np.isfinite(_derivative(dims, y[None], (y - v)[None])).all()


@pytest.mark.parametrize("dims", [ConeDims(exponential=1), ConeDims(power=(0.3,))])
def test_smooth_cones_are_finite_off_their_smooth_surface(dims):
    faces = [
        ([0.0, 0.0, 0.0], [1.0, 1.0, 9.0]),
        ([-1.0, 1.0, 3.0], [0.0, 0.0, 0.0]),
        ([0.0, 1.0, 0.0], [-1.0, 0.0, 1.0]),
        ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ]
    y, s = (np.array(part) for part in zip(*faces, strict=True))
    D = _derivative(dims, y, s)
    assert np.isfinite(D).all()
    np.testing.assert_allclose(D[0], np.zeros((3, 3)), atol=1e-9)
    np.testing.assert_allclose(D[1], np.eye(3), atol=1e-9)
    pair = complementary_pair(dims, tf.constant(y), tf.constant(s))
    assert all(np.isfinite(part).all() for part in pair)


@each_product
def test_an_element_with_nan_does_not_disturb_its_neighbours(name):
    dims = DIMS[name]
    y, s = smooth_pairs(dims, 3)
    alone = Spectrum.at(dims, tf.constant(y[:2]), tf.constant(s[:2]))
    y[2, -1] = np.nan
    spectrum = Spectrum.at(dims, tf.constant(y), tf.constant(s))
    np.testing.assert_array_equal(
        derivative_entries(spectrum)[:2], derivative_entries(alone)
    )


def test_a_program_without_cones_has_an_empty_derivative():
    empty = np.zeros((2, 0))
    spectrum = Spectrum.at(ConeDims(), tf.constant(empty), tf.constant(empty))
    assert spectrum.values.shape == (2, 0)
