"""What differs from kind to kind of cone is looked up in tables, never asked for."""

import ast
import pathlib
import re

import numpy as np
import pytest

import tf_cvxlayers
from tf_cvxlayers.engines.catalogue import ENGINES
from tf_cvxlayers.engines.interior_point.cones.table import INTERIOR_CONES
from tf_cvxlayers.engines.selection import choose_engine
from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.optimality.cones.table import GEOMETRIES
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.program.cones import KINDS, ConeDims

PACKAGE = pathlib.Path(tf_cvxlayers.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# One cone of each kind.
ONE = {
    "zero": ConeDims(zero=1),
    "nonnegative": ConeDims(nonnegative=1),
    "second_order": ConeDims(second_order=(3,)),
    "psd": ConeDims(psd=(2,)),
    "exponential": ConeDims(exponential=1),
    "power": ConeDims(power=(0.3,)),
}


def _names_a_kind(node):
    """Whether there is the name of a kind in an expression, or the constant for it."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and inner.value in KINDS:
            return True
        name = getattr(inner, "id", getattr(inner, "attr", ""))
        if name.isupper() and name.lower() in KINDS:
            return True
    return False


def _asks_for_a_kind(node):
    """Whether a node of a syntax tree compares something with the name of a kind."""
    if isinstance(node, ast.Compare):
        return any(_names_a_kind(part) for part in (node.left, *node.comparators))
    return isinstance(node, ast.match_case) and _names_a_kind(node.pattern)


@pytest.mark.parametrize(
    "text",
    [
        "kind == cones.PSD",
        "if kind in (cones.ZERO, NONNEGATIVE): pass",
        "dims.kinds <= {'zero'}",
        "match kind:\n    case 'psd': pass",
        "match kind:\n    case cones.PSD: pass",
    ],
)
def test_comparisons_with_a_kind_are_seen(text):
    assert any(_asks_for_a_kind(node) for node in ast.walk(ast.parse(text)))


@pytest.mark.parametrize(
    "path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES]
)
def test_nothing_asks_which_kind_of_cone_it_is(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not _asks_for_a_kind(node), ast.unparse(node)


def test_every_kind_has_a_row_here():
    assert list(ONE) == list(KINDS)


def test_engines_take_no_cone_that_cannot_be_differentiated():
    for engine in ENGINES:
        assert engine.cones <= set(GEOMETRIES)
    assert set(INTERIOR_CONES) <= set(GEOMETRIES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_each_kind_is_taken_or_refused_by_name(engine, kind):
    none = Pattern(np.zeros(0, np.int64), np.zeros(0, np.int64), (1, 1))
    rows = np.arange(ONE[kind].size)
    A = Pattern(rows, 0 * rows, (rows.size, 1))
    structure = ConeStructure(none, A, ONE[kind])
    if kind in engine.cones:
        assert choose_engine(engine, structure).engine is engine
    else:
        with pytest.raises(ProblemError, match=f"cones .'{kind}'"):
            choose_engine(engine, structure)
    if any(kind in one.cones for one in ENGINES):
        assert kind in choose_engine("auto", structure).engine.cones
    else:
        with pytest.raises(ProblemError, match=re.escape(ONE[kind].describe())):
            choose_engine("auto", structure)
