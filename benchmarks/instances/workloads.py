"""The problems that are timed: their numbers, and their answers.

Only NumPy and SciPy are imported here, because the driver and every worker, each in an
environment of its own, read this file. How a workload is *stated* (in CVXPY, or by
hand for a library that wants matrices) is the worker's side of the matter.

The exact solution and the exact gradients of an instance are known without trusting
any solver, most often because it is built backwards from them. What a library returns
can then be called wrong, and not merely different from what another library returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from instances.arrays import Arrays
from instances.polished import sparse_programs
from instances.programs import quadratic_programs, sudoku
from instances.projections import ellipsoid, relu, sparsemax


@dataclass(frozen=True)
class Workload:
    """One problem, fed with one batch of numbers.

    ``parameters`` lists what is differentiated, in the order of the call. Those in
    ``shared`` have no batch axis: one value serves the whole batch, as the weights
    of a layer do. ``form`` names the statement, which workloads of different sizes
    have in common. ``make`` returns the instance and its exact answer.
    """

    name: str
    title: str
    form: str
    parameters: tuple[str, ...]
    shared: tuple[str, ...]
    make: Callable[[np.random.Generator], tuple[Arrays, Arrays]]

    def instance(self, seed: int) -> tuple[Arrays, Arrays]:
        """Return (instance, answer), the same ones for the same seed."""
        return self.make(np.random.default_rng(seed))


def _quadratic(
    name: str,
    batch: int,
    n: int,
    equalities: int,
    inequalities: int,
    what: str = "OptNet QP",
) -> Workload:
    """Return a workload of OptNet's quadratic programs, in a size."""
    sides = ["no equalities" if not equalities else f"{equalities} equalities"]
    sides.append(f"{inequalities} inequalities")
    return Workload(
        name=name,
        title=f"{what}: batch {batch}, n={n}, {', '.join(sides)}",
        form="quadratic",
        parameters=("Q_sqrt", "q", *("A", "b")[: 2 * bool(equalities)], "G", "h"),
        shared=(),
        make=partial(
            quadratic_programs,
            batch=batch,
            n=n,
            equalities=equalities,
            inequalities=inequalities,
        ),
    )


#: The large ones: their forms, in sizes a factor of four apart, and what they are.
LARGE = {
    "simplex": ((1000, 4000), "projection on the simplex"),
    "chain": ((1000, 4000), "projection on a chain"),
    "variation": ((1000, 4000), "total variation"),
    "control": ((50, 200), "control, 12 states, 4 inputs"),
    "portfolio": ((500,), "portfolio by factors"),
    "transport": ((50,), "regularized transport"),
    "battery": ((672,), "battery, a week in steps of 15 minutes"),
    "flow": ((200,), "flow on a network"),
}


def _large(form: str, size: int, title: str, batch: int = 16) -> Workload:
    """Return a workload of one parameter and many variables."""
    return Workload(
        name=f"{form}_{size}",
        title=f"Large: {title}, batch {batch}, size {size}",
        form=form,
        parameters=("x",),
        shared=(),
        make=partial(sparse_programs, form=form, size=size, batch=batch),
    )


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            name="relu",
            title="ReLU layer as a problem: 20 units, 300 samples, W and b shared",
            form="relu",
            parameters=("W", "b", "x"),
            shared=("W", "b"),
            make=relu,
        ),
        _quadratic("optnet", batch=128, n=10, equalities=5, inequalities=5),
        _quadratic("optnet_one", batch=1, n=10, equalities=5, inequalities=5),
        _quadratic("optnet_5", batch=128, n=5, equalities=2, inequalities=3),
        _quadratic("optnet_20", batch=128, n=20, equalities=10, inequalities=10),
        *(
            _quadratic(
                f"barrier{suffix}",
                batch=batch,
                n=2,
                equalities=0,
                inequalities=5,
                what="Control barrier QP",
            )
            for suffix, batch in (("_one", 1), ("", 256))
        ),
        _quadratic("optnet_64", batch=128, n=64, equalities=40, inequalities=64),
        _quadratic("dense_128", batch=128, n=128, equalities=0, inequalities=128),
        Workload(
            name="sudoku",
            title="Sudoku's QP: batch 150, n=64, 40 equalities (shared), bounds",
            form="sudoku",
            parameters=("A", "b", "q"),
            shared=("A", "b"),
            make=sudoku,
        ),
        Workload(
            name="sparsemax",
            title="Sparsemax: batch 128, n=10",
            form="sparsemax",
            parameters=("x",),
            shared=(),
            make=sparsemax,
        ),
        Workload(
            name="ellipsoid",
            title="Projection on an ellipsoid: batch 128, n=4, A and c shared",
            form="ellipsoid",
            parameters=("A", "c", "x"),
            shared=("A", "c"),
            make=ellipsoid,
        ),
        *(
            _large(form, size, title)
            for form, (sizes, title) in LARGE.items()
            for size in sizes
        ),
    )
}
