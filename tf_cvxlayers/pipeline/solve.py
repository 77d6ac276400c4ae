"""The one gradient rule that is written by hand: that of a solution by its data.

It is a function of tensors: the data, and the solution. So it may run twice, later,
elsewhere, or in a loaded model.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.optimality.residuals import Residuals
from tf_cvxlayers.pipeline.units import Units
from tf_cvxlayers.pipeline.verified import solved_and_verified
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure


class SolvedProgram(NamedTuple):
    """A batch of cone programs with their solutions: what the rule needs.

    Attributes:
        data: the programs, `[1 or B, size]` each.
        solution: in their own units.
        units: those in which they were solved, and are differentiated.
    """

    data: ConeData
    solution: ConeSolution
    units: Units

    def gradient(
        self,
        engine: Engine,
        structure: ConeStructure,
        cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> ConeData:
        """The gradient with respect to the data, for that with respect to `(x, y, s)`:
        the adjoint of the derivative, by the engine."""
        units, data = self.units, self.data
        gradient = engine.adjoint(
            structure,
            units.data(data),
            units.inside(self.solution),
            units.cotangent(cotangent),
        )
        return units.gradient(gradient, data)


def solve_cone_program(
    engine: Engine,
    structure: ConeStructure,
    data: ConeData,
    rounding: float = 1e-10,
    again: bool = True,
) -> tuple[SolvedProgram, Residuals]:
    """The engine's solutions, verified.

    Args:
        engine: what solves and differentiates.
        structure, data: the programs.
        rounding: of the numbers in `q` and `b`, relative to them.
        again: whether what is not settled is solved again (`pipeline.verified`).
    """
    solution, residual, units = solved_and_verified(
        engine, structure, data, rounding, again
    )
    return SolvedProgram(data, solution, units), residual
