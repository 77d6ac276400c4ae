"""One step of reduction: rows that say nothing are dropped.

When variables have been substituted, rows without any may be left: `0 <= b`, or
`0 = b`. Where b depends on a parameter the row decides whether there is a solution, and
stays. Where it is a constant, it is known now: the row holds and is dropped, with dual
zero and slack b, or the problem has no solution for any parameter.
"""

import numpy as np

from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.pipeline.reduction.dropped_rows import DroppedRows
from tf_cvxlayers.program.cone_program import ConeStructure

# Relative to the largest constant, what rounding may leave where zero is meant.
_ROUNDING = 1e-9


def empty_rows(
    structure: ConeStructure, A: np.ndarray, b: np.ndarray
) -> DroppedRows | None:
    """The step for a program, None where it has no such rows.

    Args:
        structure: of the program.
        A, b: its values, NaN where they depend on parameters.

    Raises:
        ProblemError: a row that no value of the variables satisfies.
    """
    cones = structure.cones
    linear = np.arange(structure.m) < cones.zero + cones.nonnegative
    used = np.isin(np.arange(structure.m), structure.A.rows[A != 0.0])
    rows = np.flatnonzero(linear & ~used & np.isfinite(b))
    if not rows.size:
        return None
    known = b[np.isfinite(b)]
    rounding = _ROUNDING * max(1.0, np.abs(known).max())
    for row in rows:
        equality = row < cones.zero
        if b[row] < -rounding or (equality and b[row] > rounding):
            sign = "==" if equality else "<="
            raise ProblemError(
                "Expected constraints that some value of the variables satisfies. "
                f"Received: one that says 0 {sign} {b[row]:.6g} for every value of the "
                "parameters, when what equalities define has been substituted. Remove "
                "it, change its constants, or make one of them a parameter."
            )
    return DroppedRows(structure, rows)
