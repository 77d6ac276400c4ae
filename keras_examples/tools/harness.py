"""What every example needs besides its idea: a command line, a console, a place for
what it writes, and an exit status."""

import argparse
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.table

EXAMPLES = pathlib.Path(__file__).resolve().parents[1]
OUTPUT = EXAMPLES / "output"

console = rich.console.Console()


class Example:
    """One run of an example.

    Args:
        description: for `--help`.
        quick: what `--quick` does.
        options: further options of the command line, from name to the settings of
            `argparse`.

    Attributes:
        quick: whether a short run is asked for.
        output: the folder for what is written.
        options: the values of all options.
    """

    def __init__(self, description, quick, options=None):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--quick", action="store_true", help=quick)
        for name, settings in (options or {}).items():
            parser.add_argument(name, **settings)
        parser.add_argument(
            "--output",
            type=pathlib.Path,
            default=OUTPUT,
            help="folder for what is written (default: %(default)s)",
        )
        self.options = parser.parse_args()
        self.quick = self.options.quick
        self.output = self.options.output
        self._failures = []
        # Files only, so that an example also runs where there is no display.
        plt.switch_backend("Agg")

    def path(self, name):
        """Return the path of a file in the output folder, which is there then."""
        self.output.mkdir(parents=True, exist_ok=True)
        return self.output / name

    def save(self, figure, name):
        """Write a figure, close it, and say where it is."""
        path = self.path(name)
        figure.savefig(path, dpi=120)
        plt.close(figure)
        console.print(f"plot: {path}")

    def expect(self, holds, otherwise):
        """Note a failure, in words, where something does not hold."""
        if not holds:
            self._failures.append(otherwise)

    def finish(self):
        """Leave with status 1 and the failures, if there were any."""
        if self._failures:
            raise SystemExit("\n".join(self._failures))


def stored(name):
    """Return the arrays of a data file that comes with the examples."""
    with np.load(EXAMPLES / "data" / f"{name}.npz") as archive:
        return dict(archive)


def new_table(title, *headings):
    """Return an empty table; `add_row` fills it, and the console prints it."""
    table = rich.table.Table(title=title)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table
