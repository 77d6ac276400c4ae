"""How forward and backward grow with the batch and with the size of the problem.

    python benchmarks/scaling.py

OptNet's quadratic programs, all parameters differentiated, in two series: one size in
growing batches, and one batch of growing size. At each point the libraries take turns,
as in run.py. Writes a table and a picture.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from instances.arrays import SOLUTION, Arrays
from instances.programs import quadratic_programs
from rich.console import Console
from runs import environment, report, turns
from runs.cast import Cast, heading, start
from runs.curves import Panel, draw
from runs.turns import Pace

#: The workload whose statement and parameters all points have.
WORKLOAD = "optnet"
#: The variant of each library: at about the same accuracy, as far as it goes.
VARIANTS = {
    "tf_cvxlayers": "tf.function",
    "cvxpylayers": "accuracy 1e-8",
    "qpth": "defaults",
    "proxsuite": "accuracy 1e-8",
    "moreau": "defaults",
}
#: A call that will probably take longer than this, in seconds, is not made.
TOO_LONG = 20.0


class Series(NamedTuple):
    """Points along one axis, and the power of it that a slow library grows with."""

    name: str
    label: str
    points: tuple[int, ...]
    growth: int

    def sizes(self, point: int) -> dict[str, int]:
        """Return the sizes of a point."""
        if self.name == "batch":
            return {"batch": point, "n": 10, "equalities": 5, "inequalities": 5}
        half = point // 2
        return {"batch": 128, "n": point, "equalities": half, "inequalities": half}


class Measured(NamedTuple):
    """A library at a point: seconds of its rounds, largest errors, or why not.

    ``seconds`` is the prediction that a point was left out for.
    """

    rounds: list[float]
    z: float = 0.0
    gradients: float = 0.0
    seconds: float = 0.0
    failure: str | None = None
    noise: tuple[float, ...] = ()

    def time(self) -> str:
        """Return the cell of the table of times."""
        if not self.rounds:
            return "failed" if self.failure is not None else f"> {TOO_LONG:.0f} s"
        numbers = np.median(self.rounds), min(self.rounds), max(self.rounds)
        return "{} ({} to {})".format(*map(report.milliseconds, numbers))

    def error(self) -> str:
        """Return the cell of the table of errors."""
        return f"{self.z:.0e} / {self.gradients:.0e}" if self.rounds else ""


SERIES = (
    Series(
        name="batch",
        label="batch, at n=10 with 5 equalities and 5 inequalities",
        points=(1, 4, 16, 64, 128, 256, 1024, 4096),
        growth=1,
    ),
    Series(
        name="n",
        label="n, at batch 128 with n/2 equalities and n/2 inequalities",
        points=(5, 10, 20, 50, 100, 200),
        growth=3,
    ),
)


def arguments() -> argparse.Namespace:
    """Return the command line's wishes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--libraries", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    add("--rounds", type=int, default=5, help="rounds per library and point")
    add("--warm-up", type=int, default=2, help="calls before the first round")
    add("--budget", type=float, default=10, help="seconds for the rounds of a point")
    add("--largest", type=int, help="leave out the points beyond this one")
    add("--seed", type=int, default=0)
    add("--peers-python", metavar="PATH", help="an environment that has the peers")
    add("--output", type=Path, help="default: benchmarks/results/scaling-<date>")
    return parser.parse_args()


def measure(
    series: Series, cast: Cast, pace: Pace, options: argparse.Namespace, folder: Path
) -> dict[str, dict[int, Measured]]:
    """Return what was measured at each point, for each library."""
    table: dict[str, dict[int, Measured]] = {library: {} for library in cast.workers}
    for point in series.points:
        if options.largest and point > options.largest:
            break
        rng = np.random.default_rng(options.seed)
        instance, exact = quadratic_programs(rng, **series.sizes(point))
        entries = []
        for library, row in table.items():
            seconds = predicted(series, row, point)
            if seconds <= TOO_LONG:
                entries.append(report.Entry(library, VARIANTS[library]))
            else:
                row[point] = Measured([], seconds=seconds)
        turns.compare(WORKLOAD, instance, entries, cast.workers, pace, folder)
        for entry in entries:
            table[entry.library][point] = measured(entry, exact)
        print(f"{series.name} {point} done", file=sys.stderr)
    return table


