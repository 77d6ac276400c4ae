"""The barriers of the exponential and the power cone, by differences and identities."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.exponential import Exponential
from tf_cvxlayers.engines.interior_point.cones.nonsymmetric import Nonsymmetric
from tf_cvxlayers.engines.interior_point.cones.power import Power

BARRIERS = [Exponential(), Power(0.5), Power(0.2), Power(0.93)]
each_barrier = pytest.mark.parametrize("barrier", BARRIERS, ids=str)
CONES, BATCH, STEP = 5, 4, 1e-6


def _is_inside(barrier, v):
    if not all(v[row] > 0 for row in barrier.positive_rows):
        return False
    value, _ = barrier.surface(tf.constant(v[:, None, None, None]))
    return value.numpy().item() > 1e-2


def _points(barrier, rng, transform=None):
    """Random points of the cone, or of the dual by its transform: `[3, B, 1, C]`."""
    found = []
    while len(found) < BATCH * CONES:
        v = 3.0 * rng.normal(size=3)
        if _is_inside(barrier, v if transform is None else transform @ v):
            found.append(v)
    return tf.constant(np.reshape(np.array(found).T, (3, BATCH, 1, CONES)))


def _pair(barrier, seed=0):
    rng = np.random.default_rng(seed)
    return _points(barrier, rng), _points(barrier, rng, barrier.from_dual), rng


def _scaling(barrier, s, z):
    def rows(v):
        moved = np.transpose(v.numpy(), [1, 2, 3, 0])
        return tf.constant(np.reshape(moved, (BATCH, 1, 3 * CONES)))

    return Nonsymmetric(barrier, CONES).scaling(rows(s), rows(z))


def _value(barrier, z):
    weights = np.reshape(barrier.weights, (3, 1, 1, 1))
    logs = weights * tf.math.log(tf.where(weights > 0, tf.abs(z), 1.0))
    return -tf.math.log(barrier.terms(z).psi) - tf.reduce_sum(logs, axis=0)


def _differences(function, at, along):
    return (function(at + STEP * along) - function(at - STEP * along)) / (2.0 * STEP)


def _gradient(barrier, z):
    """By TensorFlow's own differentiation."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = _value(barrier, z)
    return tape.gradient(value, z)


def _close(found, expected, tolerance):
    size = 1.0 + np.abs(expected)
    np.testing.assert_allclose(found / size, expected / size, atol=tolerance)


@each_barrier
def test_the_shadow_of_z_is_minus_the_gradient(barrier):
    s, z, _ = _pair(barrier)
    _close(_scaling(barrier, s, z).shadow, -_gradient(barrier, z), 1e-12)


@each_barrier
def test_the_hessian_is_what_differences_of_the_gradient_are(barrier):
    s, z, rng = _pair(barrier)
    v = tf.constant(rng.normal(size=z.shape))
    expected = _differences(lambda z: _gradient(barrier, z), z, v)
    R = _scaling(barrier, s, z).M_root.numpy()
    inverse = np.einsum("kibxc,kjbxc->ijbc", R, R)
    found = np.einsum("ijbc,jbxc->ibxc", inverse, expected.numpy())
    _close(found, v.numpy(), 1e-5)


@each_barrier
def test_the_correction_holds_third_differences(barrier):
    s, z, rng = _pair(barrier)
    scaling = _scaling(barrier, s, z)
    u, v = (tf.constant(rng.normal(size=z.shape)) for _ in range(2))

    def hessian_times_v(z):
        return _differences(lambda z: _gradient(barrier, z), z, v)

    # Of second differences: rounding is divided by the step twice.
    step = 1e-4
    expected = (hessian_times_v(z + step * u) - hessian_times_v(z - step * u)).numpy()
    found = scaling._third(u, v).numpy()
    size = np.abs(found).max(axis=0)
    error = np.abs(found - expected / (2.0 * step)).max(axis=0)
    assert np.median(error / size) < 1e-4


@each_barrier
def test_the_shadow_of_s_is_the_point_whose_shadow_is_s(barrier):
    s, _, _ = _pair(barrier)
    _close(-_gradient(barrier, barrier.shadow(s)), s, 1e-9)


@each_barrier
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_scaling_takes_z_to_s_and_shadow_to_shadow(barrier, size):
    s, z, _ = _pair(barrier)
    s, z = s * size, z * size
    scaling = _scaling(barrier, s, z)
    root = scaling.root.numpy()[:, :, :, 0]
    H = np.einsum("ikbc,jkbc->bcij", root, root)

    def times(v):
        return np.einsum("bcij,jbc->ibc", H, v.numpy()[:, :, 0])

    np.testing.assert_allclose(times(z) / size, s[:, :, 0] / size, atol=1e-9)
    shadow = scaling.shadow.numpy()[:, :, 0]
    _close(times(barrier.shadow(s)) * size, shadow * size, 1e-7)


@each_barrier
def test_on_the_central_path_the_scaling_is_the_hessian(barrier):
    s, z, _ = _pair(barrier)
    shadow, mu = _scaling(barrier, s, z).shadow, 1e-7
    scaling = _scaling(barrier, mu * shadow, z)
    root, M_root = scaling.root.numpy()[:, :, :, 0], scaling.M_root.numpy()[:, :, :, 0]
    H = np.einsum("ikbc,jkbc->bcij", root, root)
    inverse = np.einsum("kibc,kjbc->bcij", M_root, M_root)
    expected = np.broadcast_to(np.eye(3), H.shape)
    np.testing.assert_allclose(H @ inverse / mu, expected, atol=1e-6)


@each_barrier
def test_the_identity_is_its_own_shadow(barrier):
    e = tf.constant(barrier.identity[:, None, None, None])
    np.testing.assert_allclose(barrier.shadow(e), e, atol=1e-14)
    np.testing.assert_allclose(-_gradient(barrier, e), e, atol=1e-14)


@pytest.mark.parametrize("last", [0.0, 1e-200, -1e-12])
def test_the_shadow_has_limits_where_the_last_row_vanishes(last):
    barrier = Power(0.3)
    s = tf.constant(np.reshape([2.0, 0.5, last], (3, 1, 1, 1)))
    found = barrier.shadow(s).numpy()[:, 0, 0, 0]
    np.testing.assert_allclose(found[:2], [1.3 / 2.0, 1.7 / 0.5], rtol=1e-12)
    assert np.abs(found[2]) <= 1e-11
