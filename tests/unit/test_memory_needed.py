"""A program whose matrices do not fit in memory is refused before they are made."""

import cvxpy as cp
import numpy as np
import pytest

from tf_cvxlayers import CvxpyLayer, layers
from tf_cvxlayers.engines import selection
from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.runtime import memory


def _tangle(n, engine):
    """Sparse, and with a band in no order: who is near whom is drawn by lot."""
    x, y = cp.Parameter(n, name="x"), cp.Variable(n)
    one, other = (np.random.default_rng(k).permutation(n) for k in range(2))
    rows = [y - y[one] <= 1, y - y[other] <= 1]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), rows)
    return CvxpyLayer(problem, [x], y, engine=engine)


def test_dense_matrices_of_a_large_program():
    with pytest.raises(ProblemError, match=r"5000.* variables.*interior_point needs"):
        _tangle(50_000, "interior_point")
    assert _tangle(50_000, "auto").engine.name == "diffcp"


def test_what_cvxpy_cannot_allocate(monkeypatch):
    def refused(*_arguments, **_keywords):
        raise MemoryError("Unable to allocate 74.5 GiB for an array")

    monkeypatch.setattr(cp.Problem, "get_problem_data", refused)
    with pytest.raises(ProblemError, match=r"CVXPY says: Unable to allocate 74\.5 GiB"):
        _tangle(10, "auto")


def test_the_derivative_of_a_large_matrix_cone():
    X, C = cp.Variable((300, 300), PSD=True), cp.Parameter((300, 300), name="C")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - C)), [cp.trace(X) == 1])
    with pytest.raises(ProblemError, match=r"PSD cone of order .300..*GiB"):
        CvxpyLayer(problem, [C], X)


def test_a_small_container_is_heeded(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    for text, expected in (("max\n", None), ("1048576\n", 2**20)):
        limit.write_text(text)
        monkeypatch.setattr(memory, "_LIMITS", (limit,))
        if expected:
            assert memory.memory_size() == expected
        else:
            assert memory.memory_size() > 2**27
    monkeypatch.setattr(selection, "memory_size", lambda: 2**20)
    with pytest.raises(ProblemError, match=r"0\.00098 GiB"):
        _tangle(400, "interior_point")
    monkeypatch.setattr(selection, "memory_size", lambda: None)
    assert _tangle(400, "interior_point").engine.name == "interior_point"


def test_nor_does_a_file_get_them():
    structure = _tangle(50_000, "auto").pipeline.reduction.structure
    engine, objection = selection.portable_engine(structure)
    assert engine is None
    assert "interior_point needs" in objection
    # Where they fit, but take long, that is said.
    structure = _tangle(3000, "auto").pipeline.reduction.structure
    engine, objection = selection.portable_engine(structure)
    assert engine.name == "interior_point"
    assert " s for a batch of 32, where another takes" in objection
    structure = _tangle(200, "auto").pipeline.reduction.structure
    assert selection.portable_engine(structure)[1] is None


@pytest.mark.parametrize("size", [10**9, 10**12])
def test_a_size_that_no_memory_holds(size):
    x, y = cp.Parameter(size, name="x"), cp.Variable(size)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0])
    with pytest.raises(ProblemError, match=rf"Received: .*{3 * size:,} numbers"):
        CvxpyLayer(problem, x, y)
    with pytest.raises(ProblemError, match=r"fits in .* GiB of memory"):
        layers.Sparsemax().build((None, size))
