"""Vectors: one for each element of a batch, `[B, n]`, or k of them, `[B, k, n]`."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.sparse import take


def times_each(vector: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """A vector `[B, n]` times each of the vectors, entry by entry."""
    return (tf.expand_dims(vector, 1) if len(x.shape) == 3 else vector) * x


def dense_times(matrix: tf.Tensor, x: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    """A dense matrix `[B, m, n]`, or its transpose, times vectors."""
    if len(x.shape) == 3:
        return tf.matmul(x, matrix, transpose_b=not transpose)
    return tf.linalg.matvec(matrix, x, transpose_a=transpose)


def taken(parts: Sequence[tf.Tensor], columns: np.ndarray) -> tf.Tensor:
    """These entries of vectors that stand side by side, see `sparse.take`."""
    return flatly(lambda *parts: take(parts, columns), parts)


def flatly(
    function: Callable[..., tf.Tensor], vectors: Sequence[tf.Tensor]
) -> tf.Tensor:
    """A function of vectors `[B, n]`, applied to either form of vectors."""
    if len(vectors[0].shape) == 2:
        return function(*vectors)
    flat = [tf.reshape(v, [-1, v.shape[2]]) for v in vectors]
    result = function(*flat)
    return tf.reshape(result, [-1, vectors[0].shape[1], result.shape[1]])


def largest(*vectors: tf.Tensor) -> tf.Tensor:
    """The largest absolute value, `[B]`, in vectors `[B, n]` side by side; zero where
    there are no entries."""
    every = vectors[0] if len(vectors) == 1 else tf.concat(vectors, axis=1)
    if every.shape[1] == 0:
        return tf.reduce_sum(every, axis=1)
    return tf.reduce_max(tf.abs(every), axis=1)
