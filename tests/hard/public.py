"""Solve programs of public libraries, from files, and print what comes of them.

python -m tests.hard.public FOLDER [--engine auto] [--most 3000]

The objective is a parameter; beside each answer there is Clarabel's at its tightest.
"""

import argparse
import contextlib
import os
import pathlib
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cvxpy as cp
import numpy as np

from tests.hard.libraries import read
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.errors import CvxLayersError

_TIGHT = {f"tol_{name}": 1e-10 for name in ("gap_abs", "gap_rel", "feas")}
_SAME = 1e-6


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--most", type=int, default=3000, help="variables and rows")
    arguments = parser.parse_args()
    counts: dict = {}
    for path in sorted(
        arguments.folder.iterdir(), key=lambda path: path.stat().st_size
    ):
        line, word = _line(path, arguments)
        counts[word] = counts.get(word, 0) + 1
        print(f"{path.name:26} {line}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.items()))


def _line(path, arguments):
    problem, cost, x = read(path)
    try:
        layer = CvxpyLayer(
            problem, cost, x, engine=arguments.engine, dtype="float64", on_failure="nan"
        )
    except CvxLayersError as error:
        return f"not taken: {str(error).splitlines()[0][:90]}", "not taken"
    structure = layer.pipeline.program.structure
    sizes = f"n {structure.n:5} m {structure.m:5}"
    if structure.n + structure.m > arguments.most:
        return f"{sizes} not tried", "not tried"
    start = time.perf_counter()
    result = layer.solve(cost.value)
    seconds = time.perf_counter() - start
    status = Status(int(result.status)).name
    value = float(cost.value @ np.asarray(result.variables))
    expected = _expected(problem)
    word = _word(status, value, expected)
    answer = f"{value:15.8e}" if status == "SOLVED" else status
    engine = layer.engine.name
    return f"{sizes} {engine:14} {seconds:6.1f} s {answer:22} {expected} {word}", word


def _expected(problem):
    """Clarabel's value where it is sure of it, or its status."""
    for settings in (_TIGHT, {}):
        with warnings.catch_warnings(), contextlib.suppress(cp.SolverError):
            warnings.simplefilter("ignore")
            problem.solve(solver=cp.CLARABEL, **settings)
            if problem.status == "optimal":
                return problem.value
    return problem.status


def _word(status, value, expected):
    is_number = isinstance(expected, float | np.floating)
    if status == "SOLVED":
        if not is_number:
            return "not confirmed"
        same = abs(value - expected) <= _SAME * (1 + abs(expected))
        return "right" if same else "differs"
    claims = {"PRIMAL_INFEASIBLE": "infeasible", "DUAL_INFEASIBLE": "unbounded"}
    if status in claims:
        return "right" if claims[status] in str(expected) else "differs"
    return "open"


if __name__ == "__main__":
    main()
