"""Exported files where there is no package, and where there is no Python."""

import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import tf_cvxlayers
from tests.conformance.test_ready_made import EACH, _inputs_for
from tests.problems import CATALOGUE
from tf_cvxlayers.serving.substitution import cone_layers, portable_choice

SOURCE = pathlib.Path(__file__).parents[1] / "serving" / "predict.c"
pytestmark = pytest.mark.slow


_ELSEWHERE = """
import pathlib
import sys

for name in ("tf_cvxlayers", "cvxpy", "diffcp", "scs", "clarabel", "keras"):
    sys.modules[name] = None

import numpy as np
import tensorflow as tf

for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    serve = tf.saved_model.load(folder / "model").signatures["serving_default"]
    for count in (0, 1, 3):
        with np.load(folder / "inputs.npz") as inputs:
            given = {name: tf.constant(inputs[name][:count]) for name in inputs}
            found = serve(**given)
        found = {name: value.numpy() for name, value in found.items()}
        np.savez(folder / f"found{count}.npz", **found)
"""


def _compared_elsewhere(folder, models):
    """Every model's file, in one process that has TensorFlow alone."""
    for name, (model, inputs) in models.items():
        report = tf_cvxlayers.export(model, folder / name / "model", portable=True)
        assert report.portable
        np.savez(folder / name / "inputs.npz", **inputs)
    subprocess.run([sys.executable, "-c", _ELSEWHERE, str(folder)], check=True)
    for name, (model, inputs) in models.items():
        for count in (0, 1, 3):
            values = [tf.constant(value[:count]) for value in inputs.values()]
            expected = model(*values)
            if not isinstance(expected, tuple):
                expected = (expected,)
            with np.load(folder / name / f"found{count}.npz") as found:
                for k, value in enumerate(expected):
                    array = found[f"output_{k}"]
                    assert array.shape == value.shape, (name, count)
                    np.testing.assert_allclose(
                        array, value, rtol=0, atol=1e-9, err_msg=f"{name}, {count}"
                    )


def _may_do_without_python(model):
    return all(portable_choice(*item).engine for item in cone_layers(model).items())


def test_problems_of_every_kind_run_without_the_package(tmp_path, uncompared):
    models = {}
    for case in CATALOGUE:
        layer = case.layer()
        if _may_do_without_python(layer):
            names = [spec.name for spec in layer.fed]
            models[case.name] = layer, dict(zip(names, case.values(3), strict=True))
    assert len(models) > 10
    _compared_elsewhere(tmp_path, models)


def test_every_ready_made_layer_runs_without_the_package(tmp_path, uncompared):
    models = {}
    for name in EACH:
        layer = EACH[name](dtype="float64")
        x = _inputs_for(name, 3)
        layer.build(x.shape)
        if _may_do_without_python(layer):
            models[name] = layer, {"inputs": x}
    assert len(models) > 10
    _compared_elsewhere(tmp_path, models)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small network with a projection onto the simplex, exported; and data."""
    simplex = tf_cvxlayers.layers.Sparsemax()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), simplex])
    path = tmp_path_factory.mktemp("small") / "1"
    tf_cvxlayers.export(model, path, portable=True)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    return model, path, x


def test_the_command_of_tensorflow_runs_it(small, tmp_path):
    model, path, x = small
    np.save(tmp_path / "x.npy", x)
    command = [
        pathlib.Path(sys.executable).parent / "saved_model_cli",
        *("run", "--dir", path, "--tag_set", "serve"),
        *("--signature_def", "serving_default"),
        *("--inputs", f"inputs={tmp_path / 'x.npy'}", "--outdir", tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    found = np.load(tmp_path / "output_0.npy")
    np.testing.assert_allclose(found, model(x), atol=1e-6)


def _compiled(folder):
    """The C program, linked to the libraries of TensorFlow's wheel."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    package = pathlib.Path(tf.__file__).parent
    libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
    if not all((package / library).exists() for library in libraries):
        pytest.skip(f"TensorFlow's wheel has no {' and '.join(libraries)}")
    program = folder / "predict"
    command = [
        *(compiler, SOURCE, "-o", program, f"-I{package / 'include'}", f"-L{package}"),
        *(f"-l:{library}" for library in libraries),
        f"-Wl,-rpath,{package}",
    ]
    subprocess.run(command, check=True)
    return program


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_program_without_python_runs_it(small, tmp_path, count):
    model, path, x = small
    program = _compiled(tmp_path)
    parsed = SavedModel()
    parsed.ParseFromString((path / "saved_model.pb").read_bytes())
    signature = parsed.meta_graphs[0].signature_def["serving_default"]
    given, _ = signature.inputs["inputs"].name.split(":")
    output, index = signature.outputs["output_0"].name.split(":")
    run = subprocess.run(
        [program, path, given, output, index, str(count), "4"],
        input=" ".join(f"{value:.9g}" for value in x[:count].ravel()),
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = np.array(run.stdout.split(), "float32").reshape(count, 3)
    np.testing.assert_allclose(found, model(x[:count]), atol=1e-6)
