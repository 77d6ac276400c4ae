"""From the iteration to Newton's method and, where that does not converge, back.

Newton's method on the optimality conditions (`optimality.refinement`) finishes to
rounding in a few steps where an interior-point iteration has come near enough, and that
is long before the tolerance. So the iteration hands over early; what does not converge
goes on to the next handover, and last to the tolerance that was asked for.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.interior_point.cones.product import EmbeddingCone
from tf_cvxlayers.engines.interior_point.embedding import Embedding, Iterate
from tf_cvxlayers.engines.interior_point.loop import State, iterated, started
from tf_cvxlayers.engines.interior_point.newton_system import Refinement
from tf_cvxlayers.engines.interior_point.verdicts import Verdict
from tf_cvxlayers.errors import Status
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.optimality.refinement import dense_direction, refined
from tf_cvxlayers.program.cone_program import ConeSolution
from tf_cvxlayers.program.cones import ConeDims

# The accuracy of the iterates from which Newton's method takes over.
_HANDOVERS = 1e-3, 1e-6
_CONVERGED = 1e-12

# By what the iteration ends with. No element waits in the last phase.
_STATUS = {
    Verdict.RUNNING: Status.ITERATION_LIMIT,
    Verdict.WAITING: Status.ITERATION_LIMIT,
    Verdict.LOST: Status.NUMERICAL_ERROR,
    Verdict.DUAL_INFEASIBLE: Status.DUAL_INFEASIBLE,
    Verdict.PRIMAL_INFEASIBLE: Status.PRIMAL_INFEASIBLE,
    Verdict.SOLVED: Status.SOLVED,
    Verdict.STUCK: Status.NUMERICAL_ERROR,
}


class _Progress(NamedTuple):
    """The batch between two phases.

    Attributes:
        state: of the iteration.
        found: the solutions so far; `status` and `iterations` are `[B, 1]` here.
        done: bool `[B, 1]`, which elements need no further phase.
    """

    state: State
    found: ConeSolution
    done: tf.Tensor

    @classmethod
    def before(cls, state: State) -> "_Progress":
        """The progress before the first phase."""
        none = state.verdict[:, 0]
        found = ConeSolution(*_divided(state.point), none, none)
        return cls(state, found, tf.zeros_like(none, tf.bool))

    def restarted(self) -> State:
        """The state from which elements that are not done go on."""
        finished = tf.cast(self.done, tf.int32)[:, None]
        return self.state._replace(verdict=self.state.verdict * finished)

    def after(
        self, state: State, point: ConeSolution, residual: tf.Tensor
    ) -> "_Progress":
        """The progress after a phase that came to this point, `residual [B]`."""
        verdict = point.status
        certified = (verdict == Verdict.DUAL_INFEASIBLE) | (
            verdict == Verdict.PRIMAL_INFEASIBLE
        )
        converged = tf.where(residual[:, None] <= _CONVERGED, True, False)
        pairs = zip(self.found, point, strict=True)
        found = ConeSolution(*(tf.where(self.done, *pair) for pair in pairs))
        return _Progress(state, found, self.done | certified | converged)


def solved_in_phases(
    dims: ConeDims, matrices: Matrices, tolerance: float, max_iterations: int
) -> ConeSolution:
    """The solutions of programs without equalities.

    Args:
        dims: their cones, equal ones next to each other.
        matrices: their data.
        tolerance: to which the last phase iterates.
        max_iterations: of all phases together, for each element.
    """
    cone, embedding = EmbeddingCone.of(dims), Embedding.of(matrices)
    direction = dense_direction(dims, matrices)
    tolerances = tf.constant([*_HANDOVERS, tolerance], tf.float64)

    def phase(k, progress):
        state = iterated(
            embedding,
            cone,
            progress.restarted(),
            tf.gather(tolerances, k),
            max_iterations,
            Refinement.of(k > 0),
        )
        verdict, iterations = state.verdict[:, 0], state.iterations[:, 0]
        point = ConeSolution(*_divided(state.point), verdict, iterations)
        point, residual = refined(dims, matrices, point, direction)
        return k + 1, progress.after(state, point, residual)

    _, progress = tf.while_loop(
        lambda _, progress: ~tf.reduce_all(progress.done),
        phase,
        (tf.constant(0), _Progress.before(started(embedding, cone))),
        maximum_iterations=len(_HANDOVERS) + 1,
    )
    found = progress.found
    status = tf.gather([_STATUS[verdict] for verdict in Verdict], found.status[:, 0])
    return found._replace(status=status, iterations=found.iterations[:, 0])


def _divided(point: Iterate) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """`(x, z, s) / tau`, vectors `[B, size]`."""
    tau = point.tau[:, :, 0]
    x, z, s = (part[:, 0] for part in point)
    return x / tau, z[:, 1:] / tau, s[:, 1:] / tau
