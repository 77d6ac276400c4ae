"""Programs with exponential cones."""

import numpy as np

from tests.hard.instance import Instance, with_redundant_rows
from tests.hard.points import exponential_pair, flat_pair, positive
from tf_cvxlayers.program.cones import ConeDims


def softmax(rng, _shape) -> Instance:
    """The largest of `p'x` and the entropy: `x exp(t / x) <= 1`, the sum of x is one,
    and the solution is `softmax(p)`."""
    n = 4
    p = 1.5 * rng.normal(size=n)
    x = np.exp(p - p.max())
    x /= x.sum()
    t = -x * np.log(x)
    A, y, s = np.zeros((1 + 3 * n, 2 * n)), [np.array([rng.normal()])], [np.zeros(1)]
    A[0, :n] = 1.0
    for k in range(n):
        A[1 + 3 * k, n + k] = A[2 + 3 * k, k] = -1.0
        dual, point = exponential_pair(t[k], x[k], 1.0)
        y.append(dual)
        s.append(point)
    return Instance(
        ConeDims(zero=1, exponential=n),
        np.zeros((2 * n, 2 * n)),
        A,
        np.concatenate([x, t]),
        np.concatenate(y),
        np.concatenate(s),
    )


def entropic_transport(rng, _shape) -> Instance:
    """A plan between marginals with its entropy as a part of the cost. One of the
    equalities follows from the others."""
    rows, columns = 2, 3
    size, sums = rows * columns, rows + columns - 1
    plan = np.exp(rng.normal(size=size))
    plan /= plan.sum()
    t = -plan * np.log(plan)
    A = np.zeros((sums + 3 * size, 2 * size))
    marginals = [
        np.kron(np.eye(rows), np.ones(columns)),
        np.tile(np.eye(columns), rows),
    ]
    A[:sums, :size] = np.vstack(marginals)[:-1]
    y, s = [rng.normal(size=sums)], [np.zeros(sums)]
    for k in range(size):
        A[sums + 3 * k, size + k] = A[sums + 3 * k + 1, k] = -1.0
        dual, point = exponential_pair(t[k], plan[k], 0.3)
        y.append(dual)
        s.append(point)
    independent = Instance(
        ConeDims(zero=sums, exponential=size),
        np.zeros((2 * size, 2 * size)),
        A,
        np.concatenate([plan, t]),
        np.concatenate(y),
        np.concatenate(s),
    )
    last = np.concatenate([np.ones(rows), -np.ones(columns - 1)])
    return with_redundant_rows(independent, rng, last[None])


def logistic_regression(rng, _shape) -> Instance:
    """The sum of `t_i >= log(1 + exp(z_i))` with `z = X w`, and a ridge. The variables
    are `w`, `t`, and for each sample two terms whose sum is at most one."""
    n, samples = 3, 5
    X, w = rng.normal(size=(samples, n)), rng.normal(size=n)
    z = X @ w
    t = np.log1p(np.exp(z))
    first, second = np.exp(-t), np.exp(z - t)
    size = n + 3 * samples
    T, U, V = (n + k * samples + np.arange(samples) for k in range(3))
    A = np.zeros((samples + 6 * samples, size))
    price = positive(rng, samples)
    y, s = [price], [np.zeros(samples)]
    for i in range(samples):
        A[i, [U[i], V[i]]] = 1.0
        row = samples + 6 * i
        A[row, T[i]] = A[row + 3, T[i]] = 1.0
        A[row + 3, :n] = -X[i]
        A[row + 2, U[i]] = A[row + 5, V[i]] = -1.0
        for a, term in ((-t[i], first[i]), (z[i] - t[i], second[i])):
            dual, point = exponential_pair(a, 1.0, price[i] * term)
            y.append(dual)
            s.append(point)
    return Instance(
        ConeDims(nonnegative=samples, exponential=2 * samples),
        np.diag(np.repeat([0.1, 0.0], [n, 3 * samples])),
        A,
        np.concatenate([w, t, first, second]),
        np.concatenate(y),
        np.concatenate(s),
    )


def geometric(rng, _shape) -> Instance:
    """A linear objective, two sums of exponentials of at most one, and bounds: a
    geometric program in logarithms. The variables are `x` and the terms."""
    n, posynomials, terms = 3, 2, 3
    number = posynomials * terms
    share = rng.uniform(0.2, 1.0, (posynomials, terms))
    share /= share.sum(axis=1, keepdims=True)
    A = np.zeros((posynomials + 2 + 3 * number, n + number))
    price = positive(rng, posynomials)
    bound, slack = flat_pair(rng, np.zeros(2, bool))
    y, s = [price, bound], [np.zeros(posynomials), slack]
    A[posynomials : posynomials + 2, :n] = rng.normal(size=(2, n))
    for j in range(number):
        group, row = j // terms, posynomials + 2 + 3 * j
        u = share.ravel()[j]
        A[group, n + j] = 1.0
        A[row, :n] = -rng.normal(size=n)
        A[row + 2, n + j] = -1.0
        dual, point = exponential_pair(np.log(u), 1.0, price[group] * u)
        y.append(dual)
        s.append(point)
    return Instance(
        ConeDims(nonnegative=posynomials + 2, exponential=number),
        np.zeros((n + number,) * 2),
        A,
        np.concatenate([rng.normal(size=n), share.ravel()]),
        np.concatenate(y),
        np.concatenate(s),
    )
