"""Every solver and every derivative of an engine gives the same answer."""

import cvxpy as cp
import keras
import numpy as np
import pytest

from tests.calls import assert_all_close, outputs_and_gradients
from tests.problems import BY_NAME, CATALOGUE
from tf_cvxlayers import CvxpyLayer, Status, engines
from tf_cvxlayers.engines import Diffcp, InteriorPoint
from tf_cvxlayers.engines.base import Engine

CONVEX = [case for case in CATALOGUE if case.engine in ("auto", Diffcp())]
CURVED = ("spectraplex", "maxcut", "softmax", "log_sum_exp", "power_projection", "cube")
LINEAR = ["lp_vertex", "sum_of_norms", "softmax", "box_gp"]


@pytest.mark.parametrize("case", CONVEX, ids=str)
def test_clarabel_agrees_with_the_engine_that_is_chosen(case):
    if case.layer().engine == Diffcp():
        pytest.skip("Clarabel is what is chosen")
    layer = case.new_layer(engine=Diffcp())
    assert_all_close(
        outputs_and_gradients(layer, case.values(3)),
        outputs_and_gradients(case.layer(), case.values(3)),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", [*CURVED, "box_gp"])
def test_the_interior_point_method_agrees_with_other_engines(name):
    case = BY_NAME[name]
    assert_all_close(
        outputs_and_gradients(case.new_layer(engine=InteriorPoint()), case.values(3)),
        outputs_and_gradients(case.layer(), case.values(3)),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("case", CONVEX, ids=str)
def test_scs_agrees_with_clarabel(case):
    layer = case.new_layer(engine=Diffcp(solver="scs"))
    result, expected = (which.solve(*case.values(3)) for which in (layer, case.layer()))
    assert result.status.numpy().max() == Status.SOLVED
    assert_all_close(result.variables, expected.variables, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", LINEAR)
def test_ecos_agrees_with_clarabel(name):
    pytest.importorskip("ecos", reason="ECOS is optional")
    case = BY_NAME[name]
    layer = case.new_layer(engine=Diffcp(solver="ecos"))
    assert_all_close(
        layer(*case.values(3)), case.layer()(*case.values(3)), rtol=1e-7, atol=1e-7
    )


@pytest.mark.parametrize(
    "name", ["optnet", "attributes", "ellipsoid", "spectraplex", "softmax"]
)
def test_lsqr_agrees_with_the_direct_derivative(name):
    case = BY_NAME[name]
    layer = case.new_layer(engine=Diffcp(derivative="lsqr"))
    assert_all_close(
        outputs_and_gradients(layer, case.values(3)),
        outputs_and_gradients(case.layer(), case.values(3)),
        rtol=1e-6,
        atol=1e-7,
    )


def _sparse_least_squares(n, **options):
    """Signal recovery with `n` variables and a banded matrix: `n + m > 300`."""
    rows = np.repeat(np.arange(n), 2)
    columns = (rows + np.tile([0, 1], n)) % n
    A = cp.Parameter((n, n), sparsity=(rows, columns), name="A")
    b, x = cp.Parameter(n, name="b"), cp.Variable(n, name="x")
    objective = cp.sum_squares(A @ x - b) + 0.1 * cp.sum_squares(x)
    problem = cp.Problem(cp.Minimize(objective), [cp.diff(x) <= 0.3, x >= -1])
    rng = np.random.default_rng(0)
    values = np.zeros((2, n, n))
    values[:, rows, columns] = rng.normal(size=(2, 2 * n)) + 2.0
    layer = CvxpyLayer(problem, [A, b], [x], dtype="float64", **options)
    return layer, [values, rng.normal(size=(2, n))]


@pytest.mark.parametrize("derivative", ["direct", "lsqr"])
def test_a_large_sparse_problem_has_the_gradient_of_the_dense_path(
    derivative, monkeypatch
):
    from tf_cvxlayers.engines.diffcp import engine as diffcp

    engine = Diffcp(derivative=derivative)
    layer, values = _sparse_least_squares(150, engine=engine)
    structure = layer.pipeline.reduction.structure
    assert structure.n + structure.m > 300
    found = outputs_and_gradients(layer, values)
    monkeypatch.setattr(diffcp, "fits_dense", lambda structure: True)
    dense, values = _sparse_least_squares(150)
    expected = outputs_and_gradients(dense, values)
    assert_all_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["optnet", "ellipsoid", "spectraplex", "softmax"])
def test_the_sparse_adjoint_agrees_with_the_dense_one_for_every_cone(name, monkeypatch):
    from tf_cvxlayers.engines.diffcp import engine as diffcp

    case = BY_NAME[name]
    expected = outputs_and_gradients(case.layer(), case.values(3))
    monkeypatch.setattr(diffcp, "fits_dense", lambda structure: False)
    found = outputs_and_gradients(case.new_layer(engine=Diffcp()), case.values(3))
    assert_all_close(found, expected, rtol=1e-5, atol=1e-6)


def test_engines_compare_and_hash_by_value():
    one = Diffcp(solver="scs", solver_options={"alpha": 1.2})
    other = Diffcp(solver="scs", solver_options={"alpha": 1.2})
    assert one == other
    assert hash(one) == hash(other)
    assert one != Diffcp(solver="scs")
    assert Diffcp(tolerance=1e-8) != Diffcp(tolerance=1e-9)


def test_engines_are_immutable():
    with pytest.raises(AttributeError):
        Diffcp().tolerance = 1.0


@pytest.mark.parametrize(
    "engine",
    [
        Diffcp(),
        Diffcp("scs", 1e-7, 50, 2, "lsqr", {"alpha": 1.2}),
    ],
    ids=str,
)
def test_engines_survive_serialization(engine):
    config = keras.saving.serialize_keras_object(engine)
    assert keras.saving.deserialize_keras_object(config) == engine
    assert type(engine).from_config(engine.get_config()) == engine


def test_every_public_engine_declares_its_capabilities():
    for name in engines.__all__:
        engine_class = getattr(engines, name)
        if engine_class is Engine:
            continue
        engine = engine_class()
        assert isinstance(engine.name, str)
        assert isinstance(engine.portable, bool)
        assert isinstance(engine.supports_jit, bool)
        assert {"zero", "nonnegative", "second_order"} <= engine.cones


def test_layer_engine_is_the_engine_in_use():
    given = Diffcp(tolerance=1e-8)
    assert BY_NAME["relu"].new_layer(engine=given).engine == given
    assert isinstance(BY_NAME["relu"].new_layer(engine="diffcp").engine, Diffcp)
    assert isinstance(BY_NAME["relu"].new_layer(engine="auto").engine, Engine)
    power = BY_NAME["power_projection"].new_layer(engine="auto").engine
    assert "power" in power.cones


def test_a_looser_tolerance_asks_the_solver_for_less():
    case = BY_NAME["log_sum_exp"]
    loose, tight = (
        case.new_layer(engine=Diffcp(tolerance=t)).solve(*case.values(3))
        for t in (1e-3, 1e-11)
    )
    assert loose.iterations.numpy().sum() < tight.iterations.numpy().sum()
