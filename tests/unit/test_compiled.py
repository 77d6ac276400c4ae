"""The parts of the compiled engine are those of TensorFlow, or of NumPy."""

import dataclasses
import itertools

import numba
import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.engines.compiled import arithmetic, cones, engine, scaling, units
from tf_cvxlayers.engines.compiled.eigenvalues import decompose, make_eigenvalues
from tf_cvxlayers.engines.interior_point.cones.product import EmbeddingCone
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.optimality.cones.product import (
    Sides,
    Spectrum,
    balance_of,
    complementary_pair,
)
from tf_cvxlayers.pipeline.units import units_of
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure
from tf_cvxlayers.program.cones import ConeDims

DIMS = [
    ConeDims(zero=2, nonnegative=3, second_order=(3, 1, 4, 4)),
    ConeDims(nonnegative=5),
    ConeDims(zero=1, second_order=(2, 20)),
]
FURTHER = [
    ConeDims(zero=1, nonnegative=2, second_order=(3,), psd=(2, 4), exponential=3),
    ConeDims(psd=(1, 5), power=(0.2, 0.5, 0.9)),
    ConeDims(exponential=2, power=(0.7,)),
]
each_product = pytest.mark.parametrize("dims", [*DIMS, *FURTHER], ids=str)


def _random(rng, dims, n=6, density=0.6):
    """A structure, and its shape."""
    chosen = rng.random((n, dims.size)) < density
    columns, rows = np.nonzero(chosen)
    P_columns, P_rows = np.nonzero(np.triu(rng.random((n, n)) < density).T)
    structure = ConeStructure(
        Pattern(P_rows, P_columns, (n, n)),
        Pattern(rows, columns, (dims.size, n)),
        dims,
    )
    return structure, engine._shape_of(structure)


def _pair(rng, dims, batch=4):
    """Points that are not on the boundary between two sides of their cones."""
    return rng.normal(size=(2, batch, dims.size))


@each_product
@pytest.mark.parametrize("seed", range(4))
def test_units_are_those_of_the_pipeline(dims, seed):
    rng = np.random.default_rng(seed)
    structure, shape = _random(rng, dims)
    sizes = structure.P.size, structure.n, structure.A.size, structure.m
    data = [
        rng.normal(size=(3, size)) * 2.0 ** rng.integers(-3, 4, (3, size))
        for size in sizes
    ]
    data[3] *= 10.0 ** rng.integers(-6, 7, size=(3, 1))
    data[1] *= rng.random(data[1].shape) < 0.5
    expected = units_of(structure, ConeData(*data))

    @numba.njit
    def made(shape, P, q, A, b, d, e):
        return units.make_units(shape, P, q, A, b, d, e)

    for k in range(3):
        d, e = np.empty(structure.n), np.empty(structure.m)
        beta, gamma, near = made(shape, *(part[k] for part in data), d, e)
        assert near
        np.testing.assert_array_equal(beta * d, expected.x[k])
        np.testing.assert_array_equal(gamma * e, expected.y[k])
        np.testing.assert_array_equal(beta / e, expected.s[k])


def _whole(rows, n):
    """The pieces of rows that are whole, without a border."""
    spans = np.zeros((2, 2, rows), np.int64)
    spans[0, 1] = n
    return spans


def _random_pieces(rng, rows, start, stop):
    """Some columns of each row, or none."""
    ends = np.sort(rng.integers(start, stop + 1, (2, rows)), axis=0)
    return np.where(ends[0] < ends[1], ends, 0)


@pytest.mark.parametrize("border", [0, 1, 4, 6])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 11, 16])
def test_a_factor_within_its_profile_is_that_of_the_matrix(n, border):
    rng = np.random.default_rng([n, border])
    border = max(n - border, 0)
    pieces = _random_pieces(rng, 9, 0, border), _random_pieces(rng, 9, border, n)
    spans = np.stack(pieces).astype(np.int64)
    A = np.zeros((9, n))
    for piece in spans:
        for row, (start, stop) in zip(A, piece.T, strict=True):
            row[start:stop] = rng.normal(size=stop - start)
    weights, right, x = rng.random(9), rng.normal(size=n), rng.normal(size=n)
    reach = np.minimum(np.arange(1, n + 1), border)
    some = spans[0, 0] < spans[0, 1]
    np.maximum.at(reach, spans[0, 0, some], spans[0, 1, some])
    reach = np.maximum.accumulate(reach)
    H = np.eye(n)
    whole = H + A.T @ (weights[:, None] * A)

    @numba.njit
    def solved(H, A, spans, weights, reach, border, right):
        arithmetic.add_gram(H, A, spans, weights)
        works = arithmetic.factor(H, reach, border)
        arithmetic.solve(H, reach, border, right)
        return works

    @numba.njit
    def multiplied(A, spans, x, y, Ax, Aty):
        arithmetic.times(A, spans, x, Ax)
        arithmetic.transposed_times(A, spans, y, Aty)

    expected = np.linalg.solve(whole, right)
    assert solved(H, A, spans, weights, reach, border, right)
    np.testing.assert_allclose(right, expected, rtol=1e-10, atol=1e-12)
    arguments = A, spans, 0 * weights, reach, border, right.copy()
    assert not solved(-np.eye(n), *arguments)
    Ax, Aty = np.empty(9), np.empty(n)
    multiplied(A, spans, x, weights, Ax, Aty)
    np.testing.assert_allclose(Ax, A @ x, atol=1e-12)
    np.testing.assert_allclose(Aty, A.T @ weights, atol=1e-12)


