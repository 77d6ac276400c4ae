"""The worker's end of the line: commands in, measurements out, as JSON lines.

Imports nothing but NumPy and the standard library, as it runs in every environment.
A worker provides a ``Library``; this file does the reading, timing and reporting, so
that all libraries are timed by the same few lines.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np

#: One forward and backward pass; returns the solution and the gradients by name.
Step = Callable[[], dict[str, np.ndarray]]


class Library(Protocol):
    """What a worker has to say about the library it brings.

    ``variants`` has, for each way of calling the library, the workloads it can do.
    """

    name: str
    version: str
    variants: Mapping[str, Iterable[str]]

    def prepare(
        self, workload: str, variant: str, instance: dict[str, np.ndarray]
    ) -> Step:
        """Build the layer and return the step that is timed.

        What a user does once (stating the problem, canonicalizing, tracing, making
        tensors) belongs here; what a training loop repeats belongs into the step.
        """


def serve(library: Library) -> None:
    """Answer commands until the driver closes the line.

    The answers get a private copy of stdout, and everything that libraries and
    solvers print is sent to stderr: one stray line would break the protocol.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    steps: dict[tuple[str, str], Step] = {}
    commands = {"hello": _hello, "prepare": _prepare, "run": _run}
    for line in sys.stdin:
        message = json.loads(line)
        try:
            reply = commands[message.pop("command")](library, steps, **message)
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers)


def _hello(library: Library, steps: dict) -> dict:
    return {
        "name": library.name,
        "version": library.version,
        "variants": {name: list(able) for name, able in library.variants.items()},
    }


def _prepare(
    library: Library,
    steps: dict,
    workload: str,
    variant: str,
    instance: str,
    answer: str,
    warm_up: int,
    patience: float,
) -> dict:
    """Build a step, warm it up, store its answer; report the time of each call.

    After so many seconds of ``patience`` there are no more calls to warm it up; the
    first call, which may be tracing, does not count. Steps of the same name are
    forgotten before: a workload may come again in another size.
    """
    steps.pop((workload, variant), None)
    with np.load(instance, allow_pickle=False) as arrays:
        step = library.prepare(workload, variant, dict(arrays))
    first = time.perf_counter()
    result = step()
    first = time.perf_counter() - first
    seconds: list[float] = []
    while len(seconds) < warm_up and sum(seconds) < patience:
        seconds.append(_timed(step))
    np.savez(answer, **result)
    steps[workload, variant] = step
    return {"first": first, "seconds": seconds}


def _run(
    library: Library, steps: dict, workload: str, variant: str, calls: int
) -> dict:
    """Time calls one by one; garbage of earlier rounds is collected beforehand."""
    step = steps[workload, variant]
    gc.collect()
    return {"seconds": [_timed(step) for _ in range(calls)]}


def _timed(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
