"""A layer survives configs, clones, copies, pickles and files, exactly."""

import copy
import json
import pickle
import subprocess
import sys

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.calls import assert_identical, outputs_and_gradients
from tests.conformance.test_execution import projection
from tests.conformance.test_ready_made import EACH, _inputs_for
from tests.problems import BY_NAME, each_way, one_row
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp

pytestmark = pytest.mark.usefixtures("steady")


@each_way
def test_a_config_is_json_and_rebuilds_the_layer(case):
    layer, values = case.layer(), case.values(2)
    config = json.loads(json.dumps(layer.get_config()))
    rebuilt = CvxpyLayer.from_config(config)
    assert rebuilt.get_config() == layer.get_config()
    assert rebuilt.engine == layer.engine
    assert rebuilt.describe() == layer.describe()
    assert_identical(rebuilt(*values), layer(*values))


@one_row
def test_a_rebuilt_layer_has_the_same_gradients(case):
    rebuilt = CvxpyLayer.from_config(case.layer().get_config())
    values = case.values(2)
    assert_identical(
        outputs_and_gradients(rebuilt, values),
        outputs_and_gradients(case.layer(), values),
    )


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_a_used_layer_gives_the_same_outputs(copied):
    layer, (x,) = BY_NAME["softmax"].layer(), BY_NAME["softmax"].values(2)
    outputs_and_gradients(layer, [x])
    assert_identical(copied(layer)(x), layer(x))


def test_every_option_is_in_the_config():
    p, w, c = (cp.Parameter(2, name=name) for name in "pwc")
    y = cp.Variable(2, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - p - w)), [y >= c])
    layer = CvxpyLayer(
        problem,
        p,
        y,
        learned={
            w: {
                "initializer": keras.initializers.Constant(0.5),
                "regularizer": keras.regularizers.L2(0.1),
                "constraint": keras.constraints.MaxNorm(1.0),
                "trainable": False,
            }
        },
        fixed={c: [0.25, -0.25]},
        engine=Diffcp(solver="scs", tolerance=1e-8),
        on_failure="nan",
        dtype="mixed_float16",
        name="projection",
        trainable=False,
    )
    again = CvxpyLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.engine == Diffcp(solver="scs", tolerance=1e-8)
    assert again.on_failure == "nan"
    assert again.name == "projection"
    assert again.dtype_policy.name == "mixed_float16"
    (weight,) = again.weights
    assert not weight.trainable
    assert weight.regularizer.l2 == pytest.approx(0.1)
    x = np.array([[1.0, -2.0]])
    assert_identical(again(x), layer(x))


