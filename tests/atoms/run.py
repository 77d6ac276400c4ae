"""Tries every atom in every place and role, and writes the table.

python -m tests.atoms.run [names ...]
"""

import pathlib
import sys
from unittest import mock

from tests.atoms.catalogue import CATALOGUE, GEOMETRIC, REFUSED, Row
from tests.atoms.places import PLACES, refused, stated
from tests.atoms.verdict import ROLES, verdict
from tf_cvxlayers.pipeline.pipeline import Pipeline

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


def cell(row: Row, place: str) -> str:
    """What came of an atom in a place, in all roles."""
    if place == "second" and row.second is None:
        return "none"
    try:
        stated(row, place)
    except (AttributeError, ValueError, TypeError) as error:
        return f"CVXPY does not take it: {error}"
    found = {role: verdict(stated(row, place), role) for role in ROLES}
    words = set(found.values())
    if len(words) == 1:
        return words.pop()
    return "; ".join(f"{role}: {word}" for role, word in found.items())


def line(row: Row) -> str:
    """The line of an atom in the table."""
    if row.curvature == REFUSED:
        word = verdict(refused(row), "fed")
        cells = ["refused" if word.startswith("refused") else word] * len(PLACES)
    else:
        cells = [cell(row, place).replace("|", "\\|") for place in PLACES]
    words = "log-log (`gp=True`)" if row.curvature == GEOMETRIC else row.curvature
    words = "neither" if row.curvature == REFUSED else words
    return f"| `{row.name}` | {words} | " + " | ".join(cells) + " |"


@mock.patch.object(Pipeline, "_at_once", lambda _, stages, values: stages(*values))
def main(wanted: list[str]) -> None:
    """Print the lines that are wanted, or write all of them."""
    lines = []
    for row in CATALOGUE:
        if not wanted or row.name in wanted:
            lines.append(line(row))
            print(lines[-1], flush=True)
    if not wanted:
        PAGE.write_text(_HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
