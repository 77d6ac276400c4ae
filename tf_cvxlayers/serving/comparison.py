"""Whether a file answers, in a new process, as the model does in this one."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_cvxlayers.errors import ExportError
from tf_cvxlayers.serving import fresh_process
from tf_cvxlayers.serving.answers import difference
from tf_cvxlayers.serving.endpoints import Written
from tf_cvxlayers.serving.samples import Sample, sample

# Relative, where the engine in the file is the layer's own, and where it is another.
_SAME, _OTHER = 1e-9, 1e-6


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
        drawn = sample(function, signature)
    found = _found_elsewhere(path, name, drawn, portable)
    if not drawn.expected:
        return False
    worst = max(
        difference(found.get(key), answer.array, key.split("/")[0] in written.statuses)
        for key, answer in drawn.expected.items()
    )
    roundings = [answer.rounding for answer in drawn.expected.values()]
    allowed = max(_SAME if is_same else _OTHER, *roundings)
    if worst > allowed:
        raise _error(worst, allowed, is_same)
    return True


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


def _found_elsewhere(
    path: pathlib.Path, endpoint: str, drawn: Sample, portable: bool
) -> dict[str, np.ndarray]:
    """The answers of the file in a new process; it is only loaded if none are expected.

    Inputs and answers are files beside it.
    """
    inputs, outputs = path.parent / "inputs.npz", path.parent / "outputs.npz"
    named: dict[str, Any] = {f"a{k}": array for k, array in enumerate(drawn.inputs)}
    np.savez(inputs, **named)
    _run(
        {
            "model": str(path),
            "endpoint": endpoint,
            "inputs": str(inputs) if drawn.expected else None,
            "outputs": str(outputs),
            "portable": portable,
        }
    )
    if not drawn.expected:
        return {}
    with np.load(outputs, allow_pickle=False) as archive:
        return dict(archive)


def _run(task: dict[str, Any]) -> None:
    """Do the task of `fresh_process` in a new process.

    Raises:
        ExportError: it fails there.
    """
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


def _error(worst: float, allowed: float, is_same: bool) -> ExportError:
    """What to say of answers that differ too much."""
    cause = (
        "Please report this."
        if is_same
        else "The engine in the file is another one. Where a problem has many "
        "solutions, each engine finds one of its own: make the solution unique, for "
        "instance by a small quadratic term, or train with engine='interior_point', or "
        "export with portable=False."
    )
    return ExportError(
        "Expected a file that answers as the model does. Received: answers that differ "
        f"by {worst:.1e}, relative to the largest, on inputs drawn at random; "
        f"{allowed:.0e} is allowed. {cause}"
    )
