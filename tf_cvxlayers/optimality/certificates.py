"""Proofs that a program has no solution, verified on its data.

* `y` in `K*` with `A'y = 0` and `b'y < 0`: from `A x + s = b` would follow
  `b'y = x'A'y + s'y >= 0`. Where `A'y` is not zero but small, no `x` whose entries add
  up to less than `-b'y / |A'y|` exists.
* `x` with `P x = 0`, `-A x` in `K`, and `q'x < 0`: along it the objective falls without
  end, and no `x` and `y` below the like bound satisfy the optimality conditions
  (Goulart and Chen, "Clarabel", arXiv 2405.12762, section 2).

A certificate counts when that bound is beyond any solution in units in which the
numbers of the program are near one. Solvers stop at less; a step of least squares, in
which no row moves by more than a part of itself, makes up for it.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.symmetric import SymmetricMatrix
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.cones.product import (
    are_inside,
    complementary_pair,
    largest_in_each,
)
from tf_cvxlayers.optimality.forms import can_be_factored
from tf_cvxlayers.optimality.matrices import (
    Matrices,
    SparseMatrices,
    matrices_of,
    sparse_matrices,
)
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.runtime.rarely import rarely

# In units in which the numbers of a program are near one, no solution is larger.
_BEYOND = 1e9
# Relative to its terms, what rounding leaves of a sum that is zero; and what solvers
# leave where there is no step of least squares.
_EXACT, _LARGE_AND_SPARSE = 1e-11, 1e-7
_NO_PART = 1e-4
# A sum of no more than this, of vectors whose largest entry is one, is of no terms.
_NOTHING = 1e-12
# What rounding leaves in a vector whose largest entry is one.
_ROUNDING = 1e-14
# Steps of least squares.
_STEPS = 2
# Added to a diagonal, relative to the largest number on it, and to each of them.
_REGULAR, _LITTLE = 1e-13, 1e-6
# Relative to the largest slack, dual or entry, one that is zero up to a solver's
# accuracy.
_ACTIVE = 1e-6
_TINY = 1e-300


def is_infeasible(status: tf.Tensor) -> tf.Tensor:
    """Whether it says that there is no solution, bool `[B]`."""
    return (status == Status.PRIMAL_INFEASIBLE) | (status == Status.DUAL_INFEASIBLE)


def proven_status(
    structure: ConeStructure,
    data: ConeData,
    rounding: ConeData,
    found: ConeSolution,
) -> tf.Tensor:
    """The status of each element, where what is said to have no solution, or has none,
    is said so if its `x` or `y` proves it, and only then: int32 `[B]`.

    Args:
        structure, data: the program.
        rounding: what that of the input has left in `q` and `b`.
        found: the solution, or certificate, or what a solver was left with.
    """
    status, unsolved = found.status, found.status != Status.SOLVED

    def verified():
        dims, exact = structure.cones, _LARGE_AND_SPARSE
        x, y = found.x, found.y
        if can_be_factored(structure):
            matrices, exact = matrices_of(structure, data), _EXACT
            y = _nearer_separation(dims, matrices, y)
            x = _nearer_recession(dims, matrices, x)
        sizes = data._replace(P=tf.abs(data.P), A=tf.abs(data.A))
        sparse, terms = (sparse_matrices(structure, part) for part in (data, sizes))
        separates = _separation(dims, sparse, terms, rounding.b, y).holds(exact)
        recedes = _recession(dims, sparse, terms, rounding.q, x).holds(exact)
        other = tf.where(is_infeasible(status), Status.NUMERICAL_ERROR, status)
        other = tf.where(recedes, Status.DUAL_INFEASIBLE, other)
        other = tf.where(separates, Status.PRIMAL_INFEASIBLE, other)
        return tf.where(unsolved, other, status)

    return rarely(tf.reduce_any(unsolved), verified, lambda: status)


class _Inequality(NamedTuple):
    """What has to be positive and what has to be zero for a certificate.

    Attributes:
        gain: what has to be positive, `[B]`.
        miss: what has to be zero, `[B]`.
        relative: the same, entry by entry relative to its terms: `[B]`.
        inside: whether the vector lies in its cone, bool `[B]`; None where it does.
    """

    gain: tf.Tensor
    miss: tf.Tensor
    relative: tf.Tensor
    inside: tf.Tensor | None

    def holds(self, exact: float) -> tf.Tensor:
        """Whether it excludes every solution, bool `[B]`.

        Not in units alone, in which some variable may have to be large.
        """
        beyond = (self.gain > 0) & (self.gain >= _BEYOND * self.miss)
        proof = beyond & (self.relative <= exact)
        return proof if self.inside is None else proof & self.inside


def _separation(
    dims: ConeDims,
    matrices: SparseMatrices,
    terms: SparseMatrices,
    rounding: tf.Tensor,
    y: tf.Tensor,
) -> _Inequality:
    y = _normalized(_in_dual_cone(dims, y))
    size = tf.abs(y)
    miss = tf.abs(matrices.A.transposed(y))
    return _Inequality(
        -tf.reduce_sum(matrices.b * y + rounding * size, axis=1),
        largest(miss),
        largest(_beyond_rounding(miss) / _of_terms(terms.A.transposed(size))),
        are_inside(dims, y, tf.zeros_like(y)),
    )


def _recession(
    dims: ConeDims,
    matrices: SparseMatrices,
    terms: SparseMatrices,
    rounding: tf.Tensor,
    x: tf.Tensor,
) -> _Inequality:
    x = _normalized(x)
    size, Ax = tf.abs(x), matrices.A.times(x)
    s = _in_cone(dims, -Ax)
    miss1, miss2 = tf.abs(matrices.P.times(x)), tf.abs(Ax + s)
    size1, size2 = _of_terms(terms.P.times(size)), _of_terms(terms.A.times(size))
    return _Inequality(
        -tf.reduce_sum(matrices.q * x + rounding * size, axis=1),
        largest(miss1, miss2),
        largest(_beyond_rounding(miss1) / size1, _beyond_rounding(miss2) / size2),
        are_inside(dims, tf.zeros_like(s), s),
    )


def _beyond_rounding(miss: tf.Tensor) -> tf.Tensor:
    """What is missed by more than the rounding of the vector itself, whose largest
    entry is one: of an entry that cancels to nothing, no less can be asked."""
    return tf.nn.relu(miss - _ROUNDING)


def _of_terms(sums: tf.Tensor) -> tf.Tensor:
    """Sums of the sizes of terms, none of them much smaller than the others: of rows
    and columns that have no part in a certificate only rounding is left."""
    return sums + _NO_PART * tf.expand_dims(largest(sums), 1) + _NOTHING


def _nearer_separation(dims: ConeDims, matrices: Matrices, y: tf.Tensor) -> tf.Tensor:
    """`y`, with a smaller `A'y`."""
    A = matrices.A
    # What an iteration has left in rows that have no part in it.
    y = _normalized(y)
    y = tf.where(largest_in_each(dims, y) > _ACTIVE, y, tf.zeros_like(y))

    def nearer(k, y):
        y = _normalized(_in_dual_cone(dims, y))
        weight = tf.square(largest_in_each(dims, y))
        r = _solved(A.gram(A.scaled(weight)), A.transposed(y))
        return k + 1, y - weight * A.times(r)

    return tf.while_loop(lambda k, _: k < _STEPS, nearer, (0, y))[1]


def _nearer_recession(dims: ConeDims, matrices: Matrices, x: tf.Tensor) -> tf.Tensor:
    """`x`, with a smaller `P x` and `-A x` closer to the cone."""
    P, A = matrices.P, matrices.A
    # What an iteration has left in variables that have no part in it.
    x = _normalized(x)
    x = tf.where(tf.abs(x) > _ACTIVE, x, tf.zeros_like(x))

    def nearer(k, x):
        x = _normalized(x)
        Ax = A.times(x)
        s = _in_cone(dims, -Ax)
        most = _ACTIVE * tf.expand_dims(largest(s), 1) + _TINY
        weight = tf.square(most / (most + largest_in_each(dims, s)))
        H = P.plus(A.gram(A.scaled(weight)))
        return k + 1, x - _solved(H, P.times(x) + A.transposed(weight * (Ax + s)))

    return tf.while_loop(lambda k, _: k < _STEPS, nearer, (0, x))[1]


def least_squares_point(
    structure: ConeStructure, data: ConeData, weight: tf.Tensor
) -> tf.Tensor:
    """A point from which the numbers of a program are not large, `[B, n]`: the least of
    the objective, as far as it is curved, and of the squares of `b - A x`, times
    weights `[B, m]`; not far from the origin for the sake of little."""
    matrices = matrices_of(structure, data)
    P, A = matrices.P, matrices.A.scaled(weight)
    bent = tf.where(P.diagonal_part() > 0, data.q, tf.zeros_like(data.q))
    return _solved(P.plus(A.gram(A)), A.transposed(weight * data.b) - bent, _LITTLE)


def _solved(matrix: SymmetricMatrix, right: tf.Tensor, added: float = 0.0) -> tf.Tensor:
    diagonal = matrix.diagonal_part()
    least = _REGULAR * tf.expand_dims(largest(diagonal), 1) + _TINY + added * diagonal
    return matrix.plus(Diagonal(least)).factored().solve(right)


def _normalized(vector: tf.Tensor) -> tf.Tensor:
    return vector / (tf.expand_dims(largest(vector), 1) + _TINY)


def _in_dual_cone(dims: ConeDims, y: tf.Tensor) -> tf.Tensor:
    return complementary_pair(dims, y, tf.zeros_like(y))[0]


def _in_cone(dims: ConeDims, s: tf.Tensor) -> tf.Tensor:
    return complementary_pair(dims, tf.zeros_like(s), s)[1]
