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

RUNNING = -1
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


def started(problem: Matrices, cone: SymmetricCone, batch: tf.Tensor) -> State:
    """The state before the first iteration: `x` and the residual of least squares,
    moved into the cone (Vandenberghe, section 5.3)."""
    unit = KKT.of(problem, problem.A, refine=False)
    zero = tf.zeros([batch, problem.q.shape[1]], tf.float64)
    ((x, z),) = unit.solve((zero - problem.q, problem.b))
    s, z = _moved_inside(cone, -z), _moved_inside(cone, z)
    one = tf.ones([batch, 1], tf.float64)
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
    tolerance: float,
    max_iterations: int,
    refine: bool,
) -> State:
    """The state when every element has a verdict, or has used up all iterations."""

    def running(state):
        return tf.reduce_any(
            (state.status == RUNNING) & (state.iterations < max_iterations)
        )

    def iteration(state):
        direction, step = stepped(
            problem, cone, state.point, state.residual, refine
        )
        sound = tf.math.is_finite(direction.tau) & (step > _SHORTEST_STEP)
        running = state.status == RUNNING
        moves = running & tf.where(sound, True, False)
        step = tf.where(moves, step, tf.zeros_like(step))
        point = Iterate(
            *(
                part + tf.math.multiply_no_nan(change, step)
                for part, change in zip(state.point, direction, strict=True)
            )
        )
        terms = Terms.at(problem, point)
        residual = terms.residual(problem, point)
        status = verdict(problem, point, terms, residual, tolerance)
        status = tf.where(moves, status, Status.NUMERICAL_ERROR)
        status = tf.where(running, status, state.status)
        iterations = state.iterations + tf.cast(moves, tf.int32)
        return (State(point, residual, status, iterations),)

    (state,) = tf.while_loop(running, iteration, (state,))
    return state


def verdict(
    problem: Matrices,
    point: Iterate,
    terms: Terms,
    residual: Residual,
    tolerance: float,
) -> tf.Tensor:
    """`SOLVED`, a certificate, or `RUNNING`, `[B, 1]`: Clarabel's criteria (Goulart and
    Chen, section 3.3), in the largest norm."""
    tau = point.tau
    # Of three terms that nearly cancel, the two that are at hand give the size.
    primal = tf.maximum(_largest(point.s), tau * _largest(problem.b))
    dual = tf.maximum(_largest(terms.Px), tau * _largest(problem.q))
    quadratic = terms.xPx / tau
    gap = quadratic + terms.qx + terms.bz
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
    recedes = tf.maximum(_largest(terms.Px), _largest(terms.Ax + point.s))
    recedes = recedes < -_CERTAIN * terms.qx
    status = tf.where(recedes, Status.DUAL_INFEASIBLE, RUNNING)
    status = tf.where(separates, Status.PRIMAL_INFEASIBLE, status)
    return tf.where(solved, Status.SOLVED, status)


def _largest(vector: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.abs(vector), axis=1, keepdims=True)
