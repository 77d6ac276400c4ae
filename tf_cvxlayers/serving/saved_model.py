"""A Keras model as a SavedModel, in TensorFlow ops alone or with a Python callback."""

import os
import pathlib
import re
import shutil
import tempfile
import threading
from typing import Any, NamedTuple

import keras

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.errors import ExportError
from tf_cvxlayers.layers.cone_layer import ConeLayer
from tf_cvxlayers.layers.problem_layer import ProblemLayer
from tf_cvxlayers.serving.comparison import compare
from tf_cvxlayers.serving.endpoints import call_signature, inlined, write
from tf_cvxlayers.serving.new_process import NewProcess
from tf_cvxlayers.serving.substitution import (
    PortableChoice,
    cone_layers,
    portable_choice,
    substituted,
)


class Exported(NamedTuple):
    """What `export` wrote.

    Attributes:
        path: the folder.
        portable: whether it runs without Python.
        signatures: the names of its signatures.
        engines: by the path of each optimization layer, the engine in the file.
        reasons: why it is not portable, one for each layer that is in the way.
        compared: whether a new process gave the model's answers. False where there were
            none: a model that refuses, or has no solution for, all inputs that were
            drawn, or that answers differently each time. The file was then only loaded.
    """

    path: str
    portable: bool
    signatures: tuple[str, ...]
    engines: dict[str, Engine]
    reasons: tuple[str, ...]
    compared: bool


# The entries of a SavedModel; `assets.extra` is the user's, and stays.
_OWN = {"saved_model.pb", "fingerprint.pb", "variables", "assets"}
_KEPT = {"assets.extra"}
# That functions run op by op is a setting of the whole process.
_LOCK = threading.RLock()


def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    portable: bool | None = None,
) -> Exported:
    """Write a model as a SavedModel, for TensorFlow Serving or `tf.saved_model.load`.

    The file has the endpoint and signature `serve`, which is `serving_default` too,
    and, where the model has optimization layers, a second signature `status`: it never
    fails, its outputs are NaN for elements without a solution, and `status` (with
    several solves `status_0`, `status_1`, ...; `solver_status` where the model has an
    output `status`) holds `int(Status.X)` for each element. What is solved in a loop
    (`tf.map_fn`, a recurrent cell) has no status outside of it; a model with such a
    layer has no second signature.

    Inputs keep their names in the signatures, as far as TensorFlow takes them: of `A`
    and `a` the second is `a_2`, `x.1` is `x_1`, and a Greek letter is spelt out. Inputs
    that Keras has given a running number are called `inputs`, or `inputs_0`,
    `inputs_1`, ....

    Other threads may call the model meanwhile; its layers stay as they are. TensorFlow
    runs the functions of all threads op by op until the file is written.

    Args:
        model: a built `keras.Model`, or an optimization layer, which is served as the
            model of this layer alone.
        path: the folder to write, on a local disk. In one that is there already, a
            SavedModel is replaced, and `assets.extra` is kept.
        portable: True for a file in TensorFlow ops alone, which runs in any process
            that has TensorFlow: Python without this package, the C API, TensorFlow
            Serving. Layers whose engine needs Python are solved by the interior-point
            engine there. False for a file in which every layer keeps its engine; a
            process that loads it must `import tf_cvxlayers`. None for the first where
            it is possible, else the second; the result says which.

    Returns:
        What was written.

    Raises:
        ExportError: a layer that cannot be portable, with its cones; a model that is
            not built, or calls Python by itself; a folder with something else in it; a
            file whose answers, in a new process, are not the model's.

    Example:

    ```python
    import cvxpy as cp
    import keras
    import tf_cvxlayers

    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1, y >= 0])
    layer = tf_cvxlayers.CvxpyLayer(problem, parameters=x, variables=y)
    model = keras.Sequential([keras.Input((3,)), layer])
    tf_cvxlayers.export(model, "exported/projection/1", portable=True)
    ```
    """
    model = _model(model)
    target = _target(path)
    layers = cone_layers(model)
    ported = [portable_choice(path, layer) for path, layer in layers.items()]
    reasons = tuple(_reason(choice) for choice in ported if choice.objection)
    if portable is None:
        try:
            return _export(model, target, ported, reasons, not reasons)
        except _CallsPythonError as error:
            return _export(model, target, ported, (str(error),), False)
    return _export(model, target, ported, reasons, portable)


class _CallsPythonError(ExportError):
    """There is Python in a model besides its optimization layers."""


