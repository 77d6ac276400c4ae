"""Solve difficult programs with an engine and print how many answers are right.

python -m tests.hard.run list
python -m tests.hard.run --engine diffcp --families qp/far,lp --elements 100
"""

import argparse
import collections
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Threads do more harm than good to matrices of this size.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tests.hard import batch, crosscheck
from tests.hard.catalogue import FAMILIES, Feasible, selected
from tests.hard.element import elements
from tests.hard.verdict import GRADIENT_POOR, GRADIENT_WRONG, Verdict, verdicts
from tf_cvxlayers.engines import Compiled, Diffcp, InteriorPoint
from tf_cvxlayers.errors import Status

ENGINES = {
    "compiled": Compiled,
    "interior_point": InteriorPoint,
    "diffcp": Diffcp,
    "diffcp_scs": lambda: Diffcp(solver="scs"),
}
COLUMNS = (
    ("elements", 8),
    ("right", 6),
    ("wrong", 6),
    ("refused", 8),
    ("claims", 7),
    ("hard", 5),
    ("dropped", 8),
    ("gwrong", 7),
    ("g>1e-6", 7),
    ("gq", 4),
    ("gb", 4),
    ("gPA", 4),
    ("worst x", 8),
    ("worst g", 8),
    ("made s", 7),
    ("solve s", 8),
)


def main() -> None:
    """Read the arguments, run, print.

    `claims` are those of the refused elements that are called infeasible or unbounded;
    `gwrong` and `g>1e-6` count right answers whose gradient in `(q, b)` is off by more
    than 1e-4 and 1e-6; `gq`, `gb`, `gPA` are the parts of the first, and the matrices.
    """
    arguments = _arguments()
    if arguments.what == "list":
        for name, row in FAMILIES.items():
            print(f"{name:22}", " ".join(row.variants))
        return
    engine = ENGINES[arguments.engine]()
    print(f"engine {arguments.engine}, seed {arguments.seed}")
    print(f"{'family':38}" + "".join(f"{name:>{width}}" for name, width in COLUMNS))
    totals: dict = collections.defaultdict(collections.Counter)
    start = time.perf_counter()
    for family, variant in selected(arguments.families):
        counts = _run(engine, family, variant, arguments)
        group = variant if isinstance(FAMILIES[family], Feasible) else "none"
        totals[f"all/{group}"].update(counts)
        totals["total"].update(counts)
    for name in sorted(totals, key=lambda name: (name == "total", name)):
        print(_line(name, totals[name], [], 0.0, 0.0))
    print(f"{time.perf_counter() - start:.0f} seconds")


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["list"])
    parser.add_argument("--engine", choices=list(ENGINES), default="interior_point")
    parser.add_argument("--families", default="all")
    parser.add_argument("--elements", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=400)
    parser.add_argument(
        "--rounding",
        type=float,
        default=float(np.finfo(np.float32).eps),
        help="what `float32` families say of their inputs",
    )
    parser.add_argument(
        "--check", action="store_true", help="check the truth itself as well"
    )
    parser.add_argument(
        "--show", action="store_true", help="print every element that is not right"
    )
    return parser.parse_args()


def _run(engine, family, variant, arguments):
    """Print a line, and return its counts."""
    name, float32 = f"{family}/{variant}", "float32" in variant.split("+")
    start = time.perf_counter()
    try:
        made, dropped = elements(family, variant, arguments.elements, arguments.seed)
    except RuntimeError as error:
        print(error)
        return {}
    middle = time.perf_counter()
    if not engine.accepts(batch.structure_of(made)):
        print(f"{name:38} not for this engine")
        return {}
    rounding = arguments.rounding if float32 else None
    answers = batch.solved(engine, made, arguments.batch, rounding)
    end = time.perf_counter()
    results = verdicts(made, answers, float32)
    counts = counted(results)
    counts["dropped"] = dropped
    print(_line(name, counts, results, middle - start, end - middle), flush=True)
    if arguments.show:
        for k, verdict in enumerate(results):
            if verdict.word in ("wrong", "refused") or (
                verdict.has_gradient and not verdict.gradient <= GRADIENT_WRONG
            ):
                print(f"    {k:4} {_shown(verdict, made[k])}")
    if arguments.check:
        print("    " + crosscheck.words(made))
    return counts


def counted(results: list[Verdict]) -> collections.Counter:
    """How many of each."""
    right = [v for v in results if v.word == "right"]
    words = collections.Counter(v.word for v in results)
    claims = (Status.PRIMAL_INFEASIBLE, Status.DUAL_INFEASIBLE)

    def above(bound, part):
        # What is no number is wrong.
        return sum(not getattr(v, part) <= bound for v in right)

    counts = {
        "elements": len(results),
        "right": words["right"],
        "wrong": words["wrong"],
        "refused": words["refused"],
        "claims": sum(v.word == "refused" and v.status in claims for v in results),
        "hard": words["too hard"],
    }
    if right and right[0].has_gradient:
        counts |= {
            "gwrong": above(GRADIENT_WRONG, "gradient"),
            "g>1e-6": above(GRADIENT_POOR, "gradient"),
            "gq": above(GRADIENT_WRONG, "q"),
            "gb": above(GRADIENT_WRONG, "b"),
            "gPA": above(GRADIENT_WRONG, "matrices"),
        }
    return collections.Counter(counts)


def _line(name, counts, results, making, solving):
    right = [v for v in results if v.word == "right"]
    cells = {
        **{column: counts[column] for column, _ in COLUMNS},
        "worst x": _largest([v.error for v in results]),
        "worst g": _largest([v.gradient for v in right]),
        "made s": f"{making:.1f}",
        "solve s": f"{solving:.1f}",
    }
    return f"{name:38}" + "".join(f"{cells[n]!s:>{width}}" for n, width in COLUMNS)


def _largest(values):
    finite = [value for value in values if np.isfinite(value)]
    return f"{max(finite):.0e}" if finite else "-"


def _shown(verdict, element):
    away = element.place.distance if element.place else 0.0
    return (
        f"{verdict.word:8} {Status(verdict.status).name:18} x {verdict.error:.0e} "
        f"g {verdict.gradient:.0e} (q {verdict.q:.0e} b {verdict.b:.0e} "
        f"PA {verdict.matrices:.0e}) distance {away:.0e}"
        + (f" moves {element.truth.moves:.0e}" if element.truth else "")
    )


if __name__ == "__main__":
    main()
