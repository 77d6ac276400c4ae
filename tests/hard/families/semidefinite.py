"""Programs with positive semidefinite cones."""

import numpy as np

from tests.hard.instance import Instance
from tests.hard.points import (
    chosen,
    definite,
    flat_pair,
    packed,
    packed_map,
    positive,
    psd_pair,
    symmetric,
)
from tf_cvxlayers.program.cones import ConeDims, svec_indices, triangle


def projection(rng, shape) -> Instance:
    """The nearest positive semidefinite matrix."""
    order = int(shape.integers(3, 5))
    size = triangle(order)
    y, s = psd_pair(rng, order, int(rng.integers(1, order)))
    return Instance(ConeDims(psd=(order,)), np.eye(size), -np.eye(size), s, y, s)


def correlation(rng, shape) -> Instance:
    """The nearest correlation matrix."""
    order = int(shape.integers(3, 5))
    rank = int(rng.integers(2, order))
    V = rng.normal(size=(order, rank))
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    null = np.linalg.svd(V)[0][:, rank:]
    s, y = packed(V @ V.T), packed((null * positive(rng, order - rank)) @ null.T)
    size = triangle(order)
    rows, columns, _ = svec_indices(order)
    return Instance(
        ConeDims(zero=order, psd=(order,)),
        np.eye(size),
        np.vstack([np.eye(size)[rows == columns], -np.eye(size)]),
        s,
        np.concatenate([rng.normal(size=order), y]),
        np.concatenate([np.zeros(order), s]),
    )


def two_orders(rng, _shape) -> Instance:
    """Two matrix inequalities of different order, and linear ones."""
    n, rows = 5, 4
    pairs = [
        flat_pair(rng, chosen(rng, rows, 1)),
        psd_pair(rng, 2, 1),
        psd_pair(rng, 3, int(rng.integers(1, 3))),
    ]
    maps = [packed_map(*(symmetric(rng, order) for _ in range(n))) for order in (2, 3)]
    return Instance(
        ConeDims(nonnegative=rows, psd=(2, 3)),
        definite(rng, n),
        np.vstack([rng.normal(size=(rows, n)), *maps]),
        rng.normal(size=n),
        *map(np.concatenate, zip(*pairs, strict=True)),
    )


def linear(rng, _shape) -> Instance:
    """A linear matrix inequality under a linear objective."""
    n, order = 3, 4
    y, s = psd_pair(rng, order, int(rng.integers(2, 4)))
    return Instance(
        ConeDims(psd=(order,)),
        np.zeros((n, n)),
        packed_map(*(symmetric(rng, order) for _ in range(n))),
        rng.normal(size=n),
        y,
        s,
    )
