"""Nothing runs or is written when a layer is read, and what is broken is named."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cvxpy as cp
import keras
import numpy as np
import pytest

from tests.problems import BY_NAME
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.engines.diffcp.element import ElementSolver
from tf_cvxlayers.errors import FileError
from tf_cvxlayers.layers import Sparsemax
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.program.serialization import to_text


def _model(engine):
    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0])
    inputs = keras.Input((3,), dtype="float64")
    layer = CvxpyLayer(problem, x, y, engine=engine, dtype="float64", name="cone")
    return keras.Model(inputs, layer(inputs))


def _rewritten(path: Path, change) -> Path:
    """A copy of a `.keras` file with the config of its layer 'cone' changed."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    layers = config["config"]["layers"]
    change(next(each["config"] for each in layers if each["name"] == "cone"))
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path.with_name("other.keras"), "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path.with_name("other.keras")


@pytest.mark.parametrize(
    "setting", ["write_data_filename", "log_csv_filename", "verbose", "linear_solver"]
)
def test_a_file_names_no_file_to_write(setting, tmp_path):
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    _model(Diffcp(solver="scs", solver_options={"alpha": 1.4})).save(
        tmp_path / "good.keras"
    )

    def change(config):
        config["engine"]["config"]["solver_options"] = {setting: str(victim)}

    with pytest.raises(FileError, match=rf"(?s)'cone'.*'engine'.*{setting}"):
        keras.models.load_model(_rewritten(tmp_path / "good.keras", change))
    assert victim.read_text() == "precious"


def test_no_solver_runs_when_an_engine_is_made_or_a_file_is_read(monkeypatch, tmp_path):
    engine = Diffcp(solver="scs", solver_options={"alpha": 1.4})
    _model(engine).save(tmp_path / "good.keras")
    solves = []
    monkeypatch.setattr(ElementSolver, "result", lambda *_: solves.append(1))
    Diffcp(solver_options={"max_iter": 7, "presolve_enable": False})
    model = keras.models.load_model(tmp_path / "good.keras")
    assert model.get_layer("cone").engine == engine
    assert not solves


@pytest.mark.parametrize(
    ("solver", "options", "name"),
    [
        ("scs", {"alpha": 2.5}, "alpha"),
        ("scs", {"max_iters": 1.5}, "max_iters"),
        ("scs", {"max_iters": 2**40}, "max_iters"),
        ("scs", {"normalize": 1}, "normalize"),
        ("scs", {"scale": float("nan")}, "scale"),
        ("clarabel", {"tol_feas": "1e-9"}, "tol_feas"),
        ("clarabel", {"tol_feas": -1e-9}, "tol_feas"),
        ("clarabel", {"max_threads": True}, "max_threads"),
        ("clarabel", [("max_iter", 7)], "max_iter"),
        ("clarabel", {"verbose": True}, "verbose"),
    ],
)
def test_options_are_numbers_within_limits(solver, options, name):
    with pytest.raises(ValueError, match=rf"(?s){name}.*Received|Received.*{name}"):
        Diffcp(solver=solver, solver_options=options)


@pytest.mark.parametrize(
    ("engine", "match"),
    [
        ({"registered_name": "Dense", "config": {"units": 3}}, "engine"),
        ({"registered_name": "tf_cvxlayers>StartingValue", "config": {}}, "engine"),
        ({"registered_name": "tf_cvxlayers>Diffcp", "config": 3}, "settings"),
        ({"registered_name": "tf_cvxlayers>Diffcp", "config": {"a": 1}}, "'a'"),
        ({"registered_name": ["x"], "config": {}}, "engine"),
        ({"class_name": "Diffcp", "module": "os"}, "engine"),
    ],
)
def test_nothing_but_an_engine_is_made_of_an_engine(engine, match):
    config = BY_NAME["relu"].layer().get_config()
    with pytest.raises(FileError, match=rf"(?s)in its 'engine'.*{match}"):
        CvxpyLayer.from_config({**config, "engine": engine})


@pytest.mark.parametrize(
    ("part", "value", "match"),
    [
        ("program", None, "base64"),
        ("program", "AAAA", "npz"),
        ("program", to_text(ConeDims(zero=1)), "a cone program"),
        ("learned", {}, "a list"),
        ("learned", [{"initializer": "zeros"}] * 9, "fewer"),
        ("learned", ["zeros"], "a dict"),
        ("fixed", ["AAAA"], "npy"),
        ("single", 1, "True or False"),
        ("on_failure", "ignore", "on_failure"),
        ("dtype", {"class_name": "x"}, "settings"),
        ("no_such_argument", 1, "no_such_argument"),
    ],
)
def test_a_broken_part_is_named(part, value, match):
    config = BY_NAME["relu"].layer().get_config()
    with pytest.raises(FileError, match=rf"(?s)layer '{config['name']}'.*{match}"):
        CvxpyLayer.from_config({**config, part: value})


def test_a_part_that_is_missing_is_named():
    config = BY_NAME["relu"].layer().get_config()
    for part in ("program", "learned", "fixed", "single", "engine"):
        rest = {name: value for name, value in config.items() if name != part}
        with pytest.raises(FileError, match=rf"in its '{part}'"):
            CvxpyLayer.from_config(rest)
    for nothing in (None, [], "config"):
        with pytest.raises(FileError, match="dict"):
            CvxpyLayer.from_config(nothing)


def test_a_ready_made_layer_names_what_is_broken():
    config = Sparsemax(name="simplex").get_config()
    for change in ({"engine": {}}, {"on_failure": 3}, {"units": 3}):
        with pytest.raises(FileError, match="layer 'simplex'"):
            Sparsemax.from_config({**config, **change})


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_broken_files_are_errors_of_the_package(count):
    """In a process of its own, with a limit of memory and of time."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.broken_files", "--count", str(count)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "seed 0" in done.stdout


def test_arrays_that_are_read_compute_as_those_that_were_written():
    layer = BY_NAME["attributes"].layer()
    values = BY_NAME["attributes"].values(2)
    again = CvxpyLayer.from_config(layer.get_config())
    np.testing.assert_array_equal(layer(*values), again(*values))
