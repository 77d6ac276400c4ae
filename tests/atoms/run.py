"""Tries every atom in every place and role, and writes the table.

python -m tests.atoms.run [names ...]
"""

import json
import pathlib
import re
import sys
from collections.abc import Sequence

from tests.atoms.catalogue import (
    AFFINE,
    CATALOGUE,
    CONCAVE,
    CONVEX,
    GEOMETRIC,
    REFUSED,
    Row,
)
from tests.atoms.places import PLACES, refused, stated
from tests.atoms.verdict import ROLES, verdict

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "atoms.md"
_HEAD = """# CVXPY's atoms in a layer

Every atom that `cvxpy` exports, with a parameter `p` in every place where DPP allows
one: added to the argument, `f(x + p)`; in a product with it, `f(P x)` (a symmetric
argument: `f(p X)`); as a bound, `f(x) <= p` (`>=` where it is concave); as a positive
factor, `p f(x)`; and as another argument, `f(x, p)`, of those atoms that have one.
Each is tried as a fed, a learned and a fixed parameter. *Right*: the layer's value is
that of CVXPY with Clarabel, and its gradient that of differences. *Refused*: by CVXPY's
rules, with a `ProblemError` that says what to write instead. Written by
`python -m tests.atoms.run`.

| atom | curvature | added | product | bound | factor | argument |
|---|---|---|---|---|---|---|
"""
_NOTES = """CVXPY states `quantum_rel_entr` with many semidefinite cones, at which
Clarabel stops short too; and `eye_minus_inv` and `resolvent` with a matrix whose
entries off the diagonal have no bound, so that their logarithms have no smallest
value: these are INACCURATE.

What is refused, and what the message recommends:"""
_CURVATURES = {
    CONVEX: "convex",
    CONCAVE: "concave",
    AFFINE: "affine",
    GEOMETRIC: "log-log (`gp=True`)",
    REFUSED: "not DCP",
}


def cell(row: Row, place: str, roles: Sequence[str] = ROLES) -> str:
    """What came of an atom in a place, in these roles."""
    if place == "second" and row.second is None:
        return "none"
    try:
        stated(row, place)
    except (AttributeError, ValueError, TypeError) as error:
        return f"CVXPY does not take it: {error}"
    found = {role: verdict(stated(row, place), role) for role in roles}
    words = set(found.values())
    if len(words) == 1:
        return words.pop()
    return "; ".join(f"{role}: {word}" for role, word in found.items())


def cells_of(row: Row) -> list[str]:
    """What came of an atom, place by place."""
    if row.curvature == REFUSED:
        return [verdict(refused(row), "fed")] * len(PLACES)
    return [cell(row, place) for place in PLACES]


def page(cells: dict[str, list[str]]) -> str:
    """The table, and under it what refusals say.

    Args:
        cells: by the names of atoms.
    """
    lines, notes = [], []
    for row in CATALOGUE:
        short = [re.split("[:;]", text)[0] for text in cells[row.name]]
        lines.append(
            f"| `{row.name}` | {_CURVATURES[row.curvature]} | {' | '.join(short)} |"
        )
        for place, text in zip(PLACES, cells[row.name], strict=True):
            if text.startswith("refused") and row.curvature != REFUSED:
                advice = text.split("`. ")[-1].removeprefix("refused: ")
                notes.append(f"* `{row.name}`, {place}: {advice}")
    return _HEAD + "\n".join([*lines, "", _NOTES, "", *notes, ""])


def main(wanted: list[str]) -> None:
    """Print what comes of the atoms that are wanted, or write the page of all."""
    cells = {}
    for row in CATALOGUE:
        if not wanted or row.name in wanted:
            cells[row.name] = cells_of(row)
            print(json.dumps([row.name, cells[row.name]]), flush=True)
    if not wanted:
        PAGE.write_text(page(cells))


if __name__ == "__main__":
    main(sys.argv[1:])
