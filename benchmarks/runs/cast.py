"""The libraries of a run: their processes, and what they say of themselves."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from libraries import LIBRARIES, Library

from runs import environment
from runs.remote import RemoteWorker, WorkerError

#: The package, and the one of another checkout that it is compared with.
OURS, BEFORE = "tf_cvxlayers", "tf_cvxlayers, before"


class Cast(NamedTuple):
    """The libraries' processes, what they say of themselves, and who is missing."""

    workers: dict[str, RemoteWorker]
    introductions: dict[str, dict]
    missing: dict[str, str]


def start(
    libraries: list[str],
    peers_python: str | None,
    stack: ExitStack,
    before: Path | None = None,
) -> Cast:
    """Start one process per library; one that does not come up is left out.

    ``before`` is another checkout, whose package takes part as a library of its own.
    """
    cast = Cast({}, {}, {})
    for name in libraries:
        _join(cast, name, LIBRARIES[name], peers_python, environment.CHECKOUT, stack)
        if name == OURS and before is not None:
            _join(cast, BEFORE, LIBRARIES[name], peers_python, before, stack)
    return cast


def _join(
    cast: Cast,
    name: str,
    library: Library,
    peers_python: str | None,
    checkout: Path,
    stack: ExitStack,
) -> None:
    """Start a process, and add it to the cast if it introduces itself."""
    ours = library.is_ours
    python = sys.executable if ours else environment.peers_python(peers_python)
    variables = environment.variables(checkout if ours else None)
    worker = RemoteWorker(python, library.worker, variables)
    stack.enter_context(worker)
    try:
        cast.introductions[name] = worker.ask("hello")
    except WorkerError as error:
        print(error, file=sys.stderr)
        cast.missing[name] = str(error).splitlines()[-1]
        return
    cast.workers[name] = worker


def heading(title: str, cast: Cast, seed: int) -> list[str]:
    """Return the first lines of a report: the machine, the versions."""
    today = datetime.date.today().isoformat()
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return [
        f"# {title}, {today}",
        "",
        f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"Python {platform.python_version()}, float64, seed {seed}.",
        "",
        *(f"* {name} {one['version']}" for name, one in cast.introductions.items()),
        *(f"* {name} did not start: {why}" for name, why in cast.missing.items()),
        "",
    ]
