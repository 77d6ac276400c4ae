"""Exported files answer as the model does, in processes of their own.

What runs here is `tf_cvxlayers.export`, which itself compares in a new process; the
slow tests look at the file with other eyes: without the package, by TensorFlow's own
command, and from a C program.
"""

import pathlib
import subprocess
import sys

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import tf_cvxlayers
from tf_cvxlayers import CvxpyLayer, layers
from tf_cvxlayers.engines import Diffcp, InteriorPoint
from tf_cvxlayers.errors import ExportError

HERE = pathlib.Path(__file__).parent
X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def box(**options):
    """The least change of x into a box that may be empty: `sum(x) <= y <= 1`."""
    x, y = cp.Parameter(4, name="x"), cp.Variable(4, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= cp.sum(x), y <= 1])
    return CvxpyLayer(problem, x, y, **options)


def model_of(*inner, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *inner])


def operations(path):
    """The kinds of operations in a file, those in its functions among them."""
    parsed = SavedModel()
    parsed.ParseFromString((path / "saved_model.pb").read_bytes())
    graph = parsed.meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {node.op for node in nodes}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained on the diffcp engine, and its portable file."""
    model = model_of(keras.layers.Dense(4), box(engine="diffcp", on_failure="nan"))
    model.compile("sgd", "mse")
    model.fit(X * 0.1, X * 0.1, verbose=0)
    path = tmp_path_factory.mktemp("export") / "box" / "1"
    return model, path, tf_cvxlayers.export(model, path)


@pytest.mark.slow
def test_a_layer_trained_on_diffcp_is_exported_without_python(trained):
    model, path, exported = trained
    assert exported.portable
    assert exported.path == str(path)
    assert exported.reasons == ()
    assert list(exported.engines.values()) == [InteriorPoint()]
    assert not {op for op in operations(path) if "PyFunc" in op}
    # The model itself is what it was.
    assert model.layers[1].engine == Diffcp()
    assert model.layers[1].pipeline.engine == Diffcp()
    assert model.layers[1].on_failure == "nan"


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_file_takes_every_batch_size(trained, count):
    model, path, _ = trained
    x = tf.constant(X[:count] * 0.1)
    loaded = tf.saved_model.load(path)
    by_signature = loaded.signatures["serving_default"](inputs=x)
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-6)
    np.testing.assert_array_equal(by_signature["output_0"], loaded.serve(x))


@pytest.mark.slow
def test_the_second_signature_tells_which_elements_have_a_solution(
    tmp_path, uncompared
):
    model = model_of(box())
    tf_cvxlayers.export(model, tmp_path / "box")
    assert model.layers[0].on_failure == "raise"
    loaded = tf.saved_model.load(tmp_path / "box")
    x = np.float32([[0.1] * 4, [2.0] * 4, [np.nan] * 4])
    found = loaded.signatures["status"](inputs=tf.constant(x))
    assert set(found) == {"output_0", "status"}
    expected = model.layers[0].solve(x)
    np.testing.assert_array_equal(found["status"], expected.status)
    np.testing.assert_array_equal(found["output_0"], expected.variables)
    # The first signature does as the layer does.
    with pytest.raises(tf.errors.InvalidArgumentError, match="PRIMAL_INFEASIBLE"):
        loaded.signatures["serving_default"](inputs=tf.constant(x[:2]))


@pytest.mark.slow
def test_gradients_go_through_a_loaded_file(trained):
    model, path, _ = trained
    x = tf.constant(X * 0.1)
    loaded = tf.saved_model.load(path)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(loaded.serve(x) ** 2)
    found = tape.gradient(total, x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x) ** 2)
    np.testing.assert_allclose(found, tape.gradient(total, x), atol=1e-5)


def softmax(**options):
    x, y = cp.Parameter(4, name="x"), cp.Variable(4, name="y")
    objective = cp.Minimize(-x @ y - cp.sum(cp.entr(y)))
    return CvxpyLayer(cp.Problem(objective, [cp.sum(y) == 1]), x, y, **options)


_LOAD = """
import sys

import numpy as np
import tensorflow as tf

