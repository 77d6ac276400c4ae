"""Symmetric matrices with a band, kept as the numbers in it."""

import dataclasses
import functools
import weakref
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.band import Band
from tf_cvxlayers.linalg.cyclic_reduction import ReducedBlocks
from tf_cvxlayers.linalg.entries import gathered, product
from tf_cvxlayers.linalg.ordered_sums import total
from tf_cvxlayers.linalg.sparse import to_dense
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix
from tf_cvxlayers.runtime.graphs import Graphs
from tf_cvxlayers.runtime.xla import compiled_by_xla

# The operations on blocks are many, and used many times.
_GRAPHS: weakref.WeakKeyDictionary[Band, Graphs] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BandedSymmetric(SymmetricMatrix):
    """The symmetric matrices whose lower triangles have these values, `[entries, B]`,
    in the entries `band.lower`."""

    is_diagonal: ClassVar[bool] = False

    band: Band
    values: tf.Tensor

    def times(self, x: tf.Tensor) -> tf.Tensor:
        pattern, entries = self.band.full
        return product(pattern, gathered(self.values, entries), x)

    def tensors(self) -> tuple[tf.Tensor, ...]:
        return (tf.transpose(self.values),)

    def dense(self) -> tf.Tensor:
        pattern, entries = self.band.full
        return to_dense(pattern, tf.transpose(gathered(self.values, entries)))

    def plus(self, *others: SymmetricMatrix) -> SymmetricMatrix:
        """The sum with diagonals, and with others of the same band."""
        return BandedSymmetric(self.band, total(*map(self._entries, (self, *others))))

    def _entries(self, other: SymmetricMatrix) -> tf.Tensor:
        if not other.is_diagonal:
            return tf.transpose(other.tensors()[0])
        numbers = tf.pad(tf.transpose(other.diagonal_part()), [[0, 1], [0, 0]])
        return gathered(numbers, self.band.on_diagonal)

    def diagonal_part(self) -> tf.Tensor:
        return tf.transpose(gathered(self.values, self.band.diagonal))

    def largest(self) -> tf.Tensor:
        return tf.expand_dims(tf.reduce_max(tf.abs(self.values), axis=0), 1)

    def most_rank(self) -> tf.Tensor:
        return float(self.band.n) * tf.sign(self.largest())

    def factored(self) -> Factor:
        factored = functools.partial(_factored, self.band.in_blocks, self.band.block)
        return BandedFactor(self.band, _run(self.band, factored, self.tensors()))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BandedFactor(Factor):
    """The factor of a matrix with this band."""

    band: Band
    blocks: ReducedBlocks

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        if len(right.shape) == 2:
            return self.solve(tf.expand_dims(right, 1))[:, 0]
        solution = functools.partial(_solution, self.band.order, self.band.place)
        return _run(self.band, solution, (self.blocks, right))


def _factored(
    in_blocks: tuple[np.ndarray, np.ndarray], size: int, values: tf.Tensor
) -> ReducedBlocks:
    """The factor for values `[B, entries]`, given which of them is where in the
    blocks."""
    more = [[0, 1], [0, 0]]
    values = tf.pad(tf.pad(tf.transpose(values), more), more, constant_values=1.0)
    blocks = [tf.transpose(gathered(values, entries)) for entries in in_blocks]
    diagonal, below = (
        tf.reshape(numbers, [-1, numbers.shape[1] // size**2, size, size])
        for numbers in blocks
    )
    return ReducedBlocks.of(diagonal, below)


def _solution(
    order: np.ndarray, place: np.ndarray, blocks: ReducedBlocks, right: tf.Tensor
) -> tf.Tensor:
    """The solutions for right-hand sides `[B, k, n]`, given the order of variables."""
    k, (_, size, _) = right.shape[1], blocks.last.shape[1:]
    missing = -order.size % size
    # Variables first: a gather takes whole rows then.
    rows = tf.gather(tf.transpose(right, [2, 0, 1]), order)
    rows = tf.pad(rows, [[0, missing], [0, 0], [0, 0]])
    rows = tf.transpose(rows, [1, 0, 2])
    count = (order.size + missing) // size
    found = blocks.solve(tf.reshape(rows, [-1, count, size, k]))
    found = tf.reshape(found, [-1, count * size, k])
    return tf.transpose(tf.gather(tf.transpose(found, [1, 0, 2]), place), [1, 2, 0])


def _run(
    band: Band, function: functools.partial[Any], arguments: tuple[Any, ...]
) -> Any:
    """`function(*arguments)`; in a graph, as one node of it."""
    if tf.executing_eagerly() or compiled_by_xla():
        return function(*arguments)
    shapes = [(None, *part.shape[1:]) for part in tf.nest.flatten(arguments)]
    graphs = _GRAPHS.setdefault(band, Graphs())
    return graphs.run(function.func.__name__, function, arguments, shapes)
