"""How long each engine takes on programs of many kinds and sizes, and the numbers of
the engines' estimates (`Engine.milliseconds`) that fit best.

python benchmarks/engines.py                      # all: some 20 minutes
python benchmarks/engines.py --kinds chain,dense  # these only

Each row is a process of its own: a step of training, forward and backward in a
`tf.function`, in batches of 1, 16 and 128. Written to `results/engines-<date>.md`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
BATCHES = (1, 16, 128)
ENGINES = ("compiled", "interior_point", "diffcp")
SIZES = {
    "simplex": (5, 20, 50, 100, 200, 400),
    "chain": (20, 50, 100, 200, 1000),
    "variation": (20, 50, 100, 400),
    "dense": (5, 20, 50, 100, 200),
    "battery": (12, 24, 96, 672),
    "control": (5, 10, 20, 50),
    "portfolio": (50, 100, 200),
    "transport": (5, 10, 16),
    "ball": (5, 20, 60, 120),
    "softmax": (3, 10, 30),
    "spectraplex": (3, 5, 8, 16),
    "correlation": (4, 8),
    "logistic": (10, 30),
    "powers": (3, 10, 30),
}


class Kind(NamedTuple):
    """A problem, its parameters, the variable asked for, and numbers for a batch."""

    problem: object
    parameters: list
    variable: object
    numbers: Callable[[int], list]


def stated(kind: str, n: int) -> Kind:
    """A problem of a kind and a size."""
    import cvxpy as cp
    import numpy as np

    rng = np.random.default_rng(0)
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    near, below = cp.sum_squares(y - x), cp.Minimize

    def points(scale=1.0):
        return lambda batch: [scale * rng.normal(size=(batch, n))]

    if kind == "simplex":
        rows = [cp.sum(y) == 1, y >= 0]
        return Kind(cp.Problem(below(near), rows), [x], y, points())
    if kind == "chain":
        rows = [cp.norm_inf(cp.diff(y)) <= 1]
        return Kind(cp.Problem(below(near), rows), [x], y, points(5.0))
    if kind == "variation":
        problem = cp.Problem(below(0.5 * near + 5.0 * cp.tv(y)))

        def walks(batch):
            return [np.cumsum(rng.normal(size=(batch, n)), axis=1)]

        return Kind(problem, [x], y, walks)
    if kind == "dense":
        G = rng.normal(size=(n, n)) / np.sqrt(n)
        Q = np.eye(n) + 0.1 * rng.normal(size=(n, n)) / np.sqrt(n)
        problem = cp.Problem(below(cp.sum_squares(Q @ y) + x @ y), [G @ y <= 1])
        return Kind(problem, [x], y, points(3.0))
    if kind == "battery":
        charge, discharge, state = cp.Variable(n), cp.Variable(n), cp.Variable(n + 1)
        moves = state[1:] == state[:-1] + 0.95 * charge - discharge / 0.95
        rows = [state[0] == 0.5, moves, state >= 0, state <= 2]
        rows += [charge >= 0, charge <= 0.5, discharge >= 0, discharge <= 0.5]
        wear = 0.05 * (cp.sum_squares(charge) + cp.sum_squares(discharge))
        problem = cp.Problem(below(x @ (charge - discharge) + wear), rows)
        return Kind(problem, [x], charge, points())
    if kind == "control":
        A = np.eye(6) + 0.05 * rng.normal(size=(6, 6))
        B = 0.2 * rng.normal(size=(6, 2))
        start, X, U = cp.Parameter(6), cp.Variable((6, n + 1)), cp.Variable((2, n))
        rows = [X[:, 0] == start, X[:, 1:] == A @ X[:, :-1] + B @ U, cp.abs(U) <= 0.3]
        problem = cp.Problem(below(cp.sum_squares(X) + cp.sum_squares(U)), rows)
        return Kind(problem, [start], U, lambda batch: [rng.normal(size=(batch, 6))])
    if kind == "portfolio":
        F, own = rng.normal(size=(n, n // 10)), 0.1 + rng.random(n)
        factors = cp.Variable(n // 10)
        risk = cp.sum_squares(cp.multiply(own, y)) + cp.sum_squares(factors)
        rows = [factors == F.T @ y / np.sqrt(n // 10), cp.sum(y) == 1, y >= 0]
        return Kind(cp.Problem(below(risk - x @ y), rows), [x], y, points(0.1))
    if kind == "transport":
        cost, plan = cp.Parameter((n, n)), cp.Variable((n, n))
        total = cp.sum(cp.multiply(cost, plan)) + 0.5 * cp.sum_squares(plan)
        even = np.ones(n) / n
        rows = [cp.sum(plan, axis=0) == even, cp.sum(plan, axis=1) == even, plan >= 0]
        problem = cp.Problem(below(total), rows)
        return Kind(problem, [cost], plan, lambda batch: [rng.random((batch, n, n))])
    if kind == "softmax":
        problem = cp.Problem(below(-x @ y - cp.sum(cp.entr(y))), [cp.sum(y) == 1])
        return Kind(problem, [x], y, points())
    if kind in ("spectraplex", "correlation"):
        X, Y = cp.Parameter((n, n), symmetric=True), cp.Variable((n, n), PSD=True)
        rows = [cp.trace(Y) == 1] if kind == "spectraplex" else [cp.diag(Y) == 1]

        def matrices(batch):
            values = rng.normal(size=(batch, n, n))
            return [values + values.swapaxes(1, 2)]

        return Kind(cp.Problem(below(cp.sum_squares(Y - X)), rows), [X], Y, matrices)
    if kind == "logistic":
        X, w, side = cp.Parameter((n, 5)), cp.Variable(5), np.sign(rng.normal(size=n))
        loss = cp.sum(cp.logistic(-cp.multiply(side, X @ w))) / n
        problem = cp.Problem(below(loss + 0.1 * cp.sum_squares(w)))
        return Kind(problem, [X], w, lambda batch: [rng.normal(size=(batch, n, 5))])
    if kind == "powers":
        t = cp.Variable(n)
        rows = [cp.PowCone3D(t, np.ones(n), y, 0.4)]
        return Kind(cp.Problem(below(near + cp.sum(t)), rows), [x], y, points(3.0))
    A = rng.normal(size=(n, n)) / np.sqrt(n)
    problem = cp.Problem(below(near), [cp.norm(A @ y) <= 1, y >= -1])
    return Kind(problem, [x], y, points())


def measured(kind: str, size: int, engine: str) -> list[dict]:
    """A row for each batch, in this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import numpy as np
    import tensorflow as tf

    from tf_cvxlayers import CvxpyLayer
    from tf_cvxlayers.engines.compiled.profile import Profile
    from tf_cvxlayers.engines.selection import choose_engine
    from tf_cvxlayers.optimality.forms import dense_work, has_band

    problem, parameters, variable, numbers = stated(kind, size)
    layer = CvxpyLayer(problem, parameters, variable, engine=engine, dtype="float64")
    structure = layer.pipeline.reduction.structure

    @tf.function
    def step(*values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(layer(*values) ** 2)
        return loss, tape.gradient(loss, values)

    rows = []
    for batch in BATCHES:
        values = [tf.constant(value) for value in numbers(batch)]
        step(*values)
        times, start = [], time.perf_counter()
        while len(times) < 3 or (time.perf_counter() - start < 1 and len(times) < 15):
            begin = time.perf_counter()
            step(*values)
            times.append(time.perf_counter() - begin)
        order, work = dense_work(structure)
        band = structure.band if has_band(structure) else None
        entries = structure.A.size + structure.P.size + structure.n + structure.m
        rows.append(
            {
                "kind": kind,
                "size": size,
                "engine": engine,
                "auto": choose_engine("auto", structure).engine.name,
                "batch": batch,
                "ms": 1e3 * float(np.median(times)),
                "estimate": layer.engine.milliseconds(structure, batch),
                "order": order,
                "numbers": structure.n + structure.m,
                "entries": entries,
                "work": work,
                "form": "band" if band else "dense",
                "blocks": band.blocks * band.block**3 if band else 0,
                "factor": Profile.of(structure).work,
            }
        )
    return rows


def fitted(rows: list[dict]) -> list[str]:
    """The numbers that fit best, in words: of relative errors, none negative."""
    import numpy as np
    from scipy.optimize import nnls

    lines = []
    for engine, form, names in (
        ("compiled", "", ("numbers", "factor")),
        ("interior_point", "dense", ("order", "work")),
        ("interior_point", "band", ("numbers", "blocks")),
        ("diffcp", "", ("entries",)),
    ):
        own = [
            row for row in rows if row["engine"] == engine and form in ("", row["form"])
        ]
        if not own:
            continue
        each = [
            np.array([1.0, row["batch"], *(row["batch"] * row[name] for name in names)])
            / row["ms"]
            for row in own
        ]
        found, _ = nnls(np.array(each), np.ones(len(own)))
        terms = [f"{found[0]:.2g}", f"batch ({found[1]:.2g}"]
        terms += [
            f"{value:.2g} {name}" for value, name in zip(found[2:], names, strict=True)
        ]
        lines.append(f"* {f'{engine} {form}'.rstrip()}: " + " + ".join(terms) + ") ms")
    return lines


def report(rows: list[dict]) -> str:
    """The table and the fit."""
    best: dict[tuple, dict[str, dict]] = {}
    for row in rows:
        key = row["kind"], row["size"], row["batch"]
        best.setdefault(key, {})[row["engine"]] = row
    lines = [f"# Engines, {datetime.date.today().isoformat()}", ""]
    lines += [
        "Milliseconds, medians, forward and backward (estimates in brackets); and how "
        "many times as long as the fastest what `auto` takes does.",
        "",
    ]
    lines += [
        "| kind | size | batch | " + " | ".join(ENGINES) + " | auto takes, times |",
        "|---|" + "---:|" * (2 + len(ENGINES)) + "---|",
    ]
    for (kind, size, batch), found in best.items():
        times = [_words(found.get(engine)) for engine in ENGINES]
        (auto,) = {row["auto"] for row in found.values()}
        least = min(row["ms"] for row in found.values())
        slower = f"{found[auto]['ms'] / least:.2f}" if auto in found else "failed"
        parts = [kind, str(size), str(batch), *times, f"{auto}, {slower}"]
        lines.append("| " + " | ".join(parts) + " |")
    return "\n".join([*lines, "", "What fits best:", "", *fitted(rows), ""])


def _words(row: dict | None) -> str:
    return f"{row['ms']:.3g} ({row['estimate']:.2g})" if row else "failed"


def main() -> None:
    """Measure, row by row, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default=",".join(SIZES))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, size, engine = options.one
        print(json.dumps(measured(kind, int(size), engine)))
        return
    rows = []
    for kind in options.kinds.split(","):
        for size in SIZES[kind]:
            for engine in ENGINES:
                call = [sys.executable, __file__, "--one", kind, str(size), engine]
                paths = {"PYTHONPATH": str(HERE.parent)}
                done = subprocess.run(
                    call, capture_output=True, text=True, env=os.environ | paths
                )
                if done.returncode:
                    print(done.stderr[-500:], file=sys.stderr)
                    continue
                rows += json.loads(done.stdout.splitlines()[-1])
                print(kind, size, engine, [f"{row['ms']:.3g}" for row in rows[-3:]])
    path = HERE / "results" / f"engines-{datetime.date.today().isoformat()}.md"
    path.write_text(report(rows))
    print(f"Written to {path}")


if __name__ == "__main__":
    main()
