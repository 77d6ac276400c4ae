"""Quadratic and linear programs."""

import numpy as np

from tests.hard.instance import Instance, with_redundant_rows
from tests.hard.points import chosen, definite, flat_pair, positive
from tf_cvxlayers.program.cones import ConeDims


def quadratic(rng, shape, equalities=0, smallest=0.1) -> Instance:
    """A strictly convex QP with dense rows, some of them active."""
    n = int(shape.integers(4 + equalities, 9))
    m = n + 4
    y, s = flat_pair(rng, chosen(rng, m, int(rng.integers(1, n - equalities))))
    return Instance(
        ConeDims(zero=equalities, nonnegative=m),
        definite(rng, n, smallest),
        rng.normal(size=(equalities + m, n)),
        rng.normal(size=n),
        np.concatenate([rng.normal(size=equalities), y]),
        np.concatenate([np.zeros(equalities), s]),
    )


def with_equalities(rng, shape) -> Instance:
    """The same with two equalities."""
    return quadratic(rng, shape, equalities=2)


def flat_objective(rng, shape) -> Instance:
    """The same with eigenvalues of the objective down to 1e-4."""
    return quadratic(rng, shape, smallest=1e-4)


def linear(rng, _shape) -> Instance:
    """A linear program with one vertex as its solution."""
    n, m = 5, 12
    y, s = flat_pair(rng, chosen(rng, m, n))
    cones = ConeDims(nonnegative=m)
    return Instance(
        cones, np.zeros((n, n)), rng.normal(size=(m, n)), rng.normal(size=n), y, s
    )


def box(rng, shape) -> Instance:
    """The projection onto a box: `clip(p, low, high)`."""
    n = int(shape.integers(4, 9))
    return _between(rng, np.eye(n), positive(rng, n), np.zeros((0, n)))


