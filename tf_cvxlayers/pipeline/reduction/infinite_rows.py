"""One step of reduction: inequalities with an infinite bound are dropped.

`a'x <= inf`, from a constant vector of bounds with some infinite entries, is no
constraint: its row has slack inf and dual zero for all values. In the arithmetic of a
solve it would be NaN, so it goes before anything is computed from it. Whatever else is
added to an infinite constant, the row's bound stays infinite.

Any other infinite or undefined constant leaves a problem that no method solves, which
is known when the layer is made.
"""

import numpy as np

from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.linalg.patterns import LinearMap
from tf_cvxlayers.pipeline.reduction.dropped_rows import DroppedRows
from tf_cvxlayers.program.cone_program import ConeProgram

_WHERE = {
    "P": "in the quadratic part of the objective",
    "q": "in the linear part of the objective",
    "A": "as a coefficient of a constraint",
    "b": "as a constant of a constraint",
}


def infinite_rows(program: ConeProgram) -> DroppedRows | None:
    """The step for a program, None where it has no such rows.

    Raises:
        ProblemError: a constraint that an infinite constant makes impossible, or any
            other constant that is not finite.
    """
    bounds = _infinite_constants(program.maps.b)
    inequality = program.structure.are_inequalities(bounds)
    for row, is_inequality in zip(bounds, inequality, strict=True):
        _require_possible(program, row, is_inequality)
    _require_finite(program, allowed=bounds)
    return DroppedRows(program.structure, bounds) if bounds.size else None


def _infinite_constants(b: LinearMap) -> np.ndarray:
    """The rows of `b` that are infinite for all values, in order."""
    constant = b.columns == b.shape[1] - 1
    return b.rows[constant & np.isinf(b.values)]


def _require_possible(program: ConeProgram, row: int, is_inequality: bool) -> None:
    """Raise for an infinite constant other than a bound that nothing reaches."""
    b = program.maps.b
    constant = (b.rows == row) & (b.columns == b.shape[1] - 1)
    value = float(b.values[constant][0])
    if is_inequality and value > 0:
        return
    if is_inequality:
        received = "an inequality that says ... <= -inf, or ... >= inf"
    elif row < program.structure.cones.zero:
        received = f"an equality that says ... == {value}"
    else:
        received = f"{value} inside a constraint that is not linear"
    raise ProblemError(
        "Expected constraints that some value of the variables satisfies. "
        f"Received: {received}, in row {row} of the cone program. An infinite constant "
        "may only be a bound that nothing reaches: ... <= inf, or ... >= -inf."
    )


def _require_finite(program: ConeProgram, allowed: np.ndarray) -> None:
    """Raise for any other constant that is infinite or NaN."""
    for name, linear_map in zip(_WHERE, program.maps, strict=True):
        wrong = ~np.isfinite(linear_map.values)
        if name == "b":
            constant = linear_map.columns == linear_map.shape[1] - 1
            wrong &= ~(constant & np.isin(linear_map.rows, allowed))
        if wrong.any():
            value = linear_map.values[wrong][0]
            raise ProblemError(
                "Expected a problem with finite constants. "
                f"Received: {value} {_WHERE[name]}."
            )
