"""What a layer takes to make, in time and memory, as the program grows.

    python benchmarks/construction.py

CVXPY's own compilation is measured first, in the same process; the rest is this
package's. Each size is a process of its own. Written to `results/construction-<date>`,
as a table and a picture.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = (100, 1000, 10_000, 100_000)
KINDS = ("simplex", "chain")


class Peak:
    """The most memory that the process holds while it is entered, above the start."""

    def __enter__(self) -> Peak:
        import psutil

        self._size = psutil.Process().memory_info
        self._start = self._most = self._size().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._began = time.perf_counter()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._most = max(self._most, self._size().rss)

    def __exit__(self, *_exception) -> None:
        self.seconds = time.perf_counter() - self._began
        self._done.set()
        self._thread.join()
        self.mebibytes = (max(self._most, self._size().rss) - self._start) / 2**20


def measured(kind: str, n: int) -> dict:
    """Both parts of a construction, in this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import cvxpy as cp

    from tf_cvxlayers import CvxpyLayer
    from tf_cvxlayers.from_cvxpy import canonicalize

    def problem(size):
        x, y = cp.Parameter(size, name="x"), cp.Variable(size)
        rows = [cp.sum(y) == 1, y >= 0]
        if kind == "chain":
            rows = [cp.norm_inf(cp.diff(y)) <= 1]
        return cp.Problem(cp.Minimize(cp.sum_squares(y - x)), rows), x, y

    small, x, y = problem(10)
    CvxpyLayer(small, [x], y)
    stated, x, y = problem(n)
    with Peak() as cvxpys:
        stated.get_problem_data(canonicalize._ConeForm(), enforce_dpp=True)
    again = cp.Problem(stated.objective, stated.constraints)
    with Peak() as whole:
        CvxpyLayer(again, [x], y)
    return {
        "kind": kind,
        "n": n,
        "cvxpy s": cvxpys.seconds,
        "cvxpy MiB": cvxpys.mebibytes,
        "layer s": max(whole.seconds - cvxpys.seconds, 0.0),
        "layer MiB": max(whole.mebibytes, 0.0),
    }


def picture(rows: list[dict], path: Path) -> None:
    """Time and memory over the size, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, unit in zip(axes, ("s", "MiB"), strict=True):
        for kind, marker in zip(KINDS, "os", strict=True):
            own = [row for row in rows if row["kind"] == kind]
            n = [row["n"] for row in own]
            axis.loglog(n, [row[f"layer {unit}"] for row in own], marker=marker,
                        label=f"{kind}: this package")  # fmt: skip
            axis.loglog(n, [row[f"cvxpy {unit}"] for row in own], ":", marker=marker,
                        label=f"{kind}: CVXPY")  # fmt: skip
        axis.set_xlabel("variables")
        axis.set_ylabel("seconds" if unit == "s" else "MiB")
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one[0], int(options.one[1]))))
        return
    rows = []
    for kind in KINDS:
        for n in SIZES:
            call = [sys.executable, __file__, "--one", kind, str(n)]
            environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
            done = subprocess.run(
                call, capture_output=True, text=True, env=environment, check=True
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1])
    path = HERE / "results" / f"construction-{datetime.date.today().isoformat()}"
    picture(rows, path.with_suffix(".png"))
    names = list(rows[0])
    lines = [f"# Construction, {datetime.date.today().isoformat()}", ""]
    lines += ["Of the package: the whole less CVXPY's own time; all memory.", ""]
    lines += ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for row in rows:
        cells = [row["kind"], f"{row['n']:,}"]
        cells += [f"{row[name]:.3g}" for name in names[2:]]
        lines.append("| " + " | ".join(cells) + " |")
    path.with_suffix(".md").write_text("\n".join([*lines, ""]))
    print(f"Written to {path}.md and .png")


if __name__ == "__main__":
    main()
