"""The iteration of the interior-point method, from its starting point on."""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.product import EmbeddingCone
from tf_cvxlayers.engines.interior_point.embedding import Embedding, Iterate, Terms
from tf_cvxlayers.engines.interior_point.newton_system import (
    NewtonSystem,
    Refinement,
)
from tf_cvxlayers.engines.interior_point.step import step
from tf_cvxlayers.engines.interior_point.verdicts import Misses, Verdict, verdict

# A shorter step than this gets nowhere.
_SHORTEST_STEP = 1e-7


class State(NamedTuple):
    """The iteration of a batch: `verdict` and `iterations` are int32 `[B, 1, 1]`."""

    point: Iterate
    verdict: tf.Tensor
    iterations: tf.Tensor


def started(embedding: Embedding, cone: EmbeddingCone) -> State:
    """The state before the first iteration: the point of least squares, moved into the
    cone (Vandenberghe, section 5.3); where that is not symmetric, its identity."""
    one = embedding.zero + 1.0
    none = tf.zeros_like(one, tf.int32)
    if not cone.is_symmetric:
        pair = one * cone.identity
        point = Iterate(tf.zeros_like(embedding.minus_q), pair, pair)
        return State(point, none, none)
    no_refinement = Refinement.of(tf.constant(False))
    unit = NewtonSystem.of(embedding.P, embedding.A, no_refinement)
    x, z = unit.solve(embedding.minus_q, embedding.b)
    # The entry of (tau, kappa), at one, is on no boundary.
    s, z = tf.concat([one, -z], axis=2), tf.concat([one, z], axis=2)
    s, z = (_moved_inside(cone, part)[:, :, 1:] for part in (s, z))
    if cone.exact is not None:
        s = s * (1.0 - cone.exact)
    mu = tf.reduce_sum(s * z, axis=2, keepdims=True) / max(cone.degree - 1, 1)
    kappa = tf.maximum(mu, 1.0)
    point = Iterate(x, tf.concat([one, z], axis=2), tf.concat([kappa, s], axis=2))
    return State(point, none, none)


def _moved_inside(cone: EmbeddingCone, v: tf.Tensor) -> tf.Tensor:
    distance = cone.distance(v)
    shift = tf.where(distance < 0, tf.zeros_like(distance), 1.0 + distance)
    return v + shift * cone.identity


def iterated(
    embedding: Embedding,
    cone: EmbeddingCone,
    state: State,
    tolerance: tf.Tensor,
    max_iterations: int,
    refinement: Refinement,
) -> State:
    """The state when every element has a verdict, or has used up all iterations."""
    may_wait = tf.logical_not(refinement.is_made)

    def goes_on(verdicts, iterations):
        return (verdicts == Verdict.RUNNING) & (iterations < max_iterations)

    def unfinished(_point, _residual, _misses, verdicts, iterations):
        return tf.reduce_any(goes_on(verdicts, iterations))

    def iteration(point, residual, before, verdicts, iterations):
        direction, length = step(embedding, cone, point, residual, refinement)
        running = goes_on(verdicts, iterations)
        sound = tf.math.is_finite(direction.tau) & (length > _SHORTEST_STEP)
        point, length = _moved(embedding, point, direction, length, running & sound)
        terms = Terms.at(embedding, point)
        residual = terms.residual(embedding, point)
        misses = Misses.at(embedding, point, terms, residual, tolerance)
        new = verdict(point, terms, misses, before, length, sound, may_wait)
        one = tf.cast(running, tf.int32)
        return point, residual, misses.found, verdicts + one * new, iterations + one

    point = state.point
    terms = Terms.at(embedding, point)
    residual = terms.residual(embedding, point)
    misses = Misses.at(embedding, point, terms, residual, tolerance).found
    point, _, _, verdicts, iterations = tf.while_loop(
        unfinished, iteration, (point, residual, misses, *state[1:])
    )
    return State(point, verdicts, iterations)


def _moved(
    embedding: Embedding,
    point: Iterate,
    direction: Iterate,
    length: tf.Tensor,
    moves: tf.Tensor,
) -> tuple[Iterate, tf.Tensor]:
    """The point after a step, and the length of it: zero for elements that stay."""
    # Nothing times zero is zero here: an element that does not move stays.
    length = tf.math.multiply_no_nan(length, tf.cast(moves, length.dtype))
    moved = Iterate(
        *(
            part + tf.math.multiply_no_nan(change, length)
            for part, change in zip(point, direction, strict=True)
        )
    )
    return embedding.within_its_space(moved), length
