"""The interior-point engine: everything in TensorFlow ops, the whole batch at once."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.interior_point.cones.table import INTERIOR_CONES
from tf_cvxlayers.engines.interior_point.null_space import solve_in_null_space
from tf_cvxlayers.engines.interior_point.phases import solved_in_phases
from tf_cvxlayers.linalg.dense_rows import DenseRows
from tf_cvxlayers.optimality import forms
from tf_cvxlayers.optimality.adjoint import direct_adjoint
from tf_cvxlayers.optimality.matrices import (
    Matrices,
    matrices_of,
)
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.runtime.chunks import in_chunks


@dataclasses.dataclass(frozen=True)
class InteriorPoint(Engine):
    """Solves the whole batch at once by an interior-point method in TensorFlow ops.

    Handles quadratic and linear objectives with every cone of the package: equalities,
    inequalities, second-order, PSD, exponential and power cones, in any product. Of up
    to a few hundred variables, for which dense matrices are the right ones, and of
    thousands where equalities and inequalities tie variables to near ones alone, as in
    chains, control, storage and total variation. Such matrices have a band, and are
    factored by cyclic reduction. No Python runs in it: a model that uses it is served
    by anything that runs TensorFlow.

    The homogeneous embedding (Goulart and Chen, "Clarabel", arXiv 2405.12762) is
    followed from a well-centred start by Mehrotra's predictor and corrector steps, with
    Nesterov-Todd scaling for symmetric cones and a primal-dual scaling for exponential
    and power cones; every element stops by itself and is not moved by its neighbours.
    Newton's method on the optimality conditions finishes to rounding.

    Args:
        tolerance: the relative residual up to which an element is iterated, where
            Newton's method does not get to the solution before.
        max_iterations: of the interior-point method, for each element.

    Raises:
        ArgumentError: a setting that is not one of these.

    Example:

    ```python
    engine = tf_cvxlayers.engines.InteriorPoint(max_iterations=100)
    layer = CvxpyLayer(problem, parameters=[x], variables=y, engine=engine)
    ```
    """

    name: ClassVar[str] = "interior_point"
    portable: ClassVar[bool] = True
    supports_jit: ClassVar[bool] = True

    tolerance: float = 1e-9
    max_iterations: int = 50

    def __post_init__(self) -> None:
        self.check_settings(self.tolerance, {"max_iterations": self.max_iterations})

    @property
    def cones(self) -> frozenset[str]:
        return frozenset({cones.ZERO, *INTERIOR_CONES})

    def milliseconds(self, structure: ConeStructure, batch: int) -> float:
        return forms.milliseconds(structure, batch)

    def bytes_needed(self, structure: ConeStructure) -> int:
        return 8 * forms.numbers(structure)

    def solve(
        self,
        structure: ConeStructure,
        data: ConeData,
        thoroughly: tf.Tensor | bool = False,
    ) -> ConeSolution:
        n, m = structure.n, structure.m
        widths = [tf.TensorSpec([size], tf.float64) for size in (n, m, m)]
        number = tf.TensorSpec([], tf.int32)
        found = in_chunks(
            lambda *data: self._solve_chunk(structure, ConeData(*data), thoroughly),
            data,
            [*widths, number, number],
            structure.P.size + structure.A.size,
        )
        return ConeSolution(*found)

    def _solve_chunk(
        self, structure: ConeStructure, data: ConeData, thoroughly: tf.Tensor | bool
    ) -> ConeSolution:
        # A diagonal objective may stay the diagonal that it is.
        matrices = matrices_of(structure, data, structure.P.is_diagonal)
        dims, order = structure.cones.with_equal_cones_together()
        in_order = np.array_equal(order, np.arange(order.size))
        if not in_order:
            matrices = _reordered(matrices, order)
        # A null space would fill a band.
        eliminates = dims.zero > 0 and not forms.has_band(structure)
        rest = dataclasses.replace(dims, zero=0) if eliminates else dims

        def solver(matrices: Matrices) -> tuple[tf.Tensor, ...]:
            return solved_in_phases(
                rest, matrices, thoroughly, self.tolerance, self.max_iterations
            )

        if eliminates:
            x, y, s, *verdict = solve_in_null_space(matrices, dims, solver)
        else:
            x, y, s, *verdict = solver(matrices)
        if not in_order:
            back = np.argsort(order)
            y, s = tf.gather(y, back, axis=1), tf.gather(s, back, axis=1)
        return ConeSolution(x, y, s, *verdict)

    def adjoint(
        self,
        structure: ConeStructure,
        data: ConeData,
        solution: ConeSolution,
        cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> ConeData:
        return direct_adjoint(structure, data, solution, cotangent)


def _reordered(matrices: Matrices, order: np.ndarray) -> Matrices:
    """The program with its rows in another order."""
    A = DenseRows(tf.gather(matrices.A.dense(), order, axis=1))
    return matrices._replace(A=A, b=tf.gather(matrices.b, order, axis=1))
