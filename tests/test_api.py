"""The public face of the package: its names, its docstrings, its silence."""

import ast
import importlib
import inspect
import pathlib
import re
import subprocess
import sys

import keras
import pytest

import tf_cvxlayers
from tests.conformance.test_ready_made import EACH
from tests.problems import CATALOGUE
from tf_cvxlayers.engines.catalogue import ENGINES

PACKAGE = pathlib.Path(tf_cvxlayers.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def _public_modules():
    names = ["tf_cvxlayers"]
    names += [
        f"tf_cvxlayers.{name}" for name in ("convex_networks", "engines", "layers")
    ]
    return [importlib.import_module(name) for name in names]


@pytest.mark.parametrize("module", _public_modules(), ids=lambda m: m.__name__)
def test_public_names_are_listed_in_order_and_exist(module):
    assert module.__all__ == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__doc__


_QUIET = """
import sys
import tf_cvxlayers
found = [name for name in ("cvxpy", "diffcp", "scs", "clarabel") if name in sys.modules]
assert not found, found
"""


def test_importing_the_package_is_quiet_and_needs_no_solver():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _QUIET], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def _examples():
    """The Python examples in the docstrings of the package."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
            text = isinstance(node, documented) and ast.get_docstring(node)
            for code in re.findall(r"```python\n(.*?)```", text or "", re.DOTALL):
                name = getattr(node, "name", path.stem)
                # An export traces all of a model, and starts a process.
                marks = pytest.mark.slow if "export(" in code else ()
                yield pytest.param(code, id=name, marks=marks)


# What an example may take for granted, besides its own imports.
_GIVEN = """
import cvxpy as cp
import keras
import numpy as np
import tensorflow as tf
import tf_cvxlayers
from tf_cvxlayers import CvxpyLayer
x, y = np.ones((4, 2)), np.ones((4, 1))
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
"""
# The example of an engine takes a problem with its parameter and variable for granted.
_STATED = """
x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1, y >= 0])
"""


@pytest.mark.parametrize("code", list(_examples()))
def test_docstring_examples_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stated = _STATED if "problem" in code and "cp.Problem" not in code else ""
    exec(_GIVEN + stated + code, {"__name__": "example"})


def test_every_public_layer_has_a_row_in_the_catalogue():
    layers = [
        value
        for module in _public_modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer)
    ]
    covered = {type(case.layer()) for case in CATALOGUE}
    assert set(layers) <= covered | {type(build()) for build in EACH.values()}


def test_every_engine_and_solver_has_a_row_in_the_catalogue():
    engines = {case.layer().engine for case in CATALOGUE}
    assert {type(engine) for engine in engines} == {type(one) for one in ENGINES}
    solvers = {getattr(engine, "solver", None) for engine in engines}
    assert solvers >= {"clarabel", "scs"}


def test_every_kind_of_cone_that_an_engine_takes_has_a_row_in_the_catalogue():
    kinds = set().union(*(engine.cones for engine in ENGINES))
    covered = [case.layer().pipeline.program.structure.cones for case in CATALOGUE]
    assert set().union(*(dims.kinds for dims in covered)) == kinds
    assert any(len(set(dims.psd)) > 1 for dims in covered)
    assert any(len(set(dims.second_order)) > 1 for dims in covered)


def test_the_package_neither_prints_nor_asserts():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "print", path
