"""The one gradient rule that is written by hand: that of a solution by its data.

It is a function of tensors: the data, and the solution. So it may run twice, later,
elsewhere, or in a loaded model.
"""

from typing import NamedTuple, TypeGuard

import tensorflow as tf

from tf_cvxlayers.engines.base import AtOnce, Engine
from tf_cvxlayers.optimality.residuals import Residuals
from tf_cvxlayers.pipeline.at_once import adjoint_at_once, solved_at_once
from tf_cvxlayers.pipeline.units import Units, units_of
from tf_cvxlayers.pipeline.verified import adjoint_in_units, solved_and_verified
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.runtime.xla import compiled_by_xla


class SolvedProgram(NamedTuple):
    """A batch of cone programs with their solutions: what the rule needs.

    Attributes:
        data: the programs, `[1 or B, size]` each.
        solution: in their own units.
        units: those in which they were solved, and are differentiated; none where an
            engine has units of its own.
    """

    data: ConeData
    solution: ConeSolution
    units: Units | tuple[()]

    def gradient(
        self,
        engine: Engine,
        structure: ConeStructure,
        cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> ConeData:
        """The gradient with respect to the data, for that with respect to `(x, y, s)`:
        the adjoint of the derivative, by the engine."""
        data = self.data
        if _is_at_once(engine):
            return adjoint_at_once(engine, structure, data, self.solution, cotangent)
        units = self.units or units_of(structure, data)
        return adjoint_in_units(
            engine, structure, units, data, self.solution, cotangent
        )


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
    if _is_at_once(engine):
        found, residual = solved_at_once(engine, structure, data, rounding)
        return SolvedProgram(data, found, ()), residual
    solution, residual, units = solved_and_verified(
        engine, structure, data, rounding, again
    )
    return SolvedProgram(data, solution, units), residual


def _is_at_once(engine: Engine) -> TypeGuard[AtOnce]:
    return isinstance(engine, AtOnce) and not compiled_by_xla()
