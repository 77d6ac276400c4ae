"""Side by side with the peers: forward and backward, in one run.

    python benchmarks/run.py

Every library is a process of its own and waits for its turn; rounds alternate
(A B A B ...), so that a machine that slows down slows all of them down.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import environment
import numpy as np
import report
from remote import RemoteWorker, WorkerError
from rich.console import Console
from workloads import WORKLOADS, Workload

#: Name of the library: (its worker, whether it lives in our own environment). One
#: more peer is one more line here, one more worker and one more requirement.
LIBRARIES = {
    "tf_cvxlayers": ("worker_ours.py", True),
    "cvxpylayers": ("worker_cvxpylayers.py", False),
}
#: A round lasts about this long, with at least one call in it.
SECONDS_PER_ROUND = 0.25


def arguments() -> argparse.Namespace:
    """Return the command line's wishes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    add("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    add("--rounds", type=int, default=7, help="rounds per library and variant")
    add("--warm-up", type=int, default=2, help="calls before the first round")
    add("--seed", type=int, default=0)
    add("--peers-python", metavar="PATH", help="an environment that has the peers")
    add("--output", type=Path, help="default: benchmarks/results/<date>.md")
    return parser.parse_args()


def measure(
    workload: Workload,
    workers: dict[str, RemoteWorker],
    introductions: dict[str, dict],
    options: argparse.Namespace,
    folder: Path,
) -> list[report.Grid]:
    """Let all libraries solve one workload in turns; return its tables."""
    instance, exact = workload.instance(options.seed)
    path = folder / f"{workload.name}.npz"
    np.savez(path, **instance)

    entries = []
    for library, worker in workers.items():
        if workload.name not in introductions[library]["workloads"]:
            continue
        for variant in introductions[library]["variants"]:
            entry = report.Entry(library, variant)
            entries.append(entry)
            target = folder / f"{workload.name}-{len(entries)}.npz"
            try:
                prepared = worker.ask(
                    "prepare",
                    workload=workload.name,
                    variant=variant,
                    instance=str(path),
                    answer=str(target),
                    warm_up=options.warm_up,
                )
            except WorkerError as error:
                fail(entry, workload.name, error)
                continue
            entry.first = prepared["first"]
            usual = min(prepared["seconds"], default=entry.first)
            entry.calls = max(1, min(50, int(SECONDS_PER_ROUND / usual)))
            with np.load(target, allow_pickle=False) as answer:
                entry.answer = dict(answer)

    take_turns(workload.name, entries, workers, options.rounds)
    return [report.speed(entries), report.accuracy(entries, exact)]


def take_turns(
    workload: str,
    entries: list[report.Entry],
    workers: dict[str, RemoteWorker],
    rounds: int,
) -> None:
    """Fill in the rounds; an entry that fails on the way is out of the comparison."""
    for _ in range(rounds):
        for entry in in_turns([one for one in entries if one.failure is None]):
            command = {"variant": entry.variant, "calls": entry.calls}
            worker = workers[entry.library]
            try:
                reply = worker.ask("run", workload=workload, **command)
            except WorkerError as error:
                fail(entry, workload, error)
                continue
            entry.rounds.append(float(np.median(reply["seconds"])))


def fail(entry: report.Entry, workload: str, error: WorkerError) -> None:
    """Take a row out of the comparison, and say why."""
    entry.failure = str(error)
    entry.rounds.clear()
    print(f"{workload}, {entry.label}: {error}", file=sys.stderr)


def in_turns(entries: list[report.Entry]) -> list[report.Entry]:
    """Order the entries so that the libraries alternate: A1 B1 A2 B2, not A1 A2 B1."""
    seen: dict[str, int] = {}
    order = []
    for entry in entries:
        seen[entry.library] = seen.get(entry.library, 0) + 1
        order.append(seen[entry.library])
    ranked = sorted(range(len(entries)), key=lambda index: order[index])
    return [entries[index] for index in ranked]


def preface(introductions: dict[str, dict], options: argparse.Namespace) -> str:
    """Return what one has to know to read the tables, or to repeat them."""
    today = datetime.date.today().isoformat()
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    lines = [
        f"# Benchmarks, {today}",
        "",
        f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"Python {platform.python_version()}, float64, seed {options.seed}.",
        "",
        *(f"* {name} {intro['version']}" for name, intro in introductions.items()),
        "",
        f"Median, minimum and quartiles of {options.rounds} rounds, taken in turns. "
        "A round is the median of its calls (`calls`: rounds x calls in a round). "
        "`x` is how many times as long a row takes as the first row does: the ratio "
        "of the medians, and the median (quartiles) of the ratios of paired rounds. "
        "The first call includes what is done once, as tracing.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the comparison, print it and write it down."""
    options = arguments()
    # Rich takes 80 columns where there is no terminal; a log has room for more.
    console = Console(width=None if sys.stdout.isatty() else 120)
    with ExitStack() as stack:
        workers: dict[str, RemoteWorker] = {}
        introductions: dict[str, dict] = {}
        for library in options.libraries:
            script, ours = LIBRARIES[library]
            python = sys.executable
            if not ours:
                python = environment.peers_python(options.peers_python)
            worker = RemoteWorker(
                python, environment.HERE / script, environment.variables(ours=ours)
            )
            workers[library] = stack.enter_context(worker)
            try:
                introductions[library] = worker.ask("hello")
            except WorkerError as error:
                print(error, file=sys.stderr)
                return 1
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        text = preface(introductions, options)
        for name in options.workloads:
            grids = measure(WORKLOADS[name], workers, introductions, options, folder)
            console.print(f"\n[bold]{WORKLOADS[name].title}")
            text += f"\n## {WORKLOADS[name].title}\n"
            for grid in grids:
                grid.show(console)
                text += "\n" + grid.markdown()

    today = datetime.date.today().isoformat()
    output = options.output or environment.HERE / "results" / f"{today}.md"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    console.print(f"Written to {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
