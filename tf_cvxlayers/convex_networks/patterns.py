"""The patterns of rows of data on which a ReLU can be active."""

from typing import Any

import numpy as np
import scipy.optimize

from tf_cvxlayers.arguments import NotNumbersError, real_array, whole_number
from tf_cvxlayers.errors import ArgumentError

# How far, relative to the data, an open cell of an arrangement reaches at least.
_OPEN = 1e-9


def activation_patterns(
    X: Any, samples: int | None = None, seed: int | None = None
) -> np.ndarray:
    """The distinct patterns `X u >= 0` of rows that a neuron `u` can be active on.

    Args:
        X: data `[rows, d]`.
        samples: how many random normal `u` to take; None for all patterns there are, of
            which there may be `(rows e / d)^d`. All are found by a linear program for
            each pattern and row: some seconds for a thousand patterns.
        seed: of the random numbers.

    Returns:
        bool `[patterns, rows]`, sorted. Patterns that only a `u` orthogonal to a row
        has are left out.

    Raises:
        ArgumentError: `X` is not a matrix of finite numbers, or `samples` no number.

    Example:

    ```python
    from tf_cvxlayers.convex_networks import activation_patterns

    activation_patterns([[1.0, 0.0], [0.0, 1.0]])  # all four
    ```
    """
    X = as_matrix("X", X)
    if samples is None:
        return np.unique(_every_pattern(X), axis=0)
    samples = whole_number("samples", samples)
    u = np.random.default_rng(seed).normal(size=(samples, X.shape[1]))
    return np.unique(u @ X.T >= 0.0, axis=0)


def as_matrix(name: str, value: Any) -> np.ndarray:
    """A float64 matrix of the value.

    Raises:
        ArgumentError: it is not one, or not finite.
    """
    try:
        matrix = real_array(value).astype(np.float64)
    except NotNumbersError as error:
        raise ArgumentError(
            f"Expected {name} to be a matrix of numbers. Received: {error}."
        ) from error
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ArgumentError(
            f"Expected {name} to be a matrix of finite numbers, with one row for each "
            f"sample. Received: {name} of shape {matrix.shape}"
            + ("." if np.isfinite(matrix).all() else ", not finite.")
        )
    return matrix


def _every_pattern(X: np.ndarray) -> np.ndarray:
    """The patterns of all cells of the arrangement of hyperplanes `x'u = 0`.

    Row by row: a cell found so far is on the side of the new hyperplane on which its
    point is, and on the other one if a linear program finds a point there.
    """
    norms = np.linalg.norm(X, axis=1)
    rows = X[norms > 0] / norms[norms > 0, None]
    d = X.shape[1]
    cells = [(np.zeros(0), np.zeros(d))]
    for i, row in enumerate(rows):
        found = []
        for signs, point in cells:
            for sign in (1.0, -1.0):
                both = np.append(signs, sign)
                if sign * (row @ point) > _OPEN:
                    found.append((both, point))
                    continue
                inside = _inner_point(both[:, None] * rows[: i + 1])
                if inside is not None:
                    found.append((both, inside))
        cells = found
    patterns = np.ones((len(cells), len(X)), bool)
    for k, (signs, _) in enumerate(cells):
        patterns[k, norms > 0] = signs > 0
    return patterns


def _inner_point(rows: np.ndarray) -> np.ndarray | None:
    """A `u` in the unit cube with `rows u >= t` for the largest t; None for t = 0."""
    d = rows.shape[1]
    result = scipy.optimize.linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-rows, np.ones((len(rows), 1))]),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1.0, 1.0)] * d + [(0.0, 1.0)],
    )
    if result.status != 0 or result.x[-1] <= _OPEN:
        return None
    return result.x[:-1]
