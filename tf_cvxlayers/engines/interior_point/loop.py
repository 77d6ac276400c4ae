"""The iteration: where it starts, who still takes part, and what it ends with."""

import enum
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.engines.interior_point.embedding import (
    KKT,
    Iterate,
    Program,
    Refinement,
    Residual,
    Terms,
    largest,
    stepped,
)

# Where tau is so much smaller than kappa, there is a certificate to be found, or the
# steps are not accurate enough for it.
_VANISHED = 1e-9
# Relative accuracy of a certificate.
_CERTAIN = 1e-8
# A shorter step than this gets nowhere.
_SHORTEST_STEP = 1e-7
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


class State(NamedTuple):
    """The iteration of a batch: `verdict` and `iterations` are int32 `[B, 1, 1]`."""

    point: Iterate
    verdict: tf.Tensor
    iterations: tf.Tensor


def started(program: Program, cone: SymmetricCone) -> State:
    """The state before the first iteration: the point of least squares, moved into the
    cone (Vandenberghe, section 5.3)."""
    unit = KKT.of(program.P, program.A, Refinement.of(tf.constant(False)))
    x, z = unit.solve(program.minus_q, program.b)
    # The entry of (tau, kappa), at one, is on no boundary.
    one = program.zero + 1.0
    s, z = tf.concat([one, -z], axis=2), tf.concat([one, z], axis=2)
    s, z = (_moved_inside(cone, part)[:, :, 1:] for part in (s, z))
    mu = tf.reduce_sum(s * z, axis=2, keepdims=True) / max(cone.degree - 1, 1)
    kappa = tf.maximum(mu, 1.0)
    point = Iterate(x, tf.concat([one, z], axis=2), tf.concat([kappa, s], axis=2))
    none = tf.zeros_like(one, tf.int32)
    return State(point, none, none)


def _moved_inside(cone: SymmetricCone, v: tf.Tensor) -> tf.Tensor:
    distance = cone.distance(v)
    shift = tf.where(distance < 0, tf.zeros_like(distance), 1.0 + distance)
    return v + shift * cone.identity


def iterated(
    program: Program,
    cone: SymmetricCone,
    state: State,
    tolerance: tf.Tensor,
    max_iterations: int,
    refinement: Refinement,
) -> State:
    """The state when every element has a verdict, or has used up all iterations."""

    def goes_on(verdict, iterations):
        return (verdict == Verdict.RUNNING) & (iterations < max_iterations)

    def unfinished(_point, _residual, _misses, verdict, iterations):
        return tf.reduce_any(goes_on(verdict, iterations))

    def iteration(point, residual, before, verdict, iterations):
        direction, length = stepped(program, cone, point, residual, refinement)
        running = goes_on(verdict, iterations)
        sound = tf.math.is_finite(direction.tau) & (length > _SHORTEST_STEP)
        moves = tf.cast(running & sound, length.dtype)
        # Nothing times zero is zero here: an element that does not move stays.
        length = tf.math.multiply_no_nan(length, moves)
        point = Iterate(
            *(
                part + tf.math.multiply_no_nan(change, length)
                for part, change in zip(point, direction, strict=True)
            )
        )
        point = program.within_its_space(point)
        terms = Terms.at(program, point)
        residual = terms.residual(program, point)
        misses, tolerated = missed(program, point, terms, residual, tolerance)
        small = misses <= tolerated
        grows = (misses >= before) & tf.logical_not(small)
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
        new = tf.reduce_max(new, axis=2, keepdims=True)
        one = tf.cast(running, tf.int32)
        return point, residual, misses, verdict + one * new, iterations + one

    point, verdict, iterations = state
    may_wait = tf.logical_not(refinement.is_made)
    terms = Terms.at(program, point)
    residual = terms.residual(program, point)
    misses, _ = missed(program, point, terms, residual, tolerance)
    point, _, _, verdict, iterations = tf.while_loop(
        unfinished, iteration, (point, residual, misses, verdict, iterations)
    )
    return State(point, verdict, iterations)


def certificates(terms: Terms, point: Iterate) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether the point shows dual, and primal infeasibility, `[B, 1, 1]` (Goulart and
    Chen, section 3.3), in the largest norm."""
    # P x = 0, A x + s = 0, q'x < 0; and A'z = 0, b'z < 0.
    recession = tf.maximum(largest(terms.Px), largest(terms.Ax + point.s[:, :, 1:]))
    recedes = recession < _CERTAIN * terms.minus_qx
    separates = largest(terms.Atz) < -_CERTAIN * terms.bz
    return recedes, separates


def missed(
    program: Program,
    point: Iterate,
    terms: Terms,
    residual: Residual,
    tolerance: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """How far it is from primal and dual feasibility and from no gap, and how far it
    may be when it is solved, `[B, 1, 3]`: Clarabel's criteria (Goulart and Chen,
    section 3.3), in the largest norm."""
    tau, s = point.tau, point.s[:, :, 1:]
    gap = tf.abs(residual.rows[:, :, :1] - point.kappa)
    primal = largest(residual.rows[:, :, 1:])
    misses = tf.concat([primal, largest(residual.dual), gap], axis=2)
    # Of three terms that nearly cancel, the two that are at hand give the size.
    sizes = [
        tf.maximum(largest(s), tau * program.largest_b),
        tf.maximum(largest(terms.Px), tau * program.largest_q),
        tf.maximum(tf.abs(terms.minus_qx), tf.abs(terms.bz)),
    ]
    return misses, tolerance * (tau + tf.concat(sizes, axis=2))
