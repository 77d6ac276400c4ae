"""Random strictly complementary pairs `(y, s)` for each kind of cone, and matrices."""

import numpy as np

from tf_cvxlayers.program.cones import svec_indices

Pair = tuple[np.ndarray, np.ndarray]


def positive(rng: np.random.Generator, size=None):
    """Numbers away from zero."""
    return rng.uniform(0.3, 2.0, size)


def chosen(rng: np.random.Generator, size: int, number: int) -> np.ndarray:
    """A random subset of this many, as a mask."""
    mask = np.zeros(size, bool)
    mask[rng.permutation(size)[:number]] = True
    return mask


def flat_pair(rng: np.random.Generator, active: np.ndarray) -> Pair:
    """Inequalities of which these are active."""
    size = active.size
    return (
        np.where(active, positive(rng, size), 0.0),
        np.where(active, 0.0, positive(rng, size)),
    )


def second_order_pair(rng: np.random.Generator, size: int) -> Pair:
    """Both on the boundary."""
    u = rng.normal(size=size - 1)
    u *= positive(rng) / np.linalg.norm(u)
    s = np.concatenate([[np.linalg.norm(u)], u])
    return opposite(s, positive(rng)), s


def opposite(s: np.ndarray, factor: float) -> np.ndarray:
    """The dual vector across from a boundary point of a second-order cone."""
    return factor * np.concatenate([s[:1], -s[1:]])


def interior(size: int, rng: np.random.Generator) -> np.ndarray:
    """A point inside a second-order cone."""
    u = rng.normal(size=size - 1)
    return np.concatenate([[np.linalg.norm(u) + positive(rng)], u])


def psd_pair(rng: np.random.Generator, order: int, rank: int) -> Pair:
    """Matrices of this rank and its complement, with common eigenvectors."""
    Q, _ = np.linalg.qr(rng.normal(size=(order, order)))
    values = positive(rng, order)
    inside = np.arange(order) < rank
    y, s = (
        packed((Q * np.where(where, values, 0.0)) @ Q.T) for where in (~inside, inside)
    )
    return (np.zeros_like(y) if rank == order else y), s


def packed(matrix: np.ndarray) -> np.ndarray:
    """The packed triangle of a symmetric matrix."""
    rows, columns, scales = svec_indices(len(matrix))
    return 0.5 * (matrix + matrix.T)[rows, columns] * scales


def packed_map(*matrices: np.ndarray) -> np.ndarray:
    """Packed triangles as columns."""
    return np.stack([packed(matrix) for matrix in matrices], axis=1)


def exponential_pair(a: float, b: float, factor: float) -> Pair:
    """The point of the surface above `(a, b)`, and a normal."""
    c = b * np.exp(a / b)
    return factor * np.array([-1.0, a / b - 1.0, b / c]), np.array([a, b, c])


def power_pair(rng: np.random.Generator, a: float) -> Pair:
    """A point of the surface of a power cone, and a normal."""
    x, y, sign = positive(rng), positive(rng), rng.choice([-1.0, 1.0])
    f = x**a * y ** (1.0 - a)
    normal = np.array([a * f / x, (1.0 - a) * f / y, -sign])
    return positive(rng) * normal, np.array([x, y, sign * f])


def definite(rng: np.random.Generator, size: int, smallest: float = 0.1) -> np.ndarray:
    """A positive definite matrix with eigenvalues from `smallest` to one."""
    Q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    P = (Q * np.geomspace(1.0, smallest, size)) @ Q.T
    return 0.5 * (P + P.T)


def symmetric(rng: np.random.Generator, order: int) -> np.ndarray:
    """A random symmetric matrix."""
    matrix = rng.normal(size=(order, order))
    return 0.5 * (matrix + matrix.T)
