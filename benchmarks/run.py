"""Side by side with the peers: forward and backward, in one run.

    python benchmarks/run.py

Every library is a process of its own and waits for its turn; rounds alternate
(A B A B ...), so that a machine that slows down slows all of them down.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from instances.workloads import WORKLOADS, Workload
from libraries import LIBRARIES
from rich.console import Console
from runs import environment, report, turns
from runs.cast import BEFORE, OURS, Cast, heading, start
from runs.turns import Pace


def arguments() -> argparse.Namespace:
    """Return the command line's wishes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    add("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    add("--rounds", type=int, default=7, help="rounds per library and variant")
    add("--warm-up", type=int, default=2, help="calls before the first round")
    add("--budget", type=float, default=20, help="seconds for the rounds of one row")
    add("--seed", type=int, default=0)
    add(
        "--before",
        type=Path,
        metavar="FOLDER",
        help="another checkout of this package, which takes turns with this one",
    )
    add("--peers-python", metavar="PATH", help="an environment that has the peers")
    add("--output", type=Path, help="default: benchmarks/results/<date>.md")
    return parser.parse_args()


def measure(
    workload: Workload, cast: Cast, pace: Pace, seed: int, folder: Path
) -> list[report.Grid]:
    """Let all libraries solve one workload in turns; return its tables."""
    instance, exact = workload.instance(seed)
    entries = [
        report.Entry(library, variant)
        for library, introduction in cast.introductions.items()
        for variant, able in introduction["variants"].items()
        if workload.name in able
    ]
    turns.compare(workload.name, instance, entries, cast.workers, pace, folder)
    grids = [report.speed(entries), report.accuracy(entries, exact)]
    if BEFORE in cast.workers:
        grids.insert(0, report.change(entries, OURS, BEFORE))
    return grids


def preface(cast: Cast, options: argparse.Namespace) -> str:
    """Return what one has to know to read the tables, or to repeat them."""
    lines = [
        *heading("Benchmarks", cast, options.seed),
        f"Median, minimum and quartiles of {options.rounds} rounds, taken in turns; "
        f"of {turns.LEAST} or more where a row takes longer than {options.budget:g} s. "
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
    pace = Pace(options.rounds, options.warm_up, options.budget)
    with ExitStack() as stack:
        cast = start(options.libraries, options.peers_python, stack, options.before)
        if not cast.workers:
            return 1
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        text = preface(cast, options)
        for name in options.workloads:
            grids = measure(WORKLOADS[name], cast, pace, options.seed, folder)
            console.print(f"\n[bold]{WORKLOADS[name].title}")
            text += f"\n## {WORKLOADS[name].title}\n"
            for grid in grids:
                grid.show(console)
                text += "\n" + grid.markdown()

    today = datetime.date.today().isoformat()
    output = options.output or environment.BENCHMARKS / "results" / f"{today}.md"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    console.print(f"Written to {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
