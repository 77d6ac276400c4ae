"""Programs with second-order cones."""

import numpy as np

from tests.hard.instance import Instance
from tests.hard.points import (
    chosen,
    flat_pair,
    interior,
    opposite,
    positive,
    second_order_pair,
)
from tf_cvxlayers.program.cones import ConeDims


def robust_least_squares(rng, _shape) -> Instance:
    """`t + price r + c'w` with `||X w - d|| <= t`, `||w - w0|| <= r`."""
    n, samples = 3, 6
    pairs = [second_order_pair(rng, samples + 1), second_order_pair(rng, n + 1)]
    A = np.zeros((samples + n + 2, n + 2))
    A[0, n] = A[samples + 1, n + 1] = -1.0
    A[1 : samples + 1, :n] = -rng.normal(size=(samples, n))
    A[samples + 2 :, :n] = -np.eye(n)
    return Instance(
        ConeDims(second_order=(samples + 1, n + 1)),
        np.zeros((n + 2, n + 2)),
        A,
        rng.normal(size=n + 2),
        *map(np.concatenate, zip(*pairs, strict=True)),
    )


def norm_balls(rng, _shape) -> Instance:
    """The projection onto two half-spaces and three balls, two of them touched."""
    n = 5
    pairs = [
        flat_pair(rng, chosen(rng, 2, 1)),
        second_order_pair(rng, n + 1),
        second_order_pair(rng, n + 1),
        (np.zeros(n + 1), interior(n + 1, rng)),
    ]
    ball = np.vstack([np.zeros(n), -np.eye(n)])
    return Instance(
        ConeDims(nonnegative=2, second_order=(n + 1,) * 3),
        np.eye(n),
        np.vstack([rng.normal(size=(2, n)), ball, ball, ball]),
        rng.normal(size=n),
        *map(np.concatenate, zip(*pairs, strict=True)),
    )


def group_lasso(rng, _shape) -> Instance:
    """Half the square of `X w - d`, and the norms of three groups, one of them zero."""
    groups, k, samples = 3, 2, 8
    n = groups * k
    X = rng.normal(size=(samples, n))
    price = 1.0 + rng.uniform(size=groups)
    x, pairs, A = [], [], np.zeros((groups * (k + 1), n + groups))
    for g in range(groups):
        A[g * (k + 1), n + g] = -1.0
        rows = slice(g * (k + 1) + 1, (g + 1) * (k + 1))
        A[rows, g * k : (g + 1) * k] = -np.eye(k)
        _, s = second_order_pair(rng, k + 1)
        y = opposite(s, price[g] / s[0])
        if g == 0:
            s, y = 0.0 * s, y * np.concatenate([[1.0], np.full(k, rng.uniform(0, 0.8))])
        x.append(s[1:])
        pairs.append((y, s))
    y, s = map(np.concatenate, zip(*pairs, strict=True))
    P = np.zeros((n + groups, n + groups))
    P[:n, :n] = X.T @ X
    norms = s[:: k + 1]
    cones = ConeDims(second_order=(k + 1,) * groups)
    return Instance(cones, P, A, np.concatenate([*x, norms]), y, s)


