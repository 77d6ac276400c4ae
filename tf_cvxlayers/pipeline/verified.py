"""An engine's solution, verified; and solved again where that fails.

An element that is not solved to rounding, nor proven to have no solution, is solved
again as it is seen from the point that was found, in units of what is left there (see
`viewpoint`, `units`). That is Newton's method for the program as a whole: what one
round misses by rounding, the next one sees enlarged. Only the elements that need it are
solved again.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.batch_axis import dynamic_batch_size
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.certificates import is_infeasible, proven_status
from tf_cvxlayers.optimality.matrices import sparse_matrices
from tf_cvxlayers.optimality.residuals import Residuals, residuals
from tf_cvxlayers.pipeline.closer import seen_closer
from tf_cvxlayers.pipeline.equilibration import by_means
from tf_cvxlayers.pipeline.units import Units, units_of
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.runtime.rarely import rarely
from tf_cvxlayers.runtime.xla import compiled_by_xla

# A point whose relative residual is above this is no solution at all.
_USABLE = 1e-5
# One above this is not solved, in whatever coordinates it is.
_SOLVED = 1e-7
# How often an element is solved again.
_ROUNDS = 3
# A point misses more than another one if it does so by this factor, and by more than
# rounding.
_WORSE, _ROUNDING = 10.0, 1e-12
# A solution further from the origin than this, in units of its slacks, is not seen well
# enough from there.
_FAR = 1e5


def solved_and_verified(
    engine: Engine,
    structure: ConeStructure,
    data: ConeData,
    rounding: float,
    again: bool,
) -> tuple[ConeSolution, Residuals, Units]:
    """The solutions of a batch, their residuals, and the units that these are in.

    Args:
        engine: what solves them.
        structure, data: the programs.
        rounding: that of the input, relative to the numbers in `q` and `b`.
        again: whether what is open is solved again.
    """
    batch = dynamic_batch_size(data)
    data = data._replace(q=_for_each(data.q, batch), b=_for_each(data.b, batch))
    units = units_of(structure, data)
    scaled = units.data(data)
    if again:
        # One function, traced once, for the first solve and for those after it.
        solve = _SolveOnce(engine, structure)
        found = _seen_well(solve(tf.constant(False), scaled))
        found = _solved_again(solve, structure, scaled, rounding, found)
    else:
        found = _seen_well(engine.solve(structure, scaled))
    residual = residuals(sparse_matrices(structure, scaled), *found[:3])
    found = judged(found, residual.largest(), rounding)
    return units.original(found), residual, units


def adjoint_in_units(
    engine: Engine,
    structure: ConeStructure,
    units: Units,
    data: ConeData,
    solution: ConeSolution,
    cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
) -> ConeData:
    """The engine's gradient with respect to the data, for that with respect to
    `(x, y, s)`: all of them in the program's own units, the engine's work in others."""
    gradient = engine.adjoint(
        structure,
        units.data(data),
        units.inside(solution),
        units.cotangent(cotangent),
    )
    return units.gradient(gradient, data)


def _for_each(values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Values `[1 or B, k]` as `[B, k]`."""
    return tf.broadcast_to(values, [batch, values.shape[1]])


class _SolveOnce:
    """An engine's `solve`, traced once for data of which the batch shares the same
    parts: seen closer, each element may have its own where all had one before."""

    def __init__(self, engine: Engine, structure: ConeStructure):
        self._engine, self._structure = engine, structure
        self._traced: dict[tuple[bool, ...], Callable[..., Sequence[tf.Tensor]]] = {}

    def __call__(self, thoroughly: tf.Tensor, data: ConeData) -> ConeSolution:
        if tf.executing_eagerly() or compiled_by_xla():
            return self._engine.solve(self._structure, data, thoroughly)
        shared = tuple(part.shape[0] == 1 for part in data)
        if shared not in self._traced:
            self._traced[shared] = self._function(shared, data)
        return ConeSolution(*self._traced[shared](thoroughly, *data))

    def _function(self, shared: tuple[bool, ...], data: ConeData):
        def solve(thoroughly, *data):
            return tuple(
                self._engine.solve(self._structure, ConeData(*data), thoroughly)
            )

        of_data = [
            tf.TensorSpec([1 if one else None, part.shape[1]], part.dtype)
            for one, part in zip(shared, data, strict=True)
        ]
        signature = [tf.TensorSpec([], tf.bool), *of_data]
        return tf.function(
            solve, input_signature=signature, autograph=False
        ).get_concrete_function()


def _seen_well(found: ConeSolution) -> ConeSolution:
    """The solution, with those that are far from the origin not called solved."""
    x, slack = largest(found.x), largest(found.s)
    far = (slack > 0) & (x > _FAR * slack) & (found.status == Status.SOLVED)
    return found._replace(status=tf.where(far, Status.INACCURATE, found.status))


def _is_open(status: tf.Tensor) -> tf.Tensor:
    return (status != Status.SOLVED) & tf.logical_not(is_infeasible(status))


