"""Sparse matrices of SciPy with one pattern and new values."""

import copy
from typing import TypeVar

import numpy as np

Matrix = TypeVar("Matrix")


def filled(template: Matrix, values: np.ndarray) -> Matrix:
    """A matrix with the pattern of the template and these values.

    SciPy's constructor would check the same indices again for every element of a batch,
    at half the cost of a small solve.
    """
    matrix = copy.copy(template)
    matrix.data = values  # type: ignore[attr-defined]
    return matrix
