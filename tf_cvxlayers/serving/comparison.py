"""Whether a file answers, in a new process, as the model does in this one."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_cvxlayers.errors import ExportError, Status
from tf_cvxlayers.serving.answers import difference
from tf_cvxlayers.serving.endpoints import Written
from tf_cvxlayers.serving.new_process import NewProcess
from tf_cvxlayers.serving.samples import sample

# Relative, where the engine in the file is the layer's own, and where it is another;
# and where a solution is said to be inaccurate.
_SAME, _OTHER, _INACCURATE = 1e-9, 1e-6, 1e-3


def compare(
    model: keras.Model,
    written: Written,
    signature: list[Any],
    path: pathlib.Path,
    process: NewProcess,
    is_same: bool,
) -> bool:
    """Raise `ExportError` if a new process gets other answers from the file.

    Args:
        model: the model; its state is afterwards what it was.
        written: the endpoints, of which the last is called, with the model's engines.
        signature: the arguments, nested `tf.TensorSpec`.
        path: of the file.
        process: where it is tried.
        is_same: whether the engines in the file are those of the model.

    Returns:
        Whether there was something to compare: answers, the same ones for each call.
    """
    name, function = list(written.endpoints.items())[-1]
    process.load(path)
    with _unchanged(model):
        drawn = sample(function, signature)
    if not drawn.expected:
        process.end()
        return False
    found = process.answers(name, drawn.inputs)
    worst = max(
        difference(found.get(key), answer.array, key.split("/")[0] in written.statuses)
        for key, answer in drawn.expected.items()
    )
    roundings = [answer.rounding for answer in drawn.expected.values()]
    inaccurate = any(
        np.any(answer.array == Status.INACCURATE)
        for key, answer in drawn.expected.items()
        if key.split("/")[0] in written.statuses
    )
    least = _INACCURATE if inaccurate else _SAME if is_same else _OTHER
    allowed = max(least, *roundings)
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