def _export(
    model: keras.Model,
    target: pathlib.Path,
    ported: list[PortableChoice],
    reasons: tuple[str, ...],
    portable: bool,
) -> Exported:
    layers = {choice.path: choice.layer for choice in ported}
    if portable:
        engines = [_required(choice) for choice in ported]
    else:
        engines = [layer.engine for layer in layers.values()]
    chosen = list(zip(layers.values(), engines, strict=True))
    is_same = all(layer.engine == engine for layer, engine in chosen)
    signature = call_signature(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as name,
        NewProcess(portable, pathlib.Path(name)) as process,
    ):
        path = pathlib.Path(name) / "model"
        with _LOCK, inlined():
            with substituted(chosen):
                written = write(model, list(layers.values()), signature, path)
            if portable and written.has_python:
                raise _CallsPythonError(
                    "Expected a model in TensorFlow ops alone. Received: model="
                    f"{model.name!r}, in which something besides the optimization "
                    f"layers {list(layers)} calls Python, such as tf.py_function or a "
                    "layer that Keras does not know of. With portable=False it stays."
                )
            compared = compare(model, written, signature, path, process, is_same)
        _move(path, target)
    return Exported(
        str(target),
        portable,
        (*written.endpoints, "serving_default"),
        dict(zip(layers, engines, strict=True)),
        () if portable else reasons,
        compared,
    )


def _model(model: Any) -> keras.Model:
    """The model, or a model of the layer alone."""
    if isinstance(model, ConeLayer):
        dtype = model.compute_dtype
        if not model.fed:
            raise ExportError(
                "Expected a layer with a fed parameter, for a request to give. "
                f"Received: layer {model.name!r}, with none."
            )
        # CVXPY names a parameter without a name by a number of its process.
        names = [
            re.sub(r"^param\d+$", "", of.name).replace("/", "_") or None
            for of in model.fed
        ]
        inputs = [
            keras.Input(of.shape, name=name, dtype=dtype)
            for of, name in zip(model.fed, names, strict=True)
        ]
        return keras.Model(inputs, model(*inputs))
    if isinstance(model, ProblemLayer) and model.built:
        size = model.input_spec.axes[-1]
        inputs = keras.Input((size,), dtype=model.compute_dtype)
        return keras.Model(inputs, model(inputs))
    if isinstance(model, keras.Model) and model.built:
        return model
    advice = ""
    if isinstance(model, keras.layers.Layer) and not model.built:
        advice = ", not built. Call it once on data, or give it a keras.Input"
    raise ExportError(
        "Expected a built keras.Model, or an optimization layer. Received: "
        f"model={model!r}{advice}."
    )


def _reason(choice: PortableChoice) -> str:
    path, layer, engine, objection = choice
    cones = layer.pipeline.reduction.structure.cones.describe()
    return (
        f"layer {path!r} ({cones}) is solved by {layer.engine.name}, in Python"
        f"{'' if engine is None else f'; {engine.name} could, but would take'}: "
        f"{objection}"
    )


def _required(choice: PortableChoice) -> Engine:
    if choice.engine is None:
        raise ExportError(
            "Expected optimization layers that TensorFlow ops alone can solve. "
            f"Received: {_reason(choice)}. With portable=False the file keeps the "
            "solver, and a process that loads it must import tf_cvxlayers."
        )
    return choice.engine


def _target(path: str | os.PathLike[str]) -> pathlib.Path:
    """The folder, if it may be written."""
    if not isinstance(path, str | os.PathLike):
        raise ExportError(
            "Expected path to be a str or an os.PathLike, the folder to write. "
            f"Received: path={path!r}."
        )
    if "://" in os.fspath(path):
        raise ExportError(
            f"Expected a folder on a local disk, to copy from. Received: path={path!r}."
        )
    target = pathlib.Path(path).resolve()
    inside = {item.name for item in target.iterdir()} if target.is_dir() else set()
    other = sorted(inside - _OWN - _KEPT)
    if other or (target.exists() and not target.is_dir()):
        raise ExportError(
            "Expected a new folder, an empty one, or one with a SavedModel to replace. "
            f"Received: path={str(target)!r}, which holds {other[:5] or 'a file'}."
        )
    return target


def _move(path: pathlib.Path, target: pathlib.Path) -> None:
    """The file at once to its place; or, where there is one, its parts."""
    if not target.exists():
        path.rename(target)
        return
    for name in sorted(_OWN):
        old, new = target / name, path / name
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
        if new.exists():
            new.rename(old)