folder, imports = sys.argv[1:]
files = [tf.saved_model.load(f"{folder}/{name}") for name in ("one", "two", "one")]
if imports == "yes":
    import tf_cvxlayers
x = tf.constant(np.load(folder + "/x.npy"))
with tf.GradientTape() as tape:
    tape.watch(x)
    found = [file.serve(x) for file in files]
    total = tf.add_n([tf.reduce_sum(y ** 2) for y in found])
np.savez(folder + "/found.npz", *found, gradient=tape.gradient(total, x))
"""


@pytest.mark.slow
def test_files_with_a_callback_are_loaded_together(tmp_path):
    one = model_of(softmax(engine="diffcp"))
    two = model_of(box(engine="diffcp"), softmax(engine="diffcp"))
    report = tf_cvxlayers.export(one, tmp_path / "one", portable=False)
    assert not report.portable
    report = tf_cvxlayers.export(two, tmp_path / "two", portable=False)
    assert list(report.engines.values()) == [Diffcp(), Diffcp()]
    x = tf.constant(X * 0.1)
    np.save(tmp_path / "x.npy", x)

    def load(imports):
        command = [sys.executable, "-c", _LOAD, str(tmp_path), imports]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    run = load("yes")
    assert run.returncode == 0, run.stderr
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = [one(x), two(x), one(x)]
        total = tf.add_n([tf.reduce_sum(y**2) for y in expected])
    with np.load(tmp_path / "found.npz") as found:
        for k, value in enumerate(expected):
            np.testing.assert_array_equal(found[f"arr_{k}"], value)
        np.testing.assert_array_equal(found["gradient"], tape.gradient(total, x))
    # Without the package the error says what is missing.
    run = load("no")
    assert run.returncode
    assert "key=tf_cvxlayers/" in run.stderr


@pytest.mark.slow
def test_inputs_have_names_that_do_not_count_processes(tmp_path, uncompared):
    def signature(model):
        tf_cvxlayers.export(model, tmp_path / "model")
        loaded = tf.saved_model.load(tmp_path / "model")
        return loaded.signatures["serving_default"].structured_input_signature[1]

    (given,) = signature(model_of(box()))
    assert given == "inputs"
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], box()(keras.layers.add([a, b])))
    assert set(signature(model)) == {"inputs_0", "inputs_1"}
    point = keras.Input((4,), name="point")
    model = keras.Model([point, a], box()(keras.layers.add([point, a])))
    assert set(signature(model)) == {"point", "inputs"}


@pytest.mark.slow
def test_inputs_with_names_that_tensorflow_does_not_tell_apart(tmp_path):
    names = ["A", "a", "\N{GREEK SMALL LETTER ALPHA}", "x.1", "x_1", "my x"]
    inputs = [keras.Input((4,), name=name) for name in names]
    outputs = {"y": box(name="solver")(keras.layers.add(inputs)), "Y": inputs[1]}
    report = tf_cvxlayers.export(keras.Model(inputs, outputs), tmp_path / "model")
    assert report.compared
    serve = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    given = {"A", "a_2", "alpha", "x_1_2", "x_1", "my_x"}
    assert set(serve.structured_input_signature[1]) == given
    found = serve(**dict.fromkeys(given, tf.constant(X * 0.01)))
    assert set(found) == {"y", "Y"}


@pytest.mark.slow
def test_parameters_with_names_that_tensorflow_does_not_tell_apart(
    tmp_path, uncompared
):
    A, a = cp.Parameter(2, name="A"), cp.Parameter(2, name="a")
    w, W = cp.Parameter(2, name="w/1"), cp.Parameter(2, name="W/1")
    y, Y = cp.Variable(2, name="y"), cp.Variable(2, name="Y")
    objective = cp.sum_squares(y - A - 2 * W) + cp.sum_squares(Y - a - w)
    layer = CvxpyLayer(
        cp.Problem(cp.Minimize(objective)),
        [A, a, w],
        [y, Y],
        learned={W: np.ones(2)},
        dtype="float64",
    )
    tf_cvxlayers.export(layer, tmp_path / "layer")
    serve = tf.saved_model.load(tmp_path / "layer").signatures["serving_default"]
    given = {
        name: tf.constant([[k, -k]], tf.float64)
        for k, name in enumerate(("A", "a_2", "w_1"), 1)
    }
    found = serve(**given)
    np.testing.assert_allclose(found["output_0"], [[3.0, 1.0]])
    np.testing.assert_allclose(found["output_1"], [[5.0, -5.0]])


@pytest.mark.slow
def test_each_solve_has_a_status_of_its_own(tmp_path, uncompared):
    x = keras.Input((4,))
    layer = box()
    outputs = {"status_0": layer(x), "second": layer(2.0 * x)}
    report = tf_cvxlayers.export(keras.Model(x, outputs), tmp_path / "model")
    assert len(report.engines) == 1
    assert report.signatures == ("serve", "status", "serving_default")
    status = tf.saved_model.load(tmp_path / "model").signatures["status"]
    found = status(inputs=tf.constant([[0.3] * 4, [0.1] * 4]))
    # The model has a `status_0` of its own.
    assert set(found) == {"status_0", "second", "solver_status_0", "solver_status_1"}
    assert found["solver_status_0"].numpy().tolist() == [2, 0]
    assert found["solver_status_1"].numpy().tolist() == [2, 0]


class Mapped(keras.layers.Layer):
    """A layer in a loop of TensorFlow."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return tf.map_fn(self.inner, x)


