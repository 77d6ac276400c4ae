"""When the iteration ends for an element, and with what."""

import enum
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.embedding import (
    Embedding,
    Iterate,
    Residual,
    Terms,
    largest,
)

# Where tau is so much smaller than kappa, there is a certificate to be found, or the
# steps are not accurate enough for it.
_VANISHED = 1e-9
# Relative accuracy of a certificate.
_CERTAIN = 1e-8
# A step from this length on changes more than rounding does.
_LONG_STEP = 0.5


class Verdict(enum.IntEnum):
    """What the iteration ends with for an element; of several, the last one counts.

    An element that waits goes on in steps with refinement. One is lost where a step has
    made the residual of a linear equation no smaller, as each exact step does: it is
    rounding that it goes by from there on.
    """

    RUNNING = 0
    WAITING = 1
    LOST = 2
    DUAL_INFEASIBLE = 3
    PRIMAL_INFEASIBLE = 4
    SOLVED = 5
    STUCK = 6


class Misses(NamedTuple):
    """How far a point is from primal and dual feasibility and from no gap, and how far
    it may be when it is solved, `[B, 1, 3]` each: Clarabel's criteria (Goulart and
    Chen, "Clarabel", arXiv 2405.12762, section 3.3), in the largest norm."""

    found: tf.Tensor
    tolerated: tf.Tensor

    @classmethod
    def at(
        cls,
        embedding: Embedding,
        point: Iterate,
        terms: Terms,
        residual: Residual,
        tolerance: tf.Tensor,
    ) -> "Misses":
        """The misses at a point."""
        tau, s = point.tau, point.s[:, :, 1:]
        gap = tf.abs(residual.gap - point.kappa)
        primal, dual = largest(residual.primal), largest(residual.dual)
        misses = tf.concat([primal, dual, gap], axis=2)
        # Of three terms that nearly cancel, the two that are at hand give the size.
        sizes = [
            tf.maximum(largest(s), tau * embedding.largest_b),
            tf.maximum(largest(terms.Px), tau * embedding.largest_q),
            tf.maximum(tf.abs(terms.minus_qx), tf.abs(terms.bz)),
        ]
        return cls(misses, tolerance * (tau + tf.concat(sizes, axis=2)))

    def are_small(self) -> tf.Tensor:
        """Whether each of them is tolerated, bool `[B, 1, 3]`."""
        return self.found <= self.tolerated


def verdict(
    point: Iterate,
    terms: Terms,
    misses: Misses,
    before: tf.Tensor,
    length: tf.Tensor,
    sound: tf.Tensor,
    may_wait: tf.Tensor,
) -> tf.Tensor:
    """What an element ends with after a step, or `RUNNING`: int32 `[B, 1, 1]`.

    Args:
        point: after the step.
        terms, misses: at this point.
        before: the misses before the step, `[B, 1, 3]`.
        length: of the step, `[B, 1, 1]`.
        sound: whether there was a step to make, bool `[B, 1, 1]`.
        may_wait: bool tensor, whether elements may wait for steps with refinement.
    """
    small = misses.are_small()
    grows = (misses.found >= before) & tf.logical_not(small)
    recedes, separates = certificates(terms, point)
    found = {
        Verdict.WAITING: (point.tau <= _VANISHED * point.kappa) & may_wait,
        Verdict.LOST: tf.reduce_any(grows[:, :, :2], axis=2, keepdims=True)
        & (length > _LONG_STEP)
        & (point.tau > point.kappa),
        Verdict.DUAL_INFEASIBLE: recedes,
        Verdict.PRIMAL_INFEASIBLE: separates,
        Verdict.SOLVED: tf.reduce_all(small, axis=2, keepdims=True),
        Verdict.STUCK: tf.logical_not(sound),
    }
    flags = tf.concat(list(found.values()), axis=2)
    new = tf.cast(flags, tf.int32) * tf.constant([int(key) for key in found])
    return tf.reduce_max(new, axis=2, keepdims=True)


def certificates(terms: Terms, point: Iterate) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether the point shows dual, and primal infeasibility, `[B, 1, 1]` (Goulart and
    Chen, section 3.3), in the largest norm."""
    # P x = 0, A x + s = 0, q'x < 0; and A'z = 0, b'z < 0.
    recession = tf.maximum(largest(terms.Px), largest(terms.Ax + point.s[:, :, 1:]))
    recedes = recession < _CERTAIN * terms.minus_qx
    separates = largest(terms.Atz) < -_CERTAIN * terms.bz
    return recedes, separates
