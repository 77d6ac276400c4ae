"""The known answers are checked themselves, without the package."""

import numpy as np
import pytest

from tests.hard import crosscheck
from tests.hard.catalogue import FEASIBLE, HOPELESS
from tests.hard.element import elements


@pytest.mark.parametrize("family", list(FEASIBLE))
def test_gradients_are_those_of_differences(family):
    for variant in ("base", "far+columns"):
        (element,) = elements(family, variant, 1, seed=0).elements
        assert crosscheck.difference(element) < 1e-10


@pytest.mark.parametrize("family", ["qp", "lp", "simplex", "psd_projection", "softmax"])
def test_answers_are_those_of_clarabel(family):
    for element in elements(family, "base", 3, seed=0).elements:
        status, x = crosscheck.clarabel_solution(element)
        assert "Solved" in status
        assert np.abs(x - element.truth.x).max() < 1e-5


@pytest.mark.parametrize("family", list(HOPELESS))
def test_clarabel_finds_no_solution_either(family):
    for element in elements(family, "base", 3, seed=0).elements:
        status, _ = crosscheck.clarabel_solution(element)
        wanted = element.status.name.replace("_", "").lower()
        assert status.lower() == wanted


def test_softmax_and_projections_are_known_in_closed_form():
    (element,) = elements("softmax", "base", 1, seed=0).elements
    n = len(element.w) // 2
    p = np.exp(-element.data.q[:n])
    np.testing.assert_allclose(element.truth.x[:n], p / p.sum(), atol=1e-14)
    (element,) = elements("psd_projection", "base", 1, seed=0).elements
    order = int(element.cones.psd[0])
    matrix = np.zeros((order, order))
    solved = matrix.copy()
    columns, rows = np.triu_indices(order)
    scale = np.where(rows == columns, 1.0, np.sqrt(2.0))
    for target, packed in ((matrix, -element.data.q), (solved, element.truth.x)):
        target[rows, columns] = target[columns, rows] = packed / scale
    values, vectors = np.linalg.eigh(matrix)
    positive = (vectors * np.maximum(values, 0.0)) @ vectors.T
    np.testing.assert_allclose(solved, positive, atol=1e-13)
