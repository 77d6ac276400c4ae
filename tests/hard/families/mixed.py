"""Programs with cones of several kinds."""

from collections.abc import Sequence

import numpy as np

from tests.hard.instance import Instance
from tests.hard.points import (
    chosen,
    definite,
    exponential_pair,
    flat_pair,
    positive,
    power_pair,
    psd_pair,
    second_order_pair,
)
from tf_cvxlayers.program.cones import KINDS, ConeDims

_MOST = 12


def mixture(rng, shape, dims: ConeDims, rank: int = _MOST) -> Instance:
    """Random rows, as many variables as keep them independent, an objective of a rank,
    and every curved cone on its boundary."""
    pairs, codimension = [], 0
    for cone in dims.blocks:
        pair, own = _PAIRS[cone.kind](rng, shape, cone)
        pairs.append(pair)
        codimension += own
    n = min(codimension + 2, _MOST)
    P = definite(rng, n)
    values, Q = np.linalg.eigh(P)
    values[: n - min(rank, n)] = 0.0
    P = (Q * values) @ Q.T
    return Instance(
        dims,
        0.5 * (P + P.T),
        rng.normal(size=(dims.size, n)),
        rng.normal(size=n),
        *map(np.concatenate, zip(*pairs, strict=True)),
    )


def _flat(rng, _shape, cone):
    active = chosen(rng, cone.rows, cone.rows // 2)
    return flat_pair(rng, active), int(active.sum())


def _semidefinite(rng, shape, cone):
    order = int(cone.parameter)
    rank = int(shape.integers(max(order - 2, 1), order))
    return psd_pair(rng, order, rank), (order - rank) * (order - rank + 1) // 2


def _exponential(rng, _shape, _cone):
    return exponential_pair(rng.normal(), positive(rng), positive(rng)), 1


# From a cone to a complementary pair, and how many equations its face is.
_PAIRS = dict(
    zip(
        KINDS,
        [
            lambda rng, _shape, cone: (
                (rng.normal(size=cone.rows), np.zeros(cone.rows)),
                cone.rows,
            ),
            _flat,
            lambda rng, _shape, cone: (second_order_pair(rng, cone.rows), 1),
            _semidefinite,
            _exponential,
            lambda rng, _shape, cone: (power_pair(rng, cone.parameter), 1),
        ],
        strict=True,
    )
)

MIXTURES: Sequence[ConeDims] = (
    ConeDims(zero=1, nonnegative=3, second_order=(3,), psd=(2, 3), exponential=1),
    ConeDims(psd=(2, 3), power=(0.3, 0.75)),
    ConeDims(nonnegative=2, second_order=(4,), exponential=2, power=(0.5,)),
    ConeDims(zero=2, exponential=3),
    ConeDims(power=(0.1, 0.1, 0.9)),
    ConeDims(nonnegative=4, psd=(3, 3)),
    ConeDims(zero=1, nonnegative=2, second_order=(3, 3), psd=(3,), power=(0.6,)),
    ConeDims(second_order=(2, 3), psd=(2, 2), exponential=2, power=(0.25, 0.4)),
)
