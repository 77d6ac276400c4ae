"""The picture of how times grow: medians as lines, minimum to maximum as bands."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

#: Told apart without colours too. Ours, the first, is drawn thicker.
MARKERS = "os^Dv"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D1F")


class Panel(NamedTuple):
    """Seconds of the rounds, by name of the line and by point on the axis."""

    label: str
    lines: dict[str, dict[int, list[float]]]


def draw(panels: list[Panel], path: Path) -> None:
    """Draw the panels next to each other, both axes logarithmic."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(13, 5.5), sharey=True, layout="constrained"
    )
    for axis, panel in zip(np.atleast_1d(axes), panels, strict=True):
        _draw(axis, panel)
    np.atleast_1d(axes)[0].set_ylabel("forward and backward, milliseconds")
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=len(labels), frameon=False
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw(axis: Axes, panel: Panel) -> None:
    points = sorted({point for line in panel.lines.values() for point in line})
    for index, (name, line) in enumerate(panel.lines.items()):
        milliseconds = [1e3 * np.asarray(rounds) for rounds in line.values()]
        look = {"color": COLOURS[index % len(COLOURS)]}
        axis.fill_between(
            list(line),
            [low.min() for low in milliseconds],
            [high.max() for high in milliseconds],
            alpha=0.2,
            linewidth=0,
            **look,
        )
        axis.plot(
            list(line),
            [np.median(middle) for middle in milliseconds],
            label=name,
            marker=MARKERS[index % len(MARKERS)],
            markersize=5,
            linewidth=1.6 if index else 2.8,
            **look,
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(panel.label)
    axis.xaxis.set_major_locator(FixedLocator(points))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.grid(which="major", alpha=0.35)
    axis.grid(which="minor", axis="y", alpha=0.12)