@each_product
def test_cones_are_those_of_the_optimality_conditions(dims):
    rng = np.random.default_rng(7)
    _, shape = _random(rng, dims)
    ys, ss = _pair(rng, dims)
    pairs = [part.numpy() for part in complementary_pair(dims, ys, ss)]
    sides, spectrum = Sides.of(dims, *pairs), Spectrum.at(dims, *pairs)
    balance = balance_of(dims, ys, ss)
    vector = rng.normal(size=(4, dims.size))
    turned = spectrum.out_of(spectrum.values * spectrum.into(vector)).numpy()

    @numba.njit
    def found(shape, y, s, sides, d, balance, v):
        basis = cones.basis_of(shape, y.size)
        cones.make_balance(shape, y, s, balance)
        cones.make_pair(shape, y, s)
        cones.make_sides(shape, y, s, sides)
        cones.make_spectrum(shape, y, s, d, basis)
        cones.turn(shape, basis, v, True)
        v *= d
        cones.turn(shape, basis, v, False)

    for k in range(4):
        y, s, v = ys[k].copy(), ss[k].copy(), vector[k].copy()
        own, (d, unit) = np.empty(shape.sides.shape[1]), np.empty((2, dims.size))
        found(shape, y, s, own, d, unit, v)
        np.testing.assert_allclose(y, pairs[0][k], atol=1e-14)
        np.testing.assert_allclose(s, pairs[1][k], atol=1e-14)
        np.testing.assert_allclose(v, turned[k], atol=1e-12)
        # A cone of one row has one side there, and the same one twice here.
        np.testing.assert_allclose(
            np.unique(own.round(9)), np.unique(np.round(sides.distances[k], 9))
        )
        if balance is not None:
            np.testing.assert_array_equal(unit, balance[k])


@pytest.mark.parametrize("dims", DIMS, ids=str)
def test_the_scaling_takes_both_points_to_one(dims):
    rng = np.random.default_rng(3)
    _structure, shape = _random(rng, dims)
    p, m, first = dims.zero, dims.size, shape.first

    def inside():
        v = rng.random(m)
        for start, stop in itertools.pairwise(first):
            v[start] += np.linalg.norm(v[start + 1 : stop])
        return v

    s, z, d, A = inside(), inside(), rng.normal(size=m), rng.normal(size=(m, 6))
    A[:, 0] = A[:, -1] = 0.0

    @numba.njit
    def scaled(shape, s, z, d, A):
        own, F = scaling.scaling_of(shape, s.copy(), z), np.zeros(A.shape)
        scaling.make_scaling(shape, own)
        scaling.scaled(shape, own, s)
        scaling.make_scaled_rows(shape, own, A, F)
        back = A[:, 2].copy()
        scaling.scaled(shape, own, back)
        t = scaling.steepness(shape, own, d, d)
        corrected = np.zeros(s.size)
        scaling.make_corrected(shape, own, d, d, 0.3, corrected)
        return own.point, F, back, t, corrected

    wide = shape._replace(spans=_whole(m, 6))
    point, F, back, t, corrected = scaled(wide, s, z, d, A)
    np.testing.assert_allclose(point[p:], s[p:], rtol=1e-10)
    np.testing.assert_allclose(F[p:, 2], back[p:], rtol=1e-10)
    edge = point + d / t
    for cone, (start, stop) in enumerate(itertools.pairwise(first)):
        one, step, far = (
            point[start:stop],
            d[start:stop],
            corrected[start:stop] - point[start:stop],
        )
        product = np.r_[one @ far, one[0] * far[1:] + far[0] * one[1:]]
        expected = np.r_[step @ step - 0.3, 2 * step[0] * step[1:]]
        np.testing.assert_allclose(product, expected, atol=1e-9)
        assert edge[start] >= np.linalg.norm(edge[start + 1 : stop]) - 1e-9, cone
    heads = [
        edge[a] - np.linalg.norm(edge[a + 1 : b]) for a, b in itertools.pairwise(first)
    ]
    assert t == 0.0 or min(heads) == pytest.approx(0.0, abs=1e-9)


