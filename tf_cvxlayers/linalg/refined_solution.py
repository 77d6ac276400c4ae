"""The solution of a linear system by refinement, in NumPy."""

from collections.abc import Callable

import numpy as np

Map = Callable[[np.ndarray], np.ndarray]

# Relative to the right-hand side, a residual below which nothing is left to refine; and
# how much of the solution counts as a term of it, as rounding is that of both.
_EXACT, _TERM = 1e-15, 1e-5
_REFINEMENTS = 10
# A step that leaves more of the residual than this is the last one.
_CRAWLS = 0.5


def refined_solution(
    b: np.ndarray, solve: Map, product: Map
) -> tuple[np.ndarray, float]:
    """`x` with `product(x) = b`, and how much of `b` it misses, relative to both.

    Args:
        b: the right-hand side.
        solve: what a factorization of a matrix nearby makes of one.
        product: that of the matrix and a vector.
    """
    x, left, missed = np.zeros_like(b), b, 1.0
    size = np.abs(b).max(initial=0.0)
    if size == 0.0:
        return x, 0.0
    for _ in range(_REFINEMENTS):
        better = x + solve(left)
        left = b - product(better)
        terms = size + _TERM * np.abs(better).max()
        before, missed = missed, float(np.abs(left).max() / terms)
        if not missed < before:
            return x, before
        x = better
        if missed <= _EXACT or missed > _CRAWLS * before:
            break
    return x, missed