def huge_bounds(rng, _shape) -> Instance:
    """A QP in a box, half of whose bounds are so far away that they mean nothing."""
    n, k = 6, 4
    far = chosen(rng, n, n // 2)
    width = np.where(far, 10.0 ** rng.uniform(6, 20, n), positive(rng, n))
    return _between(rng, definite(rng, n), width, rng.normal(size=(k, n)), far)


def _between(rng, P, width, G, never=False) -> Instance:
    """`|x - center| <= width`, and rows `G` of which none or one is active."""
    n = len(P)
    side = np.where(never, 0, rng.integers(-1, 2, n))
    upper, lower = side == 1, side == -1
    center = rng.normal(size=n)
    inside = rng.uniform(-0.8, 0.8, n) * np.where(never, 1.0, width)
    x = center + np.where(side == 0, inside, side * width)
    gap = x - center
    yG, sG = flat_pair(rng, chosen(rng, len(G), int(np.sum(side == 0) > 1)))
    eye = np.eye(n)
    return Instance(
        ConeDims(nonnegative=2 * n + len(G)),
        P,
        np.vstack([eye, -eye, G]),
        x,
        np.concatenate([upper * positive(rng, n), lower * positive(rng, n), yG]),
        np.concatenate(
            [np.where(upper, 0.0, width - gap), np.where(lower, 0.0, width + gap), sG]
        ),
    )


def simplex(rng, shape) -> Instance:
    """The projection onto the probability simplex."""
    n = int(shape.integers(4, 9))
    y, s = flat_pair(rng, chosen(rng, n, int(rng.integers(1, n - 1))))
    x = s / s.sum()
    return Instance(
        ConeDims(zero=1, nonnegative=n),
        np.eye(n),
        np.vstack([np.ones(n), -np.eye(n)]),
        x,
        np.concatenate([rng.normal(size=1), y]),
        np.concatenate([[0.0], x]),
    )


def tracking(rng, _shape) -> Instance:
    """The nearest sequence with steps of at most one half. A constant that is added to
    the sequence is added to the answer."""
    n, limit = 12, 0.5
    D = np.diff(np.eye(n), axis=0)
    side = rng.integers(-1, 2, n - 1)
    steps = np.where(side == 0, rng.uniform(-0.4, 0.4, n - 1), side * limit)
    upper, lower = side == 1, side == -1
    return Instance(
        ConeDims(nonnegative=2 * (n - 1)),
        np.eye(n),
        np.vstack([D, -D]),
        np.concatenate([[0.0], np.cumsum(steps)]) + rng.normal(),
        np.concatenate([part * positive(rng, n - 1) for part in (upper, lower)]),
        np.concatenate(
            [np.where(upper, 0.0, limit - steps), np.where(lower, 0.0, limit + steps)]
        ),
        translation=np.ones(n),
    )


def battery(rng, _shape) -> Instance:
    """What is stored, bought and sold at each time, all of it between bounds. The
    bounds are drawn around the solution."""
    T = 8
    bought, sold = rng.uniform(0.0, 0.5, (2, T))
    stored = np.cumsum(0.9 * bought - sold)
    x = np.concatenate([stored, bought, sold])
    side = rng.choice([-1, 0, 1], 3 * T, p=[0.15, 0.7, 0.15])
    eye, sums = np.eye(3 * T), np.tril(np.ones((T, T)))
    upper, lower = side == 1, side == -1
    return Instance(
        ConeDims(zero=T, nonnegative=6 * T),
        np.diag(np.repeat([0.2, 0.1, 0.1], T)),
        np.vstack([np.hstack([np.eye(T), -0.9 * sums, sums]), eye, -eye]),
        x,
        np.concatenate(
            [
                rng.normal(size=T),
                upper * positive(rng, 3 * T),
                lower * positive(rng, 3 * T),
            ]
        ),
        np.concatenate(
            [np.zeros(T)]
            + [
                np.where(side, 0.0, 1.0) * positive(rng, 3 * T)
                for side in (upper, lower)
            ]
        ),
    )


def transport(rng, _shape, quadratic=0.0) -> Instance:
    """A plan between marginals. One of the equalities follows from the others."""
    rows, columns = 3, 4
    size = rows * columns
    sums = np.vstack(
        [np.kron(np.eye(rows), np.ones(columns)), np.tile(np.eye(columns), rows)]
    )
    used = _spanning_tree(rng, rows, columns)
    if quadratic:
        used |= chosen(rng, size, int(rng.integers(2, 5)))
    y, s = flat_pair(rng, ~used)
    plan = s / s.sum()
    tree = Instance(
        ConeDims(zero=rows + columns - 1, nonnegative=size),
        quadratic * np.eye(size),
        np.vstack([sums[:-1], -np.eye(size)]),
        plan,
        np.concatenate([rng.normal(size=rows + columns - 1), y]),
        np.concatenate([np.zeros(rows + columns - 1), plan]),
    )
    last = np.concatenate([np.ones(rows), -np.ones(columns - 1)])
    return with_redundant_rows(tree, rng, last[None])


def quadratic_transport(rng, shape) -> Instance:
    """The same with a strictly convex cost."""
    return transport(rng, shape, quadratic=0.1)


def _spanning_tree(rng, rows, columns):
    """Pairs of a row and a column that join all of them without a cycle."""
    group = np.arange(rows + columns)
    used = np.zeros(rows * columns, bool)
    for pair in rng.permutation(rows * columns):
        row, column = divmod(int(pair), columns)
        one, other = group[row], group[rows + column]
        if one != other:
            used[pair] = True
            group[group == other] = one
    return used


def lasso(rng, _shape, ridge=0.0) -> Instance:
    """Half the square of `r = X w - d`, and `|w| <= t` with a cost for each `t`."""
    n, samples = 4, 6
    zero = chosen(rng, n, int(rng.integers(1, n - 1)))
    w = np.where(zero, 0.0, positive(rng, n) * rng.choice([-1, 1], n))
    X, r = rng.normal(size=(samples, n)), rng.normal(size=samples)
    price = 1.0 + rng.uniform(size=n)
    # Where w is zero, both bounds are active and share the price.
    share = np.where(zero, rng.uniform(0.2, 0.8, n), (w > 0).astype(float))
    size, eye = np.abs(w), np.eye(n)
    none, rest = np.zeros((n, samples)), np.zeros((samples, n))
    return Instance(
        ConeDims(zero=samples, nonnegative=2 * n),
        np.diag(np.repeat([ridge, 0.0, 1.0], [n, n, samples])),
        np.block([[X, rest, -np.eye(samples)], [eye, -eye, none], [-eye, -eye, none]]),
        np.concatenate([w, size, r]),
        np.concatenate([r, price * share, price * (1.0 - share)]),
        np.concatenate([np.zeros(samples), size - w, size + w]),
    )


def elastic_net(rng, shape) -> Instance:
    """The same with a ridge."""
    return lasso(rng, shape, ridge=0.5)
