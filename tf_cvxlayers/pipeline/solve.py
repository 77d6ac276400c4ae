"""The cone solve, with the one gradient rule that is written by hand, and its verdict.

The rule is a function of tensors: the data and the solution. So it may run twice,
later, elsewhere, or in a loaded model.
"""

import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.optimality.residuals import Residuals
from tf_cvxlayers.pipeline.verified import solved_and_verified
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.runtime.differentiation import forward_mode_watches

_ONCE = (
    "tf_cvxlayers layers can be differentiated once, in reverse mode. Second "
    "derivatives and forward mode (tf.autodiff.ForwardAccumulator) of the solution of "
    "an optimization problem are not implemented. For a Hessian-vector product, take "
    "differences of gradients at two nearby points."
)


def solve_cone_program(
    engine: Engine,
    structure: ConeStructure,
    data: ConeData,
    rounding: float = 1e-10,
    again: bool = True,
) -> tuple[ConeSolution, Residuals]:
    """The engine's solution, with the engine's adjoint as its gradient.

    What the backward pass needs is tensors: the data and `(x, y, s)`. So it may run
    twice, later, elsewhere, or in a loaded model. Both directions are in the units of
    `pipeline.units`. The residuals report, and have no gradient.

    Args:
        engine: what solves and differentiates.
        structure, data: the programs.
        rounding: of the numbers in `q` and `b`, relative to them.
        again: whether what is not settled is solved again (`pipeline.verified`).
    """
    if forward_mode_watches(data):
        # Inside a graph it would give zeros without a word.
        raise NotImplementedError(_ONCE)

    @tf.custom_gradient
    def solve_and_adjoint(*data):
        data = ConeData(*data)
        # Without it TensorFlow prepares derivatives of the loops and functions inside.
        solution, residual, units = solved_and_verified(
            engine, structure, ConeData(*map(tf.stop_gradient, data)), rounding, again
        )

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


def _refuse(*_cotangent):
    raise NotImplementedError(_ONCE)
