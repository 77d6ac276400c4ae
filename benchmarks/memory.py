"""Resident size over thousands of calls of a small layer: does anything stay behind?

    python benchmarks/memory.py

A layer that calls out of TensorFlow into a solver has to keep something between
forward and backward. The two ways to lose memory there are keeping it after the
backward pass, and keeping it where no backward pass ever comes; each is a scenario
here, in a fresh process, since memory that one has freed would hide what the other
one leaks.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.table import Table
from runs.environment import CHECKOUT

BATCH = 4
UNITS = 5
ROWS = 3
MEGABYTE = 2**20


def projection(engine: str) -> tuple[Callable, list]:
    """Return a small layer, projection onto a polytope, and a batch for it.

    All three parameters are fed: what is learned has one copy for good, what is fed
    arrives anew at every call. The polytope holds the origin, so it is never empty.
    """
    import cvxpy as cp
    import tensorflow as tf

    from tf_cvxlayers import CvxpyLayer

    x = cp.Parameter(UNITS, name="x")
    G = cp.Parameter((ROWS, UNITS), name="G")
    h = cp.Parameter(ROWS, name="h")
    y = cp.Variable(UNITS, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [G @ y <= h])
    layer = CvxpyLayer(problem, parameters=[x, G, h], variables=y, engine=engine)
    draw = tf.random.Generator.from_seed(0)
    shapes = [(BATCH, UNITS), (BATCH, ROWS, UNITS)]
    inputs = [draw.normal(shape, dtype=tf.float64) for shape in shapes]
    return layer, [*inputs, tf.ones((BATCH, ROWS), tf.float64)]


def forward_and_backward(layer: Callable, inputs: list) -> None:
    """Do what a step of training does."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(layer(*inputs))
    tape.gradient(total, inputs)


def forward_under_unused_tape(layer: Callable, inputs: list) -> None:
    """Record for a gradient that nobody asks for, as a validation step may."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        layer(*inputs)


SCENARIOS = {
    "forward and backward": forward_and_backward,
    "forward, tape unused": forward_under_unused_tape,
}


def sample(scenario: str, engine: str, calls: int, every: int) -> list[float]:
    """Return the resident size in MiB after the warm-up and after each batch of calls.

    Python's own garbage is collected before each sample: a cycle that waits for the
    collector is no leak.
    """
    import psutil

    sys.path.insert(0, str(CHECKOUT))
    layer, inputs = projection(engine)
    process = psutil.Process()

    def repeat(count: int) -> float:
        for _ in range(count):
            SCENARIOS[scenario](layer, inputs)
        gc.collect()
        return process.memory_info().rss / MEGABYTE

    return [repeat(every) for _ in range(1 + calls // every)]


def growth(sizes: list[float]) -> float:
    """Return by how many percent the size grew after the warm-up."""
    return 100 * (sizes[-1] / sizes[0] - 1)


def main() -> int:
    """Run the scenarios, print a table, and fail where the growth is over a limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--every", type=int, default=250, help="calls a sample")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--limit", type=float, help="percent of growth to fail at")
    options = parser.parse_args()

    sizes = {}
    for scenario in SCENARIOS:
        # A child that is spawned starts empty; a forked one would start with ours.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            run = (scenario, options.engine, options.calls, options.every)
            sizes[scenario] = pool.submit(sample, *run).result()

    table = Table(title=f"Resident size in MiB, batch {BATCH}, engine {options.engine}")
    table.add_column("calls after warm-up", justify="right")
    for scenario in SCENARIOS:
        table.add_column(scenario, justify="right")
    for index, row in enumerate(zip(*sizes.values(), strict=True)):
        last = index == options.calls // options.every
        cells = [f"{size:.1f}" for size in row]
        table.add_row(str(index * options.every), *cells, end_section=last)
    percent = [growth(column) for column in sizes.values()]
    table.add_row("growth", *(f"{number:+.2f} %" for number in percent))
    Console().print(table)
    return int(options.limit is not None and max(percent) > options.limit)


if __name__ == "__main__":
    sys.exit(main())
