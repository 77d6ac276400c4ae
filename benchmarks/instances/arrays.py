"""Batches of matrices and vectors in NumPy, in the words the instances need."""

from __future__ import annotations

import numpy as np

Arrays = dict[str, np.ndarray]

#: Names in an instance, or an answer, that are not parameters of the problem.
SOLUTION = "z"
COTANGENT = "cotangent"


def transpose(matrices: np.ndarray) -> np.ndarray:
    """Return each matrix with its rows and columns exchanged."""
    return np.swapaxes(matrices, -1, -2)


def times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return each matrix times its vector; one matrix may serve all vectors."""
    return (matrices @ vectors[..., None])[..., 0]


def outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return each left vector, as a column, times its right vector, as a row."""
    return left[..., :, None] * right[..., None, :]


def dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the inner product of each pair of vectors."""
    return np.sum(left * right, axis=-1)


def entries(values: np.ndarray) -> np.ndarray:
    """Return numbers with an axis appended, to be multiplied with vectors."""
    return values[..., None]
