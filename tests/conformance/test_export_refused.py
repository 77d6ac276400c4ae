"""What `export` refuses, and how it compares a file with the model."""

import pathlib
import threading
import types

import cvxpy as cp
import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_cvxlayers
from tests.conformance.test_export import X, box, model_of, softmax
from tf_cvxlayers import CvxpyLayer, layers
from tf_cvxlayers.engines import Diffcp, InteriorPoint
from tf_cvxlayers.errors import ExportError, Status
from tf_cvxlayers.serving import answers, comparison
from tf_cvxlayers.serving.substitution import substituted, watched


def test_a_layer_that_cannot_be_portable_is_named_with_its_cones(tmp_path, monkeypatch):
    flat = property(lambda self: frozenset({"zero", "nonnegative"}))
    monkeypatch.setattr(InteriorPoint, "cones", flat)
    model = model_of(box(name="box"), softmax(name="softmax"))
    with pytest.raises(ExportError) as caught:
        tf_cvxlayers.export(model, tmp_path / "softmax", portable=True)
    text = str(caught.value)
    assert "/softmax'" in text
    assert "4 exponential cones" in text
    assert "/box'" not in text
    assert "portable=False" in text
    assert not (tmp_path / "softmax").exists()


@pytest.mark.parametrize("given", ["model", keras.layers.Dense(1), layers.Sparsemax()])
def test_what_is_no_model_is_refused(tmp_path, given):
    with pytest.raises(ExportError, match=r"Expected a built keras\.Model"):
        tf_cvxlayers.export(given, tmp_path / "model")


@pytest.mark.parametrize("path", [5, None, b"model", ["model"]])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(ExportError, match=r"str or an os\.PathLike.*path="):
        tf_cvxlayers.export(model_of(box()), path)


@pytest.mark.slow
def test_nothing_but_a_file_of_this_kind_is_replaced(tmp_path, monkeypatch, uncompared):
    model = model_of(box())
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ExportError, match=r"holds \['mine.txt'\]"):
        tf_cvxlayers.export(model, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"
    with pytest.raises(ExportError, match="on a local disk"):
        tf_cvxlayers.export(model, "gs://bucket/model")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    tf_cvxlayers.export(model, ".")
    pathlib.Path("assets.extra").mkdir()
    pathlib.Path("assets.extra/warm").write_text("up")
    assert tf_cvxlayers.export(model, ".").path == str(tmp_path / "empty")
    assert pathlib.Path("assets.extra/warm").read_text() == "up"
    tf.saved_model.load(".")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "empty"}


@pytest.mark.slow
def test_an_engine_that_finds_another_solution_is_no_stand_in(tmp_path):
    # Every y of the simplex is a solution; each engine finds one of its own.
    x, y = cp.Parameter(4, name="x"), cp.Variable(4, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum(y)), [cp.sum(y) == 1, y >= 0, y <= 1 + x])
    layer = CvxpyLayer(problem, x, y, engine=Diffcp(solver="ecos"), on_failure="nan")
    with pytest.raises(ExportError, match="Where a problem has many solutions"):
        tf_cvxlayers.export(model_of(layer), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), 0.0),
        (np.array([1.0, 2.0]), np.array([1.0, np.nan]), np.inf),
        (np.array([1.0, 200.5]), np.array([1.0, 200.0]), 0.0025),
        (np.array([[1.0]]), np.array([1.0]), np.inf),
        (np.int32([0, 4]), np.int32([1, 4]), np.inf),
        (np.array(["a"]), np.array(["b"]), np.inf),
    ],
)
def test_answers_are_compared_where_there_are_some(found, expected, difference):
    assert answers.difference(found, expected) == pytest.approx(difference)


def test_statuses_of_two_engines_may_differ_but_not_whether_there_is_a_solution():
    found, good, bad = np.int32([[0, 4], [1, 2], [0, 0]])
    assert answers.difference(found, good, is_status=True) == 0.0
    assert answers.difference(found, bad, is_status=True) == np.inf


