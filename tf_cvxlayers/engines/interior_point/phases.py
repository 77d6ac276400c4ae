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
from tf_cvxlayers.linalg.vectors import largest
from tf_cvxlayers.optimality.matrices import Matrices
from tf_cvxlayers.optimality.refinement import refined_densely
from tf_cvxlayers.program.cone_program import ConeSolution
from tf_cvxlayers.program.cones import ConeDims

# The accuracy of the iterates from which Newton's method takes over.
_HANDOVERS = 1e-3, 1e-6

# By what the iteration ends with where Newton's method does not settle. No element
# waits in the last phase.
_STATUS = {
    Verdict.RUNNING: Status.ITERATION_LIMIT,
    Verdict.WAITING: Status.ITERATION_LIMIT,
    Verdict.LOST: Status.NUMERICAL_ERROR,
    Verdict.DUAL_INFEASIBLE: Status.DUAL_INFEASIBLE,
    Verdict.PRIMAL_INFEASIBLE: Status.PRIMAL_INFEASIBLE,
    Verdict.SOLVED: Status.INACCURATE,
    Verdict.STUCK: Status.NUMERICAL_ERROR,
}


class _Progress(NamedTuple):
    """The batch between two phases.

    Attributes:
        state: of the iteration.
        found: the solutions so far; `status` and `iterations` are `[B, 1]` here.
        done: bool `[B, 1]`, which elements need no further phase.
        settled: bool `[B, 1]`, which of them are solutions.
    """

    state: State
    found: ConeSolution
    done: tf.Tensor
    settled: tf.Tensor

    @classmethod
    def before(cls, state: State) -> "_Progress":
        """The progress before the first phase."""
        none = state.verdict[:, 0]
        no = tf.zeros_like(none, tf.bool)
        found = ConeSolution(*_divided(state.point, no), none, none)
        return cls(state, found, no, no)

    def restarted(self) -> State:
        """The state from which elements that are not done go on."""
        finished = tf.expand_dims(tf.cast(self.done, tf.int32), 1)
        return self.state._replace(verdict=self.state.verdict * finished)

    def after(
        self, state: State, point: ConeSolution, settled: tf.Tensor
    ) -> "_Progress":
        """The progress after a phase that came to this point, which is settled or not:
        bool `[B]`."""
        settled = tf.expand_dims(settled, 1)
        certified = _is_certified(point.status) & tf.logical_not(settled)
        certificate = _divided(state.point, certified)
        new = point.at(
            *(
                tf.where(certified, *pair)
                for pair in zip(certificate, point[:3], strict=True)
            )
        )
        pairs = zip(self.found, new, strict=True)
        found = ConeSolution(*(tf.where(self.done, *pair) for pair in pairs))
        return _Progress(
            state, found, self.done | certified | settled, self.settled | settled
        )


def solved_in_phases(
    dims: ConeDims,
    matrices: Matrices,
    thoroughly: tf.Tensor | bool,
    tolerance: float,
    max_iterations: int,
) -> ConeSolution:
    """The solutions of programs whose equalities, if any, are rows without a slack.

    Args:
        dims: their cones, equal ones next to each other.
        matrices: their data.
        thoroughly: see `refinement`.
        tolerance: to which the last phase iterates.
        max_iterations: of all phases together, for each element.
    """
    cone, embedding = EmbeddingCone.of(dims), Embedding.of(matrices)
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
        none = tf.zeros_like(verdict, tf.bool)
        point = _divided(state.point, none)
        point, settled, _ = refined_densely(dims, matrices, point, thoroughly)
        found = ConeSolution(*point, verdict, iterations)
        return k + 1, progress.after(state, found, settled)

    _, progress = tf.while_loop(
        lambda _, progress: ~tf.reduce_all(progress.done),
        phase,
        (tf.constant(0), _Progress.before(started(embedding, cone))),
        maximum_iterations=len(_HANDOVERS) + 1,
    )
    found = progress.found
    status = tf.gather([_STATUS[verdict] for verdict in Verdict], found.status[:, 0])
    status = tf.where(progress.settled[:, 0], Status.SOLVED, status)
    return found._replace(status=status, iterations=found.iterations[:, 0])


def _is_certified(verdict: tf.Tensor) -> tf.Tensor:
    dual = verdict == Verdict.DUAL_INFEASIBLE
    return dual | (verdict == Verdict.PRIMAL_INFEASIBLE)


def _divided(
    point: Iterate, certified: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """`(x, z, s) / tau`, vectors `[B, size]`; and for certificates, bool `[B, 1]`,
    divided by their size, since `tau` vanishes there."""
    x, z, s = point.x[:, 0], point.z[:, 0, 1:], point.s[:, 0, 1:]
    size = tf.where(certified, tf.expand_dims(largest(x, z), 1), point.tau[:, :, 0])
    return x / size, z / size, s / size
