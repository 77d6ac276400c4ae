"""Whether a file answers, in a new process, as the model does in this one."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import ExportError, Status
from tf_cvxlayers.serving import fresh_process
from tf_cvxlayers.serving.endpoints import Written

# Relative, where the engine in the file is the layer's own, and where it is another.
_SAME, _OTHER = 1e-9, 1e-6
# And in units in the last place of the outputs, by the bytes of their dtype.
_ROUNDING = {1: 1.0, 2: 2.0**-7, 4: 2.0**-23, 8: 2.0**-52}
_ROUNDINGS = 100
# What is tried for an unknown dimension: a convolution may need many.
_SIZES = 3, 8, 32


def compare(
    model: keras.Model,
    written: Written,
    signature: list[Any],
    path: pathlib.Path,
    portable: bool,
    is_same: bool,
) -> bool:
    """Raise `ExportError` if a new process gets other answers from the file.

    Args:
        model: the model; its state is afterwards what it was.
        written: the endpoints, of which the last is called, with the model's engines.
        signature: the arguments, nested `tf.TensorSpec`.
        path: of the file.
        portable: whether the process has TensorFlow alone.
        is_same: whether the engines in the file are those of the model.

    Returns:
        Whether there was something to compare: answers, the same ones for each call.
    """
    name, function = list(written.endpoints.items())[-1]
    with _unchanged(model):
        arrays, expected = _sample(function, signature)
    inputs, outputs = path.parent / "inputs.npz", path.parent / "outputs.npz"
    named: dict[str, Any] = {f"a{k}": array for k, array in enumerate(arrays)}
    np.savez(inputs, **named)
    task = {
        "model": str(path),
        "endpoint": name,
        "inputs": str(inputs) if expected else None,
        "outputs": str(outputs),
        "portable": portable,
    }
    _run(task)
    if not expected:
        return False
    with np.load(outputs, allow_pickle=False) as archive:
        found = {key: archive[key] for key in archive.files}
    allowed = max(_SAME if is_same else _OTHER, *(o[1] for o in expected.values()))
    worst = max(
        (
            _difference(found.get(key), array, key.split("/")[0] in written.statuses)
            for key, (array, _) in expected.items()
        ),
        default=0.0,
    )
    if worst > allowed:
        cause = (
            "Please report this."
            if is_same
            else "The engine in the file is another one. Where a problem has many "
            "solutions, each engine finds one of its own: make the solution unique, "
            "for instance by a small quadratic term, or train with "
            "engine='interior_point', or export with portable=False."
        )
        raise ExportError(
            "Expected a file that answers as the model does. Received: answers that "
            f"differ by {worst:.1e}, relative to the largest, on inputs drawn at "
            f"random; {allowed:.0e} is allowed. {cause}"
        )
    return True


def _run(task: dict[str, Any]) -> None:
    """Load the file in a new process, and call it if there are inputs."""
    folders = [folder or os.getcwd() for folder in sys.path if isinstance(folder, str)]
    run = subprocess.run(
        [sys.executable, "-P", fresh_process.__file__, json.dumps(task)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        last = "\n".join(run.stderr.splitlines()[-12:])
        raise ExportError(
            "Expected a file that a new process can use"
            f"{', with TensorFlow alone' if task['portable'] else ''}. Received there:"
            f"\n{last}"
        )


@contextlib.contextmanager
def _unchanged(model: keras.Model) -> Iterator[None]:
    """Counters, running means and seeds are afterwards what they were."""
    state = [variable for variable in model.variables if not variable.trainable]
    values = [variable.numpy() for variable in state]
    try:
        yield
    finally:
        for variable, value in zip(state, values, strict=True):
            variable.assign(value)


Outputs = dict[str, tuple[np.ndarray, float]]


def _sample(
    function: Callable[..., Any], signature: list[Any]
) -> tuple[list[np.ndarray], Outputs]:
    """Inputs, drawn until all answers are finite, with the most finite ones; none where
    the model refuses all of them, or answers differently each time."""
    best: tuple[list[np.ndarray], Outputs] = [], {}
    most = 0
    for arrays in _draws(tf.nest.flatten(signature)):
        try:
            outputs = _called(function, signature, arrays)
        # Whatever a model says of inputs that were drawn blindly.
        except Exception:
            continue
        floats = [array for array, _ in outputs.values() if array.dtype.kind == "f"]
        finite = sum(int(np.isfinite(array).sum()) for array in floats)
        if finite > most or not floats:
            best, most = (arrays, outputs), finite
        if finite == sum(array.size for array in floats):
            break
    if best[1]:
        again = _called(function, signature, best[0])
        if any(
            _difference(again[key][0], of[0]) > of[1] for key, of in best[1].items()
        ):
            return best[0], {}
    return best


def _called(
    function: Callable[..., Any], signature: list[Any], arrays: list[np.ndarray]
) -> Outputs:
    """The outputs by names, with what rounding does to them."""
    specs = tf.nest.flatten(signature)
    flat = [
        tf.constant(array, spec.dtype)
        for array, spec in zip(arrays, specs, strict=True)
    ]
    found = function(*tf.nest.pack_sequence_as(signature, flat))
    return {
        name: (fresh_process.as_array(value), _rounding(value.dtype))
        for name, value in fresh_process.flat_by_name(found).items()
    }


def _rounding(dtype: tf.DType) -> float:
    return _ROUNDINGS * _ROUNDING[dtype.size] if dtype.is_floating else 0.0


def _draws(specs: list[tf.TensorSpec]) -> Iterator[list[np.ndarray]]:
    random = np.random.default_rng(0)
    is_known = all(None not in spec.shape[1:] for spec in specs)
    for size in _SIZES[:1] if is_known else _SIZES:
        ways: list[Callable[[Any], Any]] = [
            random.standard_normal,
            lambda shape: np.abs(random.standard_normal(shape)),
            random.random,
            lambda shape: 10.0 * random.random(shape),
            np.ones,
            np.zeros,
        ]
        for of in ways:
            yield [_array(of, spec, size) for spec in specs]


def _array(of: Callable[[Any], Any], spec: tf.TensorSpec, size: int) -> np.ndarray:
    shape = [size if known is None else known for known in spec.shape]
    if spec.dtype == tf.string:
        return np.full(shape, "")
    if spec.dtype.is_floating:
        return np.asarray(of(shape), np.float64)
    return np.zeros(shape, spec.dtype.as_numpy_dtype)


def _difference(
    found: np.ndarray | None, expected: np.ndarray, is_status: bool = False
) -> float:
    """Relative to the largest; infinite where one has an answer and the other not."""
    if found is None or found.shape != expected.shape:
        return np.inf
    if is_status:
        unequal = (found <= Status.INACCURATE) != (expected <= Status.INACCURATE)
        return np.inf if unequal.any() else 0.0
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    known = np.isfinite(expected)
    if not np.array_equal(known, np.isfinite(found)):
        return np.inf
    size = np.abs(expected[known]).max(initial=1.0)
    return float(np.abs(found - expected)[known].max(initial=0.0) / size)