def trajectory(rng, _shape, N=4) -> Instance:
    """A descent in the plane: thrust `u` of size `g`, limited; a cone to stay in.

    The variables are positions and velocities `[N, 2]` each, thrusts `[N, 2]` and
    their sizes `[N]`.
    """
    size = 7 * N
    P_, V_, U_ = (np.arange(2 * N).reshape(N, 2) + k * 2 * N for k in range(3))
    G_ = 6 * N + np.arange(N)
    rows = []
    for k in range(N):
        for axis in range(2):
            move, push = np.zeros(size), np.zeros(size)
            move[P_[k, axis]] = push[V_[k, axis]] = 1.0
            move[U_[k, axis]], push[U_[k, axis]] = -0.5, -1.0
            if k:
                move[P_[k - 1, axis]] = move[V_[k - 1, axis]] = -1.0
                push[V_[k - 1, axis]] = -1.0
            rows += [move, push]
    end = np.zeros((2, size))
    end[[0, 1], V_[-1]] = 1.0
    limits = np.zeros((N, size))
    limits[np.arange(N), G_] = 1.0
    cones = []
    for k in range(N):
        thrust = np.zeros((3, size))
        thrust[[0, 1, 2], [G_[k], *U_[k]]] = -1.0
        cones.append(thrust)
    for k in range(N - 1):
        glide = np.zeros((3, size))
        glide[0, P_[k, 1]] = -1.2
        glide[[1, 2], [P_[k, 0], V_[k, 0]]] = -1.0, -0.1
        cones.append(glide)
    touched = chosen(rng, N - 1, 1)
    pairs = [
        (rng.normal(size=4 * N + 2), np.zeros(4 * N + 2)),
        flat_pair(rng, chosen(rng, N, 1)),
        *(second_order_pair(rng, 3) for _ in range(N)),
        *(
            second_order_pair(rng, 3) if touch else (np.zeros(3), interior(3, rng))
            for touch in touched
        ),
    ]
    P = np.zeros(size)
    P[U_] = 1e-3
    return Instance(
        ConeDims(zero=4 * N + 2, nonnegative=N, second_order=(3,) * (2 * N - 1)),
        np.diag(P),
        np.vstack([*rows, end, limits, *cones]),
        rng.normal(size=size),
        *map(np.concatenate, zip(*pairs, strict=True)),
    )


def portfolio(rng, _shape) -> Instance:
    """Weights `z` and the size `t` of their risk, with two factors and daily returns
    of two percent: `t >= ||(F'z, d z)||`."""
    n, factors = 6, 2
    F, own = 0.02 * rng.normal(size=(factors, n)), 0.01 * positive(rng, n)
    y, s = flat_pair(rng, chosen(rng, n, int(rng.integers(1, n - 2))))
    z = s / s.sum()
    M = np.vstack([F, np.diag(own)])
    risk = np.concatenate([[np.linalg.norm(M @ z)], M @ z])
    A = np.zeros((1 + n + 1 + n + factors, n + 1))
    A[0, :n] = 1.0
    A[1 : n + 1, :n] = -np.eye(n)
    A[n + 1, n] = -1.0
    A[n + 2 :, :n] = -M
    return Instance(
        ConeDims(zero=1, nonnegative=n, second_order=(1 + n + factors,)),
        np.zeros((n + 1, n + 1)),
        A,
        np.concatenate([z, risk[:1]]),
        np.concatenate(
            [0.02 * rng.normal(size=1), 0.02 * y, opposite(risk, 1 / risk[0])]
        ),
        np.concatenate([[0.0], z, risk]),
    )


def daily_returns(rng, _shape) -> Instance:
    """Weights `z`, a level `c`, and for each day `t_i >= (r_i'z - c)^2`, all of them
    below `top`; returns of two percent, so squares of a ten-thousandth."""
    n, days = 5, 8
    R = 0.02 * rng.normal(size=(days, n))
    y, s = flat_pair(rng, chosen(rng, n, int(rng.integers(1, n - 2))))
    z = s / s.sum()
    c = float(np.mean(R @ z)) + 0.005 * rng.normal()
    u = R @ z - c
    t = u**2
    top = t.max()
    highest = t == top
    A = np.zeros((1 + n + days + 3 * days, n + 1 + days + 1))
    A[0, :n] = 1.0
    A[1 : n + 1, :n] = -np.eye(n)
    A[n + 1 : n + 1 + days, n + 1 : -1] = np.eye(days)
    A[n + 1 : n + 1 + days, -1] = -1.0
    ys, ss = [], []
    for day in range(days):
        row = n + 1 + days + 3 * day
        A[row, n + 1 + day], A[row + 1, n + 1 + day] = -1.0, 1.0
        A[row + 2, :n], A[row + 2, n] = -2.0 * R[day], 2.0
        cone = np.array([1.0 + t[day], 1.0 - t[day], 2.0 * u[day]])
        ss.append(cone)
        ys.append(opposite(cone, positive(rng) / days))
    shape = np.zeros((A.shape[1],) * 2)
    return Instance(
        ConeDims(zero=1, nonnegative=n + days, second_order=(3,) * days),
        shape,
        A,
        np.concatenate([z, [c], t, [top]]),
        np.concatenate([[1e-3 * rng.normal()], 1e-3 * y, 0.2 * highest, *ys]),
        np.concatenate([[0.0], z, np.where(highest, 0.0, top - t), *ss]),
    )
