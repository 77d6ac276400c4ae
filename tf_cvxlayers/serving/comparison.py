"""Whether a file answers, in a new process, as the model does in this one."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import CvxLayersError, ExportError, Status
from tf_cvxlayers.serving import fresh_process

# Relative, where the engine in the file is the layer's own, and where it is another.
_SAME, _OTHER = 1e-9, 1e-6
# And in units of the outputs' dtype.
_ROUNDINGS = 100
_BATCH = 3


def compare(
    function: Callable[..., Any],
    signature: list[Any],
    path: pathlib.Path,
    endpoint: str,
    portable: bool,
    is_same: bool,
) -> None:
    """Raise `ExportError` if a new process gets other answers from the file.

    Args:
        function: what the endpoint is a trace of, with the model's own engines. Where
            it raises for every input that is tried, there is nothing to compare.
        signature: the arguments, nested `tf.TensorSpec`.
        path: of the file.
        endpoint: its name in the file.
        portable: whether the process has TensorFlow alone.
        is_same: whether the engines in the file are those of the model.
    """
    arrays, expected = _sample(function, signature)
    if expected is None:
        return
    inputs, outputs = path.parent / "inputs.npz", path.parent / "outputs.npz"
    named: dict[str, Any] = {f"a{k}": array for k, array in enumerate(arrays)}
    np.savez(inputs, **named)
    task = {
        "model": str(path),
        "endpoint": endpoint,
        "inputs": str(inputs),
        "outputs": str(outputs),
        "portable": portable,
    }
    run = subprocess.run(
        [sys.executable, "-P", fresh_process.__file__, json.dumps(task)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise ExportError(
            "Expected a file that a new process can use"
            f"{', with TensorFlow alone' if portable else ''}. Received there:\n"
            f"{run.stderr[-2000:]}"
        )
    with np.load(outputs, allow_pickle=False) as archive:
        found = [archive[f"a{k}"] for k in range(len(archive.files))]
    tolerance = _SAME if is_same else _OTHER
    worst = max(map(_difference, found, expected), default=0.0)
    allowed = max([tolerance, *(_ROUNDINGS * _epsilon(array) for array in expected)])
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


def _sample(
    function: Callable[..., Any], signature: list[Any]
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """Inputs, drawn until most elements have a solution, and the outputs."""
    best: tuple[list[np.ndarray], list[np.ndarray] | None] = [], None
    most = -1
    for arrays in _draws(tf.nest.flatten(signature)):
        tensors = [tf.constant(array) for array in arrays]
        try:
            outputs = function(*tf.nest.pack_sequence_as(signature, tensors))
        except CvxLayersError:
            continue
        found = [np.asarray(output) for output in tf.nest.flatten(outputs)]
        finite = sum(int(np.isfinite(array).sum()) for array in found)
        if finite > most:
            best, most = (arrays, found), finite
        if finite == sum(array.size for array in found):
            break
    return best


def _draws(specs: list[tf.TensorSpec]) -> Iterator[list[np.ndarray]]:
    random = np.random.default_rng(0)
    for of in (
        random.standard_normal,
        lambda shape: np.abs(random.standard_normal(shape)),
        np.ones,
        np.zeros,
    ):
        yield [_array(of, spec) for spec in specs]


def _array(of: Callable[[Any], np.ndarray], spec: tf.TensorSpec) -> np.ndarray:
    shape = [_BATCH if size is None else size for size in spec.shape]
    if spec.dtype == tf.string:
        return np.full(shape, "")
    if spec.dtype.is_floating:
        return of(shape).astype(spec.dtype.as_numpy_dtype)
    return np.zeros(shape, spec.dtype.as_numpy_dtype)


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest; infinite where one has an answer and the other not."""
    if expected.dtype == np.int32 and found.shape == expected.shape:
        unequal = (found <= Status.INACCURATE) != (expected <= Status.INACCURATE)
        return np.inf if unequal.any() else 0.0
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return np.inf
    if not np.issubdtype(expected.dtype, np.floating):
        return 0.0 if np.array_equal(found, expected) else np.inf
    found, expected = (array.astype(np.float64) for array in (found, expected))
    known = np.isfinite(expected)
    if not np.array_equal(known, np.isfinite(found)):
        return np.inf
    size = np.abs(expected[known]).max(initial=1.0)
    return float(np.abs(found - expected)[known].max(initial=0.0) / size)


def _epsilon(array: np.ndarray) -> float:
    is_float = np.issubdtype(array.dtype, np.floating)
    return float(np.finfo(array.dtype).eps) if is_float else 0.0