@pytest.mark.parametrize("status", [Status.SOLVED, Status.INACCURATE])
def test_inaccurate_solutions_are_compared_as_such(status, monkeypatch):
    def named(value):
        return {"y/0": np.array([value]), "status/0": np.int32([status])}

    expected = {key: answers.Answer(part, 0.0) for key, part in named(1.0).items()}
    drawn = types.SimpleNamespace(inputs=[], expected=expected)
    process = types.SimpleNamespace(
        load=lambda path: None, answers=lambda *_: named(1.0 + 1e-4)
    )
    written = types.SimpleNamespace(endpoints={"status": None}, statuses={"status"})
    model = types.SimpleNamespace(variables=[])
    monkeypatch.setattr(comparison, "sample", lambda *_: drawn)
    arguments = model, written, [], pathlib.Path("file"), process, True
    if status == Status.INACCURATE:
        assert comparison.compare(*arguments)
    else:
        with pytest.raises(ExportError, match=r"differ by 1\.0e-04"):
            comparison.compare(*arguments)


class Traced(keras.Model):
    """A model with a graph of its own, and a counter."""

    def __init__(self):
        super().__init__()
        self.box = box(engine="diffcp")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    @tf.function
    def call(self, x):
        self.calls.assign_add(1.0)
        return self.box(x)


@pytest.mark.slow
def test_a_model_with_graphs_of_its_own_is_what_it_was(tmp_path):
    model, x = Traced(), tf.constant(X * 0.1)
    expected = model(x)
    report = tf_cvxlayers.export(model, tmp_path / "model", portable=True)
    assert report.compared
    assert "status" in report.signatures
    assert model.calls.numpy() == 1.0
    # Neither the old graph nor a new one has another engine than it had.
    graph = tf.function(model).get_concrete_function(tf.TensorSpec([5, 4])).graph
    functions = graph.as_graph_def().library.function
    assert any("PyFunc" in node.op for f in functions for node in f.node_def)
    np.testing.assert_array_equal(model(x), expected)


@pytest.mark.slow
def test_python_beside_the_optimization_layers_is_found(tmp_path):
    class Elsewhere(keras.layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), x.shape)

    model = model_of(box(), Elsewhere())
    with pytest.raises(ExportError, match="something besides the optimization layers"):
        tf_cvxlayers.export(model, tmp_path / "model", portable=True)


@pytest.mark.slow
def test_without_a_choice_python_beside_the_layers_stays(tmp_path, uncompared):
    hidden = box(engine="diffcp")

    class Hiding(keras.layers.Layer):
        """Keras does not see the layer in here."""

        def __init__(self):
            super().__init__()
            self.get = lambda: hidden

        def call(self, x):
            return self.get()(x)

    report = tf_cvxlayers.export(model_of(Hiding()), tmp_path / "model")
    assert not report.portable
    assert "a layer that Keras does not know of" in report.reasons[0]


@pytest.mark.slow
def test_what_cannot_be_compared_is_loaded_and_said(tmp_path):
    x, y = cp.Parameter(4, name="x", bounds=[50, 100]), cp.Variable(4, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1])
    model = model_of(CvxpyLayer(problem, x, y))
    assert not tf_cvxlayers.export(model, tmp_path / "never").compared
    noisy = model_of(
        box(), keras.layers.Lambda(lambda y: y + keras.random.normal((4,)))
    )
    assert not tf_cvxlayers.export(noisy, tmp_path / "noisy").compared


class Label(keras.layers.Layer):
    """The place of the largest, in words."""

    def call(self, y):
        return tf.strings.as_string(tf.argmax(y, axis=-1))

    def compute_output_spec(self, y):
        return keras.KerasTensor(y.shape[:-1], dtype="string")


@pytest.mark.slow
def test_other_dtypes_and_unknown_sizes_are_compared(tmp_path):
    images = keras.Input((None, None, 1))
    hidden = keras.layers.Conv2D(4, 5, dtype="mixed_bfloat16")(images)
    y = box(dtype="mixed_bfloat16")(keras.layers.GlobalAveragePooling2D()(hidden))
    label = Label()(y)
    model = keras.Model(images, {"y": y, "label": label})
    assert tf_cvxlayers.export(model, tmp_path / "model").compared


def test_other_engines_stand_in_for_one_thread_and_leave_the_layer_as_it_is():
    layer, found = box(engine="diffcp"), []

    def look():
        found.append(layer.way.pipeline.engine)

    with substituted([(layer, InteriorPoint())]), watched([layer]) as statuses:
        look()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert (layer.way.on_failure, layer.on_failure) == ("nan", "raise")
        assert np.isnan(layer(np.full((1, 4), 2.0, "float32"))).all()
    look()
    assert found == [InteriorPoint(), Diffcp(), Diffcp()]
    assert [status.numpy().tolist() for status in statuses] == [[2]]
    assert layer.pipeline.engine == Diffcp()