def _inside(rng, dims):
    """A pair inside of cones and duals, near the central path and away from it."""
    cone = EmbeddingCone.of(dims)
    identity = cone.identity[1:]
    away = 10.0 ** rng.uniform(-2, 0) * rng.uniform(-0.3, 0.3, (2, dims.size))
    s, z = identity + away
    return s * 10.0 ** rng.uniform(-2, 2), z


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dims", FURTHER, ids=str)
def test_scalings_are_those_of_the_engine_in_ops(dims, seed):
    rng = np.random.default_rng(seed)
    _structure, shape = _random(rng, dims)
    p, m = dims.zero, dims.size
    rest = dataclasses.replace(dims, zero=0)
    s, z = (np.r_[np.zeros(p), part] for part in _inside(rng, rest))
    steps = 0.3 * rng.normal(size=(2, m)) * np.sqrt(np.mean(s * z))
    A = rng.normal(size=(m, 6))

    @numba.njit
    def found(shape, s, z, dz, ds, A):
        own, F, corrected = scaling.scaling_of(shape, s, z), A * 0.0, z * 0.0
        scaling.make_scaling(shape, own)
        scaling.make_scaled_rows(shape, own, A, F)
        scaling.make_corrected(shape, own, ds.copy(), dz.copy(), 0.3, corrected)
        t = scaling.steepness(shape, own, dz, ds)
        to_z, to_s = own.point.copy(), own.point.copy()
        scaling.unscaled(shape, own, to_z, to_s)
        corrected -= own.point
        scaling.unscaled(shape, own, dz, corrected)
        scaling.unscaled(shape, own, np.zeros(s.size), ds)
        again = ds.copy()
        scaling.scaled(shape, own, again)
        return t, to_z, to_s, corrected, F, again

    wide = shape._replace(spans=_whole(m, 6))
    dz, ds = steps.copy()
    t, to_z, to_s, corrected, F, again = found(wide, s, z, dz, ds, A)
    np.testing.assert_allclose(to_z[p:], z[p:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(to_s[p:], s[p:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(again, steps[1], rtol=1e-8, atol=1e-10)

    # The engine in ops has another basis in scaled coordinates.
    cone = EmbeddingCone.of(rest)
    one = [np.r_[1.0, part[p:]][None, None] for part in (s, z)]
    other = cone.scaling(*map(tf.constant, one))
    eye = tf.constant(np.eye(1 + m - p)[None])
    inverse = other.inverse(eye).numpy()[0].T
    z_scaled = np.linalg.solve(inverse, np.r_[0.0, dz[p:]])
    s_scaled = inverse.T @ np.r_[0.0, ds[p:]]
    pair = [tf.constant(part[None, None]) for part in (z_scaled, s_scaled)]
    expected = other.correction(*pair, tf.constant([[[0.3]]], tf.float64))
    expected = other.transposed(expected).numpy()[0, 0, 1:]
    np.testing.assert_allclose(corrected[p:], expected, rtol=1e-6, atol=1e-8)
    assert t == pytest.approx(
        other.steepness(tf.concat(pair, axis=1)).numpy().item(), rel=1e-6
    )
    gram = F[p:].T @ F[p:]
    np.testing.assert_allclose(
        gram, A[p:].T @ (inverse @ inverse.T)[1:, 1:] @ A[p:], rtol=1e-7, atol=1e-8
    )


@pytest.mark.parametrize("order", [1, 2, 3, 6, 13])
def test_eigenvalues_are_those_of_lapack(order):
    rng = np.random.default_rng(order)

    @numba.njit
    def found(A, values, V, ascending):
        decompose(A.copy(), values, V)
        make_eigenvalues(A.copy(), ascending)

    vector = rng.normal(size=order)
    turn, _ = np.linalg.qr(rng.normal(size=(order, order)))
    far_apart = turn * 10.0 ** rng.uniform(-12, 2, order) @ turn.T
    full = rng.normal(size=(order, order))
    whole = rng.integers(-1, 2, (order, order)).astype(float)
    for A in (full, whole, np.outer(vector, vector), far_apart, np.diag(vector)):
        for part in (A + A.T, 0.0 * A):
            values, ascending, V = np.empty(order), np.empty(order), np.empty_like(A)
            found(part, values, V, ascending)
            size = 1e-14 * (1.0 + np.abs(part).max())
            np.testing.assert_allclose(V.T @ np.diag(values) @ V, part, atol=size)
            np.testing.assert_allclose(V @ V.T, np.eye(order), atol=1e-14)
            np.testing.assert_allclose(ascending, np.linalg.eigvalsh(part), atol=size)
