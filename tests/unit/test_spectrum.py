"""Projections onto cones are the nearest points, and `D` is their derivative."""

import numpy as np
import pytest
import tensorflow as tf

from tests import oracles
from tf_cvxlayers.optimality.cones.product import (
    Spectrum,
    complementary_pair,
    derivative_pattern,
)
from tf_cvxlayers.program.cones import ConeDims, svec_indices

CLOSED = {
    "zero": ConeDims(zero=3),
    "nonnegative": ConeDims(nonnegative=4),
    "second_order_1": ConeDims(second_order=(1,)),
    "second_order_2": ConeDims(second_order=(2,)),
    "second_order_4": ConeDims(second_order=(4,)),
    "psd_1": ConeDims(psd=(1,)),
    "psd_2": ConeDims(psd=(2,)),
    "psd_4": ConeDims(psd=(4,)),
    "all": ConeDims(1, 2, (3, 2), (2, 3)),
}
SMOOTH = {
    "exponential": ConeDims(exponential=1),
    "power": ConeDims(power=(0.3,)),
    "several": ConeDims(0, 1, (3,), (2,), 1, (0.6, 0.3)),
}


def _matrix(vector):
    order = int(np.sqrt(2 * vector.size))
    rows, columns, scales = svec_indices(order)
    S = np.zeros((order, order))
    S[rows, columns] = S[columns, rows] = vector / scales
    return S


def _vector(S):
    rows, columns, scales = svec_indices(len(S))
    return S[rows, columns] * scales


PROJECTIONS = {
    "zero": lambda v: v,
    "nonnegative": lambda v: np.maximum(v, 0.0),
    "second_order": oracles.onto_second_order,
    "psd": lambda v: _vector(oracles.onto_psd(_matrix(v))),
}


def _projected(dims, v):
    """The projection onto the dual cone, by closed forms."""
    parts, start = [], 0
    for kind, rows, _ in dims.blocks:
        parts.append(PROJECTIONS[kind](v[start : start + rows]))
        start += rows
    return np.concatenate(parts)


def _derivative(dims, y, s):
    """`D [B, m, m]` of the package."""
    cone = Spectrum.at(dims, tf.constant(y), tf.constant(s))
    rows, columns = derivative_pattern(dims)
    D = np.zeros((len(y), dims.size, dims.size))
    D[:, rows, columns] = cone.derivative_entries()
    eye = tf.eye(dims.size, batch_shape=[len(y)], dtype=tf.float64)
    U = cone.out_of(eye).numpy()
    np.testing.assert_allclose(U @ U.swapaxes(1, 2), eye, atol=1e-12)
    np.testing.assert_allclose(cone.into(eye), U.swapaxes(1, 2), atol=1e-12)
    turned = U @ (cone.values.numpy()[:, :, None] * U.swapaxes(1, 2))
    np.testing.assert_allclose(turned, D, atol=1e-12)
    assert cone.values.numpy().min() >= 0.0
    assert cone.values.numpy().max() <= 1.0
    return D


@pytest.mark.parametrize("name", CLOSED)
def test_the_pair_is_the_projection(name):
    dims = CLOSED[name]
    v = np.random.default_rng(0).normal(size=(20, dims.size))
    y, s = complementary_pair(dims, tf.constant(v + 1.0), tf.ones_like(v))
    # The dual of the zero cone is everything: there `y` stays, and `s` is zero.
    free = dims.zero
    expected = np.stack([_projected(dims, row) for row in v])
    np.testing.assert_allclose(y[:, free:], expected[:, free:], atol=1e-12)
    np.testing.assert_allclose(s[:, free:], (expected - v)[:, free:], atol=1e-12)
    np.testing.assert_array_equal(y[:, :free], v[:, :free] + 1.0)
    np.testing.assert_array_equal(s[:, :free], 0.0 * v[:, :free])


@pytest.mark.parametrize("name", CLOSED)
def test_the_derivative_is_that_of_the_projection(name):
    dims = CLOSED[name]
    v = np.random.default_rng(1).normal(size=(20, dims.size))
    y = np.stack([_projected(dims, row) for row in v])
    D = _derivative(dims, y, y - v)
    for k in range(20):
        expected = oracles.jacobian(lambda u: _projected(dims, u), v[k])
        np.testing.assert_allclose(D[k], expected, atol=1e-7)


