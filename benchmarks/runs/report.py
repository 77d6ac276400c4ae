"""From seconds and answers to tables: statistics, Markdown, and the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from instances.arrays import SOLUTION, Arrays
from rich.console import Console
from rich.table import Table


@dataclass
class Entry:
    """One row: a library in one of its variants, on one workload.

    ``rounds`` holds one number of seconds a round, so that the i-th rounds of two
    entries were measured next to each other and can be compared as a pair. ``spent``
    is what all calls of all rounds took; a slow entry has fewer rounds than others.
    ``noise`` is how busy the processors were before each round, in percent.
    """

    library: str
    variant: str
    first: float = 0.0
    calls: int = 1
    rounds: list[float] = field(default_factory=list)
    spent: float = 0.0
    noise: list[float] = field(default_factory=list)
    answer: Arrays = field(default_factory=dict)
    failure: str | None = None

    @property
    def label(self) -> str:
        """The name of the row."""
        return f"{self.library}, {self.variant}"


@dataclass(frozen=True)
class Grid:
    """A table that has not decided yet where it is printed."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the table as Markdown, its numbers aligned to the right."""
        rule = ("---", *("---:" for _ in self.header[1:]))
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, rule)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        notes = [part for note in self.notes for part in ("", note)]
        return "\n".join([f"### {self.title}", "", *lines, *notes, ""])

    def show(self, console: Console) -> None:
        """Print the table on a terminal."""
        table = Table(title=self.title, title_justify="left")
        for index, name in enumerate(self.header):
            justify = "right" if index else "left"
            table.add_column(name, justify=justify, no_wrap=not index)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for note in self.notes:
            console.print(note, markup=False)


def speed(entries: list[Entry]) -> Grid:
    """Return times and ratios to the first entry that was measured.

    Two ratios, because they fail differently: that of the medians is thrown off when
    the machine changes its speed half-way, that of paired rounds when a single
    round is disturbed. Where both agree, the number can be believed.
    """
    header = ("", "median", "min", "quartiles", "first call", "calls")
    header += ("x, medians", "x, paired rounds")
    base = next((entry for entry in entries if entry.rounds), None)
    rows, notes = [], []
    for entry in entries:
        if not entry.rounds or base is None:
            rows.append((entry.label, "failed", *[""] * (len(header) - 2)))
            notes.append(f"{entry.label}: {one_line(entry.failure or 'no rounds')}")
            continue
        low, middle, high = np.quantile(entry.rounds, [0.25, 0.5, 0.75])
        rows.append(
            (
                entry.label,
                milliseconds(middle),
                milliseconds(min(entry.rounds)),
                f"{milliseconds(low)} to {milliseconds(high)}",
                milliseconds(entry.first),
                f"{len(entry.rounds)} x {entry.calls}",
                *ratios(entry.rounds, base.rounds),
            )
        )
    notes.append(quietness([percent for entry in entries for percent in entry.noise]))
    return Grid("Forward and backward, milliseconds", header, rows, notes)


def change(entries: list[Entry], now: str, before: str) -> Grid:
    """Return how many times as long each variant of one library takes as another's."""
    header = ("", "before, ms", "now, ms", "x, medians", "x, paired rounds")
    rows = []
    for entry in entries:
        others = [
            e for e in entries if (e.library, e.variant) == (before, entry.variant)
        ]
        if entry.library != now or not entry.rounds or not others[0].rounds:
            continue
        old, new = np.median(others[0].rounds), np.median(entry.rounds)
        times = milliseconds(old), milliseconds(new)
        rows.append((entry.variant, *times, *ratios(entry.rounds, others[0].rounds)))
    return Grid("Now and before, forward and backward", header, rows)


def ratios(rounds: list[float], base: list[float]) -> tuple[str, str]:
    """Return the ratio of the medians, and the median (quartiles) of those of pairs."""
    pairs = [a / b for a, b in zip(rounds, base, strict=False)]
    spread = np.quantile(pairs, [0.25, 0.5, 0.75])
    return (
        _digits(np.median(rounds) / np.median(base)),
        "{1} ({0} to {2})".format(*map(_digits, spread)),
    )


def quietness(noise: list[float]) -> str:
    """Return how busy the machine was when nothing of ours was running."""
    if not noise:
        return "Nothing was measured."
    middle, most = np.median(noise), max(noise)
    return (
        f"Between the turns the processors were {middle:.0f} % busy in the median, "
        f"{most:.0f} % at most; the times can be trusted if that is next to nothing."
    )


def accuracy(entries: list[Entry], exact: Arrays) -> Grid:
    """Return largest absolute errors, and differences from the first entry."""
    measured = [entry for entry in entries if entry.rounds]
    header = ("", "z", "gradients", "worst in", "z vs first row")
    header += ("gradients vs first row",)
    rows = []
    for entry in measured:
        errors = distances(entry.answer, exact)
        apart = distances(entry.answer, measured[0].answer)
        z, z_apart = errors.pop(SOLUTION), apart.pop(SOLUTION)
        worst = max(errors, key=errors.__getitem__)
        numbers = (z_apart, max(apart.values()))
        rows.append(
            (
                entry.label,
                f"{z:.1e}",
                f"{errors[worst]:.1e}",
                worst,
                *("-" if entry is measured[0] else f"{n:.1e}" for n in numbers),
            )
        )
    return Grid("Largest absolute errors", header, rows)


def distances(answer: Arrays, other: Arrays) -> dict[str, float]:
    """Return the largest absolute difference for each name; infinite where NaN."""
    result = {}
    for name, value in other.items():
        if answer[name].shape != value.shape:
            raise ValueError(
                f"{name} has shape {answer[name].shape}, expected {value.shape}"
            )
        worst = float(np.abs(answer[name] - value).max())
        result[name] = float("inf") if np.isnan(worst) else worst
    return result


def one_line(text: str, length: int = 300) -> str:
    """Return an error's text without its line breaks and the colours of a terminal."""
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    return plain if len(plain) <= length else plain[:length] + " ..."


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds, with three digits."""
    return _digits(1e3 * seconds)


def _digits(number: float) -> str:
    """Return three digits, or the whole part where it has more."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
