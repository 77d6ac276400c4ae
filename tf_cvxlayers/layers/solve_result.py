"""What `layer.solve` returns."""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_cvxlayers.layers.scales import words_of
from tf_cvxlayers.pipeline.pipeline import Measured, Pipeline


class _Fields(NamedTuple):
    variables: Any
    status: tf.Tensor
    iterations: tf.Tensor
    primal_residual: tf.Tensor
    dual_residual: tf.Tensor
    gap: tf.Tensor
    margin: tf.Tensor


class SolveResult(_Fields):
    """What `layer.solve` returns: a tuple, with `str(result)` in words.

    The words say how many elements ended with which status; and of the first one that
    is neither solved nor proven to have no solution, which of its numbers are far
    apart, where they are, which parameters they belong to, and what to do. In a graph
    there are none.

    Attributes:
        variables: as the call returns them; NaN for elements without a solution.
        status: int32 `[...]`, `int(Status.X)` for each batch element.
        iterations: int32 `[...]`, of the solver.
        primal_residual, dual_residual, gap: float64 `[...]`, relative.
        margin: float64 `[...]`, how far the solution is from a kink, where it has no
            derivative since a constraint is on neither of its sides, active and
            inactive. In units in which one is typical; what is small, 1e-6 say, is as
            good as a kink. NaN for elements without a solution, infinite where there
            are no inequalities. (`optimality.margin`; a call does not compute it.)
    """

    words: str = ""

    @classmethod
    def of(
        cls,
        variables: Any,
        measured: Measured,
        pipeline: Pipeline,
        values: list[tf.Tensor],
    ) -> "SolveResult":
        """The result of a solve by a pipeline at these parameters."""
        solved = measured.solved
        result = cls(
            variables,
            solved.status,
            solved.iterations,
            *solved.residuals,
            measured.margin,
        )
        if tf.executing_eagerly():
            result.words = words_of(pipeline, values, solved.status.numpy())
        return result

    def __str__(self) -> str:
        return self.words or repr(self)