def _model():
    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    W, S = cp.Parameter((3, 3), name="W"), cp.Parameter((3, 3), PSD=True, name="S")
    c = cp.Parameter(3, name="c")
    z = cp.Variable(3, name="z")
    objective = cp.quad_form(y, S) + cp.sum_squares(z - x) + cp.sum_squares(y - z)
    problem = cp.Problem(cp.Minimize(objective), [W @ y <= c, cp.norm(y) <= 2])
    middle = CvxpyLayer(
        problem,
        x,
        y,
        learned={W: "glorot_uniform", S: np.diag([1.0, 2.0, 3.0])},
        fixed={c: np.ones(3)},
        dtype="float64",
    )
    inputs = keras.Input((3,), dtype="float64")
    outputs = keras.layers.Dense(2, dtype="float64")(projection(3)(middle(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    return model


X = np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.slow
def test_a_cloned_model_has_weights_of_its_own():
    model = _model()
    clone = keras.models.clone_model(model)
    assert not np.allclose(clone.predict(X, verbose=0), model.predict(X, verbose=0))
    clone.set_weights(model.get_weights())
    assert_identical(clone.predict(X, verbose=0), model.predict(X, verbose=0))
    clone.compile("sgd", "mse")
    before = model.get_weights()
    clone.fit(X, np.ones((4, 2)), verbose=0)
    assert_identical(model.get_weights(), before)


@pytest.mark.slow
def test_saved_weights_can_be_loaded_into_a_new_model(tmp_path):
    model, other = _model(), _model()
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_identical(other.predict(X, verbose=0), model.predict(X, verbose=0))


_READ = """
import sys

import numpy as np
import keras
import tf_cvxlayers

folder = sys.argv[1]
model = keras.models.load_model(folder + "/model.keras", safe_mode=True)
x = np.load(folder + "/x.npy")
np.save(folder + "/y.npy", model.predict(x, verbose=0))
model.fit(x, np.ones((4, 2)), verbose=0)
np.savez(folder + "/weights.npz", *model.get_weights())
assert "cvxpy" not in sys.modules, "loading or training imported cvxpy"
"""


@pytest.mark.slow
def test_a_saved_model_predicts_and_trains_in_a_process_without_cvxpy(tmp_path):
    model = _model()
    model.fit(X, np.zeros((4, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    subprocess.run([sys.executable, "-c", _READ, str(tmp_path)], check=True)
    expected = model.predict(X, verbose=0)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    model.fit(X, np.ones((4, 2)), verbose=0)
    with np.load(tmp_path / "weights.npz") as weights:
        for found, reference in zip(weights.values(), model.get_weights(), strict=True):
            np.testing.assert_allclose(found, reference, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_saved_model_holds_no_pickle(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a pickle was read")

    model = _model()
    model.save(tmp_path / "model.keras")
    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert_identical(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


_READ_ALL = """
import pathlib
import pickle
import sys

def guarded(read):
    def refuse(*arguments, **options):
        # Numba reads the machine code of the package so, which is in no model's file.
        if not sys._getframe(1).f_globals["__name__"].startswith("numba."):
            raise AssertionError("a pickle was read")
        return read(*arguments, **options)
    return refuse

import keras
import numpy as np
import tf_cvxlayers

for name in ("load", "loads", "Unpickler"):
    setattr(pickle, name, guarded(getattr(pickle, name)))

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(path, safe_mode=True)
    x = np.load(path.with_suffix(".x.npy"))
    np.save(path.with_suffix(".y.npy"), model.predict(x, verbose=0))
"""


@pytest.mark.slow
def test_every_ready_made_layer_in_a_nested_model_is_read_by_a_new_process(tmp_path):
    models = {}
    for name in EACH:
        x = _inputs_for(name, 4).astype("float32")
        given, within = keras.Input(x.shape[1:]), keras.Input(x.shape[1:])
        inner = keras.Model(within, EACH[name](name="optimization")(within))
        hidden = keras.layers.Dense(x.shape[1])(given)
        outer = keras.Model(given, keras.layers.Dense(2)(inner(hidden)))
        models[name] = outer, x
        outer.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.x.npy", x)
    subprocess.run([sys.executable, "-c", _READ_ALL, str(tmp_path)], check=True)
    for name, (model, x) in models.items():
        expected = model.predict(x, verbose=0)
        found = np.load(tmp_path / f"{name}.y.npy")
        np.testing.assert_array_equal(found, expected, err_msg=name)
        for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert_identical(copied.predict(x, verbose=0), expected)
        clone = keras.models.clone_model(model)
        model.save_weights(tmp_path / "of.weights.h5")
        clone.load_weights(tmp_path / "of.weights.h5")
        assert_identical(clone.predict(x, verbose=0), expected)


_SERVE = """
import sys

import numpy as np
import tensorflow as tf
import tf_cvxlayers

folder = sys.argv[1]
served = tf.saved_model.load(folder + "/served")
x = tf.constant(np.load(folder + "/x.npy"))
with tf.GradientTape() as tape:
    tape.watch(x)
    y = served.serve(x)
    total = tf.reduce_sum(y)
np.save(folder + "/y.npy", y)
assert "cvxpy" not in sys.modules, "serving imported cvxpy"
"""


@pytest.mark.slow
def test_a_saved_model_of_keras_serves_in_a_process_with_the_package(tmp_path):
    model = _model()
    model.export(tmp_path / "served", verbose=False)
    np.save(tmp_path / "x.npy", X)
    subprocess.run([sys.executable, "-c", _SERVE, str(tmp_path)], check=True)
    expected = model(tf.constant(X))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-12)