@pytest.mark.slow
def test_a_layer_in_a_loop_is_exported_without_a_status(tmp_path, uncompared):
    x = tf.constant(np.stack([X, X], axis=1) * 0.1)

    def exported(layer):
        model = model_of(layer, shape=(2, 4))
        report = tf_cvxlayers.export(model, tmp_path / "model")
        loaded = tf.saved_model.load(tmp_path / "model")
        np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-6)
        return report, loaded

    report, _ = exported(Mapped(box()))
    assert report.signatures == ("serve", "serving_default")
    # Keras calls the layer once for each time here.
    _, loaded = exported(keras.layers.TimeDistributed(box()))
    found = loaded.signatures["status"](inputs=x)
    assert found["status_0"].numpy().tolist() == [0, 0, 0]


class Twice(keras.Model):
    """A subclassed model, with layers that Keras's lists of layers do not show."""

    def __init__(self):
        super().__init__()
        self.inner = {"box": [box(engine="diffcp", name="b") for _ in range(2)]}

    def call(self, x):
        first, second = self.inner["box"]
        return second(first(x))


@pytest.mark.slow
def test_a_subclassed_model_is_exported_once_it_was_called(tmp_path, uncompared):
    model = Twice()
    with pytest.raises(ExportError, match="not built"):
        tf_cvxlayers.export(model, tmp_path / "model")
    x = X * 0.1
    expected = model(x)
    report = tf_cvxlayers.export(model, tmp_path / "model", portable=True)
    # Both, though they have one name.
    assert list(report.engines.values()) == [InteriorPoint(), InteriorPoint()]
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(x), expected, atol=1e-6)


@pytest.mark.slow
def test_a_layer_alone_is_served_by_the_names_of_its_parameters(tmp_path, uncompared):
    x, w = cp.Parameter(3, name="x"), cp.Parameter(nonneg=True, name="w")
    y = cp.Variable(3, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.norm(y) <= w])
    layer = CvxpyLayer(problem, [x, w], y)
    tf_cvxlayers.export(layer, tmp_path / "layer")
    serve = tf.saved_model.load(tmp_path / "layer").signatures["serving_default"]
    found = serve(x=tf.constant([[3.0, 0.0, 4.0]]), w=tf.constant([1.0]))
    np.testing.assert_allclose(found["output_0"], [[0.6, 0.0, 0.8]], atol=1e-6)
    ready = layers.Sparsemax()
    ready.build((None, 4))
    tf_cvxlayers.export(ready, tmp_path / "ready")
    loaded = tf.saved_model.load(tmp_path / "ready")
    np.testing.assert_allclose(loaded.serve(X), ready(X), atol=1e-6)


def test_an_export_is_quiet(tmp_path, capfd, caplog, uncompared):
    tf_cvxlayers.export(model_of(box()), tmp_path / "model")
    captured = capfd.readouterr()
    assert (captured.out, caplog.text) == ("", "")
    assert "Assets written" not in captured.err