@pytest.mark.parametrize("name", ["second_order_4", "psd_4"])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_inside_and_opposite_points_keep_or_lose_everything(name, scale):
    dims = CLOSED[name]
    inside = np.r_[3.0, 0.1 * np.ones(3)] if "second" in name else _vector(np.eye(4))
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
        return _derivative(dims, _vector(y)[None], _vector(s)[None])[0]

    equal = derivative(np.array([1.0, 1.0, -2.0]))
    near = derivative(np.array([1.0, 1.0 + 1e-9, -2.0]))
    np.testing.assert_allclose(equal, near, atol=1e-7)


def test_a_vector_of_every_direction_is_reflected_stably():
    dims = ConeDims(second_order=(3,))
    for u in ([1.0, 0.0], [-1.0, 0.0], [-1.0, 1e-12], [0.0, 0.0], [0.0, -1.0]):
        v = np.r_[0.2, u]
        y = _projected(dims, v)
        assert np.isfinite(_derivative(dims, y[None], (y - v)[None])).all()


def _surface_point(name, rng):
    """`(y, s)` with both on the boundary: `s` on the surface, `y` a normal of it."""
    if name == "exponential":
        x, y = rng.normal(), rng.uniform(0.5, 2.0)
        s = np.array([x, y, y * np.exp(x / y)])
        normal = np.array([-1.0, np.log(s[2] / y) - 1.0, y / s[2]])
    else:
        a = 0.3
        x, y = rng.uniform(0.5, 2.0, size=2)
        f = x**a * y ** (1 - a)
        s = np.array([x, y, f * rng.choice([-1.0, 1.0])])
        normal = np.array([a * f / x, (1 - a) * f / y, -np.sign(s[2])])
    return rng.uniform(0.5, 2.0) * normal, s


def _nearest(name, u):
    """The nearest point of the cone to `u`, by Newton's method on its surface."""
    from scipy.optimize import minimize

    cone = name == "exponential"

    def point(z):
        if cone:
            y = np.exp(z[1])
            return np.array([z[0], y, y * np.exp(z[0] / y)])
        x, y = np.exp(z)
        return np.array([x, y, np.sign(u[2]) * x**0.3 * y**0.7])

    start = np.array([u[0], np.log(max(u[1], 0.3))])
    start = start if cone else np.log(np.maximum(u[:2], 0.3))
    options = {"xatol": 1e-12, "fatol": 1e-16, "maxiter": 4000}
    best = minimize(
        lambda z: np.sum((point(z) - u) ** 2),
        start,
        method="Nelder-Mead",
        options=options,
    )
    return point(best.x)


@pytest.mark.parametrize("name", ["exponential", "power"])
def test_smooth_cones_have_the_derivative_of_their_projection(name):
    rng = np.random.default_rng(3)
    for _ in range(3):
        y, s = _surface_point(name, rng)
        D = _derivative(SMOOTH[name], y[None], s[None])[0]
        # The projection onto K* at v is v plus the projection onto K at -v.
        np.testing.assert_allclose(_nearest(name, s - y), s, atol=1e-6)
        expected = oracles.jacobian(lambda v: v + _nearest(name, -v), y - s, step=1e-3)
        # The nearest points are found to 1e-7 only, and divided by the step.
        np.testing.assert_allclose(D, expected, atol=5e-4)


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_cones_have_a_derivative_between_zero_and_one(name):
    rng = np.random.default_rng(0)
    dims = SMOOTH[name]
    parts = []
    for kind, rows, _ in dims.blocks:
        if kind in ("exponential", "power"):
            parts.append(_surface_point(kind, rng))
        else:
            v = rng.normal(size=rows)
            y = PROJECTIONS[kind](v)
            parts.append((y, y - v))
    y, s = (np.concatenate(part)[None] for part in zip(*parts, strict=True))
    D = _derivative(dims, y, s)[0]
    np.testing.assert_allclose(D, D.T, atol=1e-12)
    # A projection is homogeneous: D v = Pi(v), for any cone, exponents in order.
    if name != "several":
        np.testing.assert_allclose(D @ (y - s)[0], y[0], atol=1e-9)


@pytest.mark.parametrize("kind", ["exponential", "power"])
def test_smooth_cones_are_finite_off_their_smooth_surface(kind):
    dims = SMOOTH[kind]
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


def test_a_program_without_cones_has_an_empty_derivative():
    empty = np.zeros((2, 0))
    spectrum = Spectrum.at(ConeDims(), tf.constant(empty), tf.constant(empty))
    assert spectrum.values.shape == (2, 0)
