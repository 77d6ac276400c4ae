"""The cone solve, with the one gradient rule that is written by hand, and its verdict.

The rule is a function of tensors: the data and the solution. So it may run twice,
later, elsewhere, or in a loaded model.
"""

import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.errors import Status
from tf_cvxlayers.optimality.matrices import sparse_matrices
from tf_cvxlayers.optimality.residuals import Residuals, residuals
from tf_cvxlayers.pipeline.units import units_of
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.runtime.differentiation import forward_mode_watches

# A point whose relative residual is above this is no solution at all.
_USABLE = 1e-5
_ONCE = (
    "tf_cvxlayers layers can be differentiated once, in reverse mode. Second "
    "derivatives and forward mode (tf.autodiff.ForwardAccumulator) of the solution of "
    "an optimization problem are not implemented. For a Hessian-vector product, take "
    "differences of gradients at two nearby points."
)


def solve_cone_program(
    engine: Engine, structure: ConeStructure, data: ConeData
) -> tuple[ConeSolution, Residuals]:
    """The engine's solution, with the engine's adjoint as its gradient.

    What the backward pass needs is tensors: the data and `(x, y, s)`. So it may run
    twice, later, elsewhere, or in a loaded model. Both directions are in the units of
    `pipeline.units`. The residuals report, and have no gradient.
    """
    if forward_mode_watches(data):
        # Inside a graph it would give zeros without a word.
        raise NotImplementedError(_ONCE)

    @tf.custom_gradient
    def solve_and_adjoint(*data):
        data = ConeData(*data)
        units = units_of(data)
        scaled = units.data(data)
        found = engine.solve(structure, scaled)
        residual = residuals(sparse_matrices(structure, scaled), *found[:3])
        solution = units.original(judged(found, residual.largest(), engine.tolerance))

        def adjoint(*cotangent):
            # A nested rule, so that differentiating the adjoint meets a refusal;
            # TensorFlow would take the solution in it for a constant.
            @tf.custom_gradient
            def once(*tensors):
                data, point = ConeData(*tensors[:4]), solution.at(*tensors[4:7])
                gradient = engine.adjoint(
                    structure,
                    units.data(data),
                    units.inside(point),
                    units.cotangent(tensors[7:]),
                )
                return tuple(units.gradient(gradient, data)), _refuse

            given = [tf.convert_to_tensor(g) for g in cotangent[:3]]
            return once(*data, solution.x, solution.y, solution.s, *given)

        return (*solution, *residual), adjoint

    outputs = solve_and_adjoint(*data)
    return ConeSolution(*outputs[:5]), Residuals(*map(tf.stop_gradient, outputs[5:]))


def judged(
    solution: ConeSolution, residual: tf.Tensor, tolerance: float
) -> ConeSolution:
    """The solution with statuses that its residuals bear out.

    A solver's word is not proof. A point is solved if its residuals say so, whatever
    stopped the solver; without that it is inaccurate or a failure, whatever it claims.

    Args:
        solution: as an engine returned it.
        residual: the largest of its relative residuals, `[B]`.
        tolerance: of the engine.
    """
    claimed = solution.status
    infeasible = (claimed == Status.PRIMAL_INFEASIBLE) | (
        claimed == Status.DUAL_INFEASIBLE
    )
    stopped = claimed == Status.ITERATION_LIMIT
    failure = tf.where(infeasible | stopped, claimed, Status.NUMERICAL_ERROR)
    status = tf.where(residual <= _USABLE, Status.INACCURATE, failure)
    status = tf.where(residual <= 10.0 * tolerance, Status.SOLVED, status)
    status = tf.where(infeasible, claimed, status)
    solved = (status <= Status.INACCURATE)[:, None]
    point = [tf.where(solved, part, tf.zeros_like(part)) for part in solution[:3]]
    return solution.at(*point)._replace(status=status)


def _refuse(*_cotangent):
    raise NotImplementedError(_ONCE)
