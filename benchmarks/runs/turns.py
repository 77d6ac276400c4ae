"""Libraries that take turns: A B A B, a round each, so that they share the weather.

Before each turn there is a pause, in which all processes should be asleep. Threads
that wait for work by spinning, as those of PyTorch and TensorFlow do for a while, take
a core from the next in turn; and a single busy core makes two threads that wait for
each other ten times slower, and not only twice. How busy the processors are in the
pauses is measured, so that a run on a machine that was not quiet can be told.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from instances.arrays import Arrays

from runs.remote import RemoteWorker, WorkerError
from runs.report import Entry

#: A round lasts about this long, with at least one call in it ...
ROUND_SECONDS = 0.25
#: ... and no more than so many.
MOST_CALLS = 50
#: Seconds of a pause for threads to fall asleep, and as many in which to look.
PAUSE = 0.1
#: Rounds an entry has in any case (if so many are asked for), however slow it is.
LEAST = 3


class Pace(NamedTuple):
    """How many rounds, how many calls before the first, and for how long at most.

    The rounds of one entry take ``budget`` seconds, or its first ``LEAST`` rounds
    where those take longer. A tenth of it may go into warming up.
    """

    rounds: int = 7
    warm_up: int = 2
    budget: float = 20.0


def compare(
    workload: str,
    instance: Arrays,
    entries: list[Entry],
    workers: dict[str, RemoteWorker],
    pace: Pace,
    folder: Path,
) -> None:
    """Let the entries solve an instance in turns; fill in their times and answers."""
    path = folder / "instance.npz"
    np.savez(path, **instance)
    for entry in entries:
        prepare(workload, path, entry, workers[entry.library], pace)
    for _ in range(pace.rounds):
        for entry in in_turns([one for one in entries if goes_on(one, pace)]):
            time.sleep(PAUSE)
            entry.noise.append(psutil.cpu_percent(interval=PAUSE))
            command = {"variant": entry.variant, "calls": entry.calls}
            try:
                reply = workers[entry.library].ask("run", workload=workload, **command)
            except WorkerError as error:
                fail(entry, workload, error)
                continue
            entry.rounds.append(float(np.median(reply["seconds"])))
            entry.spent += sum(reply["seconds"])


def prepare(
    workload: str, path: Path, entry: Entry, worker: RemoteWorker, pace: Pace
) -> None:
    """Have an entry's step built, warmed up and answered."""
    target = path.with_name("answer.npz")
    try:
        prepared = worker.ask(
            "prepare",
            workload=workload,
            variant=entry.variant,
            instance=str(path),
            answer=str(target),
            warm_up=pace.warm_up,
            patience=pace.budget / 10,
        )
    except WorkerError as error:
        fail(entry, workload, error)
        return
    entry.first = prepared["first"]
    usual = min(prepared["seconds"], default=entry.first)
    entry.calls = max(1, min(MOST_CALLS, int(ROUND_SECONDS / usual)))
    with np.load(target, allow_pickle=False) as answer:
        entry.answer = dict(answer)


def goes_on(entry: Entry, pace: Pace) -> bool:
    """Return whether an entry has another round."""
    if entry.failure is not None:
        return False
    done = len(entry.rounds)
    return done < LEAST or entry.spent * (1 + 1 / done) <= pace.budget


def fail(entry: Entry, workload: str, error: WorkerError) -> None:
    """Take a row out of the comparison, and say why."""
    entry.failure = str(error)
    entry.rounds.clear()
    print(f"{workload}, {entry.label}: {error}", file=sys.stderr)


def in_turns(entries: list[Entry]) -> list[Entry]:
    """Order the entries so that the libraries alternate: A1 B1 A2 B2, not A1 A2 B1."""
    seen: dict[str, int] = {}
    order = []
    for entry in entries:
        seen[entry.library] = seen.get(entry.library, 0) + 1
        order.append(seen[entry.library])
    ranked = sorted(range(len(entries)), key=lambda index: order[index])
    return [entries[index] for index in ranked]
