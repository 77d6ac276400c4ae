"""Every atom that CVXPY exports has a row, and what the page says of it is so.

Each is tried here in one place and one role, in turn; `run` tries all of them.
"""

import re

import pytest

from tests.atoms.catalogue import ALIASES, CATALOGUE, REFUSED, names
from tests.atoms.places import PLACES, refused
from tests.atoms.run import PAGE, cell
from tests.atoms.verdict import ROLES, verdict

pytestmark = [
    pytest.mark.filterwarnings("ignore:conv is deprecated"),
]
_KNOWN = re.compile("right|refused|none|CVXPY does not take it|INACCURATE|NUM.*_ERROR")
_ROW = re.compile(r"\| `(\w+)` \| [^|]+ \| (.+) \|")


def _page():
    """From the name of an atom to its cells."""
    matches = map(_ROW.fullmatch, PAGE.read_text().splitlines())
    return {found[1]: found[2].split(" | ") for found in matches if found}


def test_no_atom_is_missing():
    assert set(names()) == {row.name for row in CATALOGUE} | set(ALIASES)


def test_no_cell_is_empty():
    page = _page()
    assert list(page) == [row.name for row in CATALOGUE]
    for cells in page.values():
        assert len(cells) == len(PLACES)
        assert all(map(_KNOWN.fullmatch, cells)), cells


@pytest.mark.slow
@pytest.mark.parametrize("row", CATALOGUE, ids=[row.name for row in CATALOGUE])
def test_an_atom_does_what_the_page_says(row):
    index = CATALOGUE.index(row)
    if row.curvature == REFUSED:
        assert verdict(refused(row), "fed").startswith("refused")
        return
    # An atom without a second argument has one place less.
    place = index % (len(PLACES) if row.second else len(PLACES) - 1)
    found = cell(row, PLACES[place], [ROLES[index % len(ROLES)]])
    assert re.split("[:;]", found)[0] == _page()[row.name][place], found