def measured(entry: report.Entry, exact: Arrays) -> Measured:
    """Return what is kept of an entry; errors are relative to the largest number.

    The worst of thousands of elements has gradients ten times those of the worst of a
    hundred, which alone would make the errors grow with the batch.
    """
    if not entry.rounds:
        return Measured([], failure=entry.failure)
    errors = report.distances(entry.answer, exact)
    errors = {name: error / np.abs(exact[name]).max() for name, error in errors.items()}
    z = errors.pop(SOLUTION)
    gradients = max(errors.values())
    noise = tuple(entry.noise)
    return Measured(entry.rounds, z=z, gradients=gradients, noise=noise)


def predicted(series: Series, row: dict[int, Measured], point: int) -> float:
    """Return how long a call will take, going by the last one; 0 for the first."""
    if not row:
        return 0.0
    last, before = list(row.items())[-1]
    usual = float(np.median(before.rounds)) if before.rounds else before.seconds
    return usual * (point / last) ** series.growth


def tables(series: Series, rows: dict[str, dict[int, Measured]]) -> list[report.Grid]:
    """Return the times and the errors, one point a row."""
    times, errors, notes = [], [], []
    for point in next(iter(rows.values())):
        cells = [row[point] for row in rows.values()]
        times.append((str(point), *(cell.time() for cell in cells)))
        errors.append((str(point), *(cell.error() for cell in cells)))
    for library, row in rows.items():
        for point, cell in row.items():
            if cell.failure is not None:
                notes.append(f"{library}, {point}: {report.one_line(cell.failure)}")
    cells = [cell for row in rows.values() for cell in row.values()]
    notes.append(report.quietness([number for cell in cells for number in cell.noise]))
    header = (series.name, *(f"{name}, {VARIANTS[name]}" for name in rows))
    return [
        report.Grid("Milliseconds, median (minimum to maximum)", header, times, notes),
        report.Grid(
            "Largest errors, relative to the largest entry, z / gradients",
            header,
            errors,
        ),
    ]


def main() -> int:
    """Measure both series, print them, write them down and draw them."""
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    pace = Pace(options.rounds, options.warm_up, options.budget)
    panels = []
    with ExitStack() as stack:
        cast = start(options.libraries, options.peers_python, stack)
        if not cast.workers:
            return 1
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        text = "\n".join(heading("How the time grows", cast, options.seed))
        text += (
            f"\nForward and backward of OptNet's QP, {turns.LEAST} to {options.rounds} "
            "rounds taken in turns. A call that would probably take longer than "
            f"{TOO_LONG:.0f} s is not made: `> ...`.\n"
        )
        for series in SERIES:
            rows = measure(series, cast, pace, options, folder)
            console.print(f"\n[bold]By {series.label}")
            text += f"\n## By {series.label}\n"
            for grid in tables(series, rows):
                grid.show(console)
                text += "\n" + grid.markdown()
            lines = {
                f"{name}, {VARIANTS[name]}": {
                    point: cell.rounds for point, cell in row.items() if cell.rounds
                }
                for name, row in rows.items()
            }
            panels.append(Panel(series.label, lines))

    today = datetime.date.today().isoformat()
    output = options.output or environment.BENCHMARKS / "results" / f"scaling-{today}"
    output.parent.mkdir(parents=True, exist_ok=True)
    picture = output.with_suffix(".png")
    draw(panels, picture)
    text += f"\n![time by batch and by size]({picture.name})\n"
    output.with_suffix(".md").write_text(text)
    console.print(f"Written to {output.with_suffix('.md')} and {picture.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
