"""Positive definite block tridiagonal matrices, by cyclic reduction.

    D[i] x[i] + C[i-1] x[i-1] + C[i]'x[i+1] = r[i]

Every second block is eliminated: these do not depend on one another, and are one
operation each over all of them. What is left is a matrix of the same kind with half as
many blocks (Heller, "Some aspects of the cyclic reduction algorithm for block
tridiagonal linear systems", 1976). It is the factorization of Cholesky in another
order, and as stable; a matrix of `N` blocks takes `log2 N` rounds.

With `D[2j] = R R'`, `Z[j] = R^-1 [C[2j]', C[2j-1]]` is what block `2j` is to the one
after it and the one before it, and `Z'Z` what its elimination takes from both.
"""

from typing import NamedTuple

import tensorflow as tf

_AFTER = [[0, 0], [0, 1], [0, 0], [0, 0]]
_BEFORE = [[0, 0], [1, 0], [0, 0], [0, 0]]


class Round(NamedTuple):
    """The blocks that a round eliminates: `R [B, M, s, s]`, `Z [B, M, s, 2s]`."""

    R: tf.Tensor
    Z: tf.Tensor


class ReducedBlocks(NamedTuple):
    """A matrix, factored: the rounds, and the triangle of the block that is left."""

    rounds: list[Round]
    last: tf.Tensor

    @classmethod
    def of(cls, diagonal: tf.Tensor, below: tf.Tensor) -> "ReducedBlocks":
        """The factor; NaN for a matrix that has none.

        Args:
            diagonal: `[B, N, s, s]`, of which the lower triangles count.
            below: `[B, N - 1, s, s]`.
        """
        rounds = []
        size = diagonal.shape[2]
        while diagonal.shape[1] > 1:
            diagonal, below = _with_an_odd_number(diagonal, below)
            kept, above = diagonal[:, 1::2], tf.pad(below[:, 1::2], _BEFORE)
            after = tf.pad(tf.linalg.matrix_transpose(below[:, ::2]), _AFTER)
            R = tf.linalg.cholesky(diagonal[:, ::2])
            Z = tf.linalg.triangular_solve(R, tf.concat([after, above], axis=3))
            taken = tf.matmul(Z, Z, transpose_a=True)
            diagonal = kept - taken[:, :-1, :size, :size] - taken[:, 1:, size:, size:]
            below = -taken[:, 1:-1, :size, size:]
            rounds.append(Round(R, Z))
        return cls(rounds, tf.linalg.cholesky(diagonal))

    def solve(self, right: tf.Tensor) -> tf.Tensor:
        """The solutions for right-hand sides `[B, N, s, k]`."""
        size, eliminated, counts = right.shape[2], [], []
        for R, Z in self.rounds:
            counts.append(right.shape[1])
            if right.shape[1] % 2 == 0:
                right = tf.pad(right, _AFTER)
            v = tf.linalg.triangular_solve(R, right[:, ::2])
            taken = tf.matmul(Z, v, transpose_a=True)
            right = right[:, 1::2] - taken[:, :-1, :size] - taken[:, 1:, size:]
            eliminated.append(v)
        x = tf.linalg.cholesky_solve(self.last, right)
        for (R, Z), v, count in reversed(
            list(zip(self.rounds, eliminated, counts, strict=True))
        ):
            after = tf.pad(x, _AFTER)
            around = tf.concat([after, tf.pad(x, _BEFORE)], axis=2)
            own = tf.linalg.triangular_solve(R, v - tf.matmul(Z, around), adjoint=True)
            # In turns: an eliminated block, then one that was kept.
            both = tf.stack([own, after], axis=2)
            shape = [-1, 2 * own.shape[1], size, own.shape[3]]
            x = tf.reshape(both, shape)[:, :count]
        return x


def _with_an_odd_number(
    diagonal: tf.Tensor, below: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The blocks, with one of the identity behind them if they are even in number."""
    if diagonal.shape[1] % 2:
        return diagonal, below
    shape = [tf.shape(diagonal)[0], 1]
    one = tf.eye(diagonal.shape[2], batch_shape=shape, dtype=diagonal.dtype)
    return tf.concat([diagonal, one], axis=1), tf.pad(below, _AFTER)
