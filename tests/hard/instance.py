"""A program made backwards from its solution, in coordinates in which it is easy."""

import dataclasses

import numpy as np

from tf_cvxlayers.program.cones import ConeDims


@dataclasses.dataclass(frozen=True)
class Instance:
    """A strictly complementary point, and the program that it solves.

    `q` and `b` are what the optimality conditions make them. Zeros of `y` and `s` are
    exact: they say which faces the solution lies on.

    Attributes:
        combination: for dependent equalities, the matrix `[m, independent]` by which
            all rows follow from the independent ones, which come as they are.
        translation: a direction in which the program may be moved; None for any.
    """

    cones: ConeDims
    P: np.ndarray
    A: np.ndarray
    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    combination: np.ndarray | None = None
    translation: np.ndarray | None = None

    @property
    def q(self) -> np.ndarray:
        """The linear part of the objective."""
        return -self.P @ self.x - self.A.T @ self.y

    @property
    def b(self) -> np.ndarray:
        """The right-hand side."""
        return self.A @ self.x + self.s

    @property
    def independent(self) -> np.ndarray:
        """The rows from which all follow."""
        m = len(self.y)
        if self.combination is None:
            return np.arange(m)
        unit = (self.combination == 1.0) & (
            np.count_nonzero(self.combination, axis=1) == 1
        )[:, None]
        return np.argmax(unit, axis=0)


def with_parallel_rows(instance: Instance, rng: np.random.Generator) -> Instance:
    """With an active row that nearly repeats another, where there are two, and an
    inactive one that nearly repeats an active one."""
    first = instance.cones.zero
    rows = np.arange(first, first + instance.cones.nonnegative)
    active, idle = rows[instance.y[rows] > 0], rows[instance.y[rows] == 0]
    A = instance.A.copy()
    if not active.size:
        raise ArithmeticError("no active row")
    chosen = rng.permutation(active)
    for other in [*chosen[1:2], *rng.permutation(idle)[:1]]:
        A[other] = A[chosen[0]] + 10.0 ** rng.uniform(-6, -4) * A[other]
    return dataclasses.replace(instance, A=A)


def with_close_calls(instance: Instance, rng: np.random.Generator) -> Instance:
    """With an inactive row that is nearly active, and an active one with a multiplier
    of nearly nothing: both are clear cases in float64."""
    first = instance.cones.zero
    rows = rng.permutation(np.arange(first, first + instance.cones.nonnegative))
    y, s = instance.y.copy(), instance.s.copy()
    for value in (y, s):
        chosen = rows[value[rows] > 0][:1]
        value[chosen] = 10.0 ** rng.uniform(-5, -3, chosen.size)
    return dataclasses.replace(instance, y=y, s=s)


def with_huge_bounds(instance: Instance, rng: np.random.Generator) -> Instance:
    """With bounds on some variables that are so far away that they mean nothing."""
    n = len(instance.x)
    number = max(2, n // 2)
    rows = np.zeros((number, n))
    rows[np.arange(number), np.arange(number) % n] = rng.choice([-1.0, 1.0], number)
    return _with_inactive_rows(instance, rows, 10.0 ** rng.uniform(6, 20, number))


def with_thin_slab(instance: Instance, rng: np.random.Generator) -> Instance:
    """With the opposite of an active row, from 1e-6 to 1e-3 away: what is feasible is
    thin, and not empty."""
    first = instance.cones.zero
    active = first + np.flatnonzero(
        instance.y[first : first + instance.cones.nonnegative]
    )
    if not active.size:
        raise ArithmeticError("no active row")
    row = -instance.A[rng.permutation(active)[:1]]
    return _with_inactive_rows(instance, row, 10.0 ** rng.uniform(-6, -3, 1))


def _with_inactive_rows(instance, rows, slack):
    """With these behind the inequalities."""
    number = len(rows)
    split = instance.cones.zero + instance.cones.nonnegative

    def joined(old, new):
        return np.concatenate([old[:split], new, old[split:]])

    combination = instance.combination
    if combination is not None:
        # Here the rows from which all follow have a place of their own.
        place = split - (len(combination) - combination.shape[1])
        wider = np.insert(combination, [place] * number, 0.0, axis=1)
        unit = np.eye(wider.shape[1])[place : place + number]
        combination = joined(wider, unit)
    return dataclasses.replace(
        instance,
        combination=combination,
        cones=dataclasses.replace(
            instance.cones, nonnegative=instance.cones.nonnegative + number
        ),
        A=joined(instance.A, rows),
        y=joined(instance.y, np.zeros(number)),
        s=joined(instance.s, slack),
    )


def with_short_equalities(instance: Instance) -> Instance:
    """With equalities of few digits, which float32 holds exactly."""
    A = instance.A.copy()
    A[: instance.cones.zero] = np.round(64.0 * A[: instance.cones.zero]) / 64.0
    return dataclasses.replace(instance, A=A)


def with_redundant_rows(
    instance: Instance, rng: np.random.Generator, weights: np.ndarray | None = None
) -> Instance:
    """With equalities that follow from the others; by default, two random ones."""
    zero, m = instance.cones.zero, len(instance.y)
    if instance.combination is not None:
        raise ValueError("Expected independent equalities.")
    if weights is None:
        weights = rng.choice([-1.0, -0.5, 0.5, 1.0], (2, zero))
    eye, extra = np.eye(m), np.zeros((len(weights), m))
    extra[:, :zero] = weights
    # Behind the equalities, which come first.
    combination = np.vstack([eye[:zero], extra, eye[zero:]])
    absent = np.vstack([eye[:zero], 0.0 * extra, eye[zero:]])
    return dataclasses.replace(
        instance,
        cones=dataclasses.replace(instance.cones, zero=zero + len(weights)),
        A=combination @ instance.A,
        y=absent @ instance.y,
        s=absent @ instance.s,
        combination=combination,
    )