def _unproven(found: ConeSolution) -> ConeSolution:
    """The solution, with what is said to have none open."""
    claims = is_infeasible(found.status)
    status = tf.where(claims, Status.NUMERICAL_ERROR, found.status)
    return found._replace(status=status)


def _solved_again(
    solve: _SolveOnce,
    structure: ConeStructure,
    data: ConeData,
    rounding: float,
    first: ConeSolution,
) -> ConeSolution:
    """The solution with those elements that are open solved again, seen closer.

    Those that are said to have no solution are among them: a certificate is verified in
    units that make it one.
    """
    first = _unproven(first)

    def in_other_units():
        # In which nothing depends on the units that the program was given in.
        units = units_of(structure, data, by_means)
        scaled = units.data(data)
        left = scaled._replace(
            q=rounding * tf.abs(scaled.q), b=rounding * tf.abs(scaled.b)
        )
        found = _in_rounds(solve, structure, scaled, left, units.inside(first))
        return units.original(found)

    some = tf.reduce_any(_is_open(first.status))
    return rarely(some, in_other_units, lambda: first)


def _in_rounds(
    solve: _SolveOnce,
    structure: ConeStructure,
    data: ConeData,
    rounding: ConeData,
    first: ConeSolution,
) -> ConeSolution:
    def needed(_k, solution):
        return tf.reduce_any(_is_open(solution.status))

    def again(k, solution):
        which = tf.where(_is_open(solution.status))[:, 0]
        if compiled_by_xla() or solution.status.shape[0] == 1:
            # All of them, where shapes are to stay as they are.
            which = tf.range(tf.shape(solution.status)[0])

        def chosen(values):
            return values if values.shape[0] == 1 else tf.gather(values, which)

        before = ConeSolution(*map(chosen, solution))
        own, left = (ConeData(*map(chosen, part)) for part in (data, rounding))
        missed = _missed(structure, own, before)
        usable = missed < float("inf")
        closer = seen_closer(structure, own, before, usable, left.b, k)
        left = closer.rounding(left)
        new = _seen_well(solve(k > 0, closer.data))
        status = proven_status(structure, closer.exactly(), left, new)
        misled = (status == Status.SOLVED) & ~closer.holds(new)
        status = tf.where(misled, Status.INACCURATE, status)
        new = closer.original(new)._replace(status=status)
        # A point that is nearly a solution is not given up for one that is less so.
        misses = _missed(structure, own, new)
        nearer = misses <= tf.maximum(_WORSE * missed, _ROUNDING)
        moves = _is_open(before.status) & (nearer | ~_is_open(new.status))
        parts = zip(solution, before, new, strict=True)
        return k + 1, ConeSolution(*(_put(which, moves, *part) for part in parts))

    _, solution = tf.while_loop(needed, again, (0, first), maximum_iterations=_ROUNDS)
    return solution


def _missed(structure: ConeStructure, data: ConeData, found: ConeSolution) -> tf.Tensor:
    """The largest relative residual of each solution, `[B]`; infinite without one.

    A point is nearly a solution if it misses little, whatever stopped the solver.
    """
    missed = residuals(sparse_matrices(structure, data), *found[:3]).largest()
    has_point = (found.status <= Status.INACCURATE) | (missed <= _USABLE)
    return tf.where(has_point, missed, tf.constant(float("inf"), missed.dtype))


def _put(
    which: tf.Tensor,
    moves: tf.Tensor,
    values: tf.Tensor,
    before: tf.Tensor,
    new: tf.Tensor,
) -> tf.Tensor:
    """The values with new ones for those of the elements `which` that move."""
    if 0 in values.shape[1:]:
        return values
    moves = tf.reshape(moves, [-1] + [1] * (new.shape.rank - 1))
    return tf.tensor_scatter_nd_update(
        values, tf.expand_dims(which, 1), tf.where(moves, new, before)
    )


def judged(
    solution: ConeSolution, residual: tf.Tensor, rounding: float
) -> ConeSolution:
    """The solution with statuses that its residuals bear out; zeros for elements that
    have none.

    A solver's word is not proof: what it calls solved is so if its residuals say it
    too; a point that is nearly one is inaccurate, whatever stopped the solver.

    Args:
        solution: whose certificates are proven.
        residual: the largest of its relative residuals, `[B]`.
        rounding: that of the input.
    """
    claimed = solution.status
    stopped = (claimed == Status.ITERATION_LIMIT) | is_infeasible(claimed)
    failure = tf.where(stopped, claimed, Status.NUMERICAL_ERROR)
    usable = tf.where(residual <= _USABLE, True, False)
    status = tf.where(usable, Status.INACCURATE, failure)
    solved = (claimed == Status.SOLVED) & (residual <= max(_SOLVED, rounding))
    status = tf.where(solved | is_infeasible(claimed), claimed, status)
    has_point = tf.expand_dims(status <= Status.INACCURATE, 1)
    point = [tf.where(has_point, part, tf.zeros_like(part)) for part in solution[:3]]
    return solution.at(*point)._replace(status=status)
