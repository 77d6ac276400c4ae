"""One step of reduction: bounds that a curved cone implies are dropped.

`x >= 0` beside `entr(x)` says what the exponential cone of the latter says too. Where
both are active no multiplier is unique, and an entry of `exp(-100)` is active to all
that float64 can tell; without the row it has a derivative.
"""

import numpy as np

from tf_cvxlayers.optimality.cones.product import rows_in_cones
from tf_cvxlayers.pipeline.reduction.dropped_rows import DroppedRows
from tf_cvxlayers.program.cone_program import ConeStructure


def implied_rows(
    structure: ConeStructure, A: np.ndarray, b: np.ndarray
) -> DroppedRows | None:
    """The step for a program, None where it has no such rows.

    Args:
        structure: of the program.
        A, b: its values, NaN where they depend on parameters.
    """
    pattern = structure.A
    single = np.bincount(pattern.rows, minlength=structure.m) == 1
    (entries,) = np.nonzero(single[pattern.rows] & np.isfinite(A) & (A != 0.0))
    rows = pattern.rows[entries]
    entries = entries[np.isfinite(b[rows])]
    rows, columns = pattern.rows[entries], pattern.columns[entries]
    # A row says `x <= b / a`, or `x >= b / a`, as the sign of `a` is.
    limit, sign = b[rows] / A[entries], np.sign(A[entries])
    nonnegative = rows_in_cones(structure.cones, lambda cone: cone.nonnegative_rows)
    by_cone = np.isin(rows, nonnegative)
    is_bound = structure.are_inequalities(rows)
    least = np.full((2, structure.n), np.inf)
    side = (sign > 0).astype(int)
    np.minimum.at(least, (side[by_cone], columns[by_cone]), (sign * limit)[by_cone])
    implied = is_bound & (sign * limit >= least[side, columns])
    return DroppedRows(structure, np.sort(rows[implied])) if implied.any() else None
