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


class Verdict(enum.IntEnum):
    """What the iteration ends with for an element; of several, the last one counts.

    An element that waits goes on in steps with refinement.
    """

    RUNNING = 0
    WAITING = 1
    DUAL_INFEASIBLE = 2
    PRIMAL_INFEASIBLE = 3
    SOLVED = 4
    STUCK = 5


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

    def unfinished(_point, _residual, verdict, iterations):
        return tf.reduce_any(goes_on(verdict, iterations))

    def iteration(point, residual, verdict, iterations):
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
        found = judged(program, point, terms, residual, tolerance)
        waits = (point.tau <= _VANISHED * point.kappa) & may_wait
        flags = tf.concat([waits, *found, tf.logical_not(sound)], axis=2)
        new = tf.cast(flags, tf.int32) * tf.constant(list(Verdict)[1:])
        new = tf.reduce_max(new, axis=2, keepdims=True)
        one = tf.cast(running, tf.int32)
        return point, residual, verdict + one * new, iterations + one

    point, verdict, iterations = state
    may_wait = tf.logical_not(refinement.is_made)
    residual = Terms.at(program, point).residual(program, point)
    point, _, verdict, iterations = tf.while_loop(
        unfinished, iteration, (point, residual, verdict, iterations)
    )
    return State(point, verdict, iterations)


def judged(
    program: Program,
    point: Iterate,
    terms: Terms,
    residual: Residual,
    tolerance: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Whether it is dual infeasible, primal infeasible, solved, `[B, 1, 1]`: Clarabel's
    criteria (Goulart and Chen, section 3.3), in the largest norm."""
    tau, s = point.tau, point.s[:, :, 1:]
    Ax_s, minus_qx = terms.Ax + s, terms.minus_qx
    Px = largest(terms.Px)
    # A'z = 0, b'z < 0; and P x = 0, A x + s = 0, q'x < 0.
    separates = largest(terms.Atz) < -_CERTAIN * terms.bz
    recedes = tf.maximum(Px, largest(Ax_s)) < _CERTAIN * minus_qx
    gap = tf.abs(residual.rows[:, :, :1] - point.kappa)
    primal = largest(residual.rows[:, :, 1:])
    misses = tf.concat([primal, largest(residual.dual), gap], axis=2)
    # Of three terms that nearly cancel, the two that are at hand give the size.
    sizes = [
        tf.maximum(largest(s), tau * program.largest_b),
        tf.maximum(Px, tau * program.largest_q),
        tf.maximum(tf.abs(minus_qx), tf.abs(terms.bz)),
    ]
    small = misses <= tolerance * (tau + tf.concat(sizes, axis=2))
    return recedes, separates, tf.reduce_all(small, axis=2, keepdims=True)
