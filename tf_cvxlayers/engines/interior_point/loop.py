"""The iteration: where it starts, who still takes part, and what it ends with."""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones import SymmetricCone
from tf_cvxlayers.engines.interior_point.embedding import (
    KKT,
    Iterate,
    Residual,
    Terms,
    stepped,
)
from tf_cvxlayers.errors import Status
from tf_cvxlayers.matrices import Matrices

# Beside `Status`: goes on; waits for refinement.
RUNNING, WAITING = -1, -2
# Where tau is so much smaller than kappa, there is a certificate to be found, or the
# steps are not accurate enough for it.
_VANISHED = 1e-9
# Relative accuracy of a certificate.
_CERTAIN = 1e-8
# A shorter step than this gets nowhere.
_SHORTEST_STEP = 1e-7


class State(NamedTuple):
    """The iteration of a batch: `status` and `iterations` are int32 `[B, 1]`."""

    point: Iterate
    residual: Residual
    status: tf.Tensor
    iterations: tf.Tensor


def started(problem: Matrices, cone: SymmetricCone) -> State:
    """The state before the first iteration: the point of least squares, moved into the
    cone (Vandenberghe, section 5.3)."""
    unit = KKT.of(problem, problem.A, refine=tf.constant(False))
    ((x, z),) = unit.solve((-problem.q, problem.b))
    batch = tf.shape(x)[0]
    s, z = _moved_inside(cone, -z), _moved_inside(cone, z)
    one = tf.ones([batch, 1], x.dtype)
    mu = tf.reduce_sum(s * z, axis=1, keepdims=True) / cone.degree
    point = Iterate(x, z, s, one, tf.maximum(mu, 1.0))
    running = tf.fill([batch, 1], RUNNING)
    residual = Terms.at(problem, point).residual(problem, point)
    return State(point, residual, running, 0 * running)


def _moved_inside(cone: SymmetricCone, v: tf.Tensor) -> tf.Tensor:
    distance = cone.distance(v)
    shift = tf.where(distance < 0, 0.0 * distance, 1.0 + distance)
    return v + shift * tf.constant([cone.identity], v.dtype)


def iterated(
    problem: Matrices,
    cone: SymmetricCone,
    state: State,
    tolerance: tf.Tensor,
    max_iterations: int,
    refine: tf.Tensor,
) -> State:
    """The state when every element has a verdict, or has used up all iterations."""

    def unfinished(_point, _residual, status, iterations):
        return tf.reduce_any((status == RUNNING) & (iterations < max_iterations))

    # A loop carries each tensor at a price, so what belongs together is one.
    def iteration(point, residual, status, iterations):
        point_was = Iterate(*tf.split(point, point_sizes, axis=1))
        residual_was = Residual(*tf.split(residual, residual_sizes, axis=1))
        direction, step = stepped(problem, cone, point_was, residual_was, refine)
        running = (status == RUNNING) & (iterations < max_iterations)
        sound = tf.math.is_finite(direction.tau) & (step > _SHORTEST_STEP)
        moves = running & tf.where(sound, True, False)
        step = tf.where(moves, step, tf.zeros_like(step))
        # Nothing times zero is zero here: an element that does not move stays.
        change = tf.math.multiply_no_nan(tf.concat(direction, axis=1), step)
        point = point + change
        new = Iterate(*tf.split(point, point_sizes, axis=1))
        terms = Terms.at(problem, new)
        residual_new = terms.residual(problem, new)
        judged = verdict(problem, new, terms, residual_new, tolerance)
        waits = (
            (judged == RUNNING)
            & tf.logical_not(refine)
            & (new.tau <= _VANISHED * new.kappa)
        )
        judged = tf.where(waits, WAITING, judged)
        judged = tf.where(moves, judged, Status.NUMERICAL_ERROR)
        return (
            point,
            tf.concat(residual_new, axis=1),
            tf.where(running, judged, status),
            iterations + tf.cast(moves, tf.int32),
        )

    point_sizes = [part.shape[1] for part in state.point]
    residual_sizes = [part.shape[1] for part in state.residual]
    point, residual, status, iterations = tf.while_loop(
        unfinished,
        iteration,
        (
            tf.concat(state.point, axis=1),
            tf.concat(state.residual, axis=1),
            state.status,
            state.iterations,
        ),
    )
    return State(
        Iterate(*tf.split(point, point_sizes, axis=1)),
        Residual(*tf.split(residual, residual_sizes, axis=1)),
        status,
        iterations,
    )


def verdict(
    problem: Matrices,
    point: Iterate,
    terms: Terms,
    residual: Residual,
    tolerance: tf.Tensor,
) -> tf.Tensor:
    """`SOLVED`, a certificate, or `RUNNING`, `[B, 1]`: Clarabel's criteria (Goulart and
    Chen, section 3.3), in the largest norm."""
    tau = point.tau
    # Of three terms that nearly cancel, the two that are at hand give the size.
    primal = tf.maximum(_largest(point.s), tau * _largest(problem.b))
    Px = _largest(terms.Px)
    dual = tf.maximum(Px, tau * _largest(problem.q))
    gap = terms.xPx / tau + terms.qx + terms.bz
    size = tf.maximum(tf.abs(terms.qx), tf.abs(terms.bz))

    def small(miss, size):
        return miss <= tolerance * (tau + size)

    solved = (
        small(_largest(residual.primal), primal)
        & small(_largest(residual.dual), dual)
        & small(tf.abs(gap), size)
    )
    # A'z = 0, b'z < 0; and P x = 0, A x + s = 0, q'x < 0.
    separates = _largest(terms.Atz) < -_CERTAIN * terms.bz
    recedes = tf.maximum(Px, _largest(terms.Ax + point.s)) < -_CERTAIN * terms.qx
    status = tf.where(recedes, Status.DUAL_INFEASIBLE, RUNNING)
    status = tf.where(separates, Status.PRIMAL_INFEASIBLE, status)
    return tf.where(solved, Status.SOLVED, status)


def _largest(vector: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.abs(vector), axis=1, keepdims=True)
