"""Variables of epigraphs that cost nothing, each with the row that holds it.

CVXPY writes `|u| <= c` with a variable `t` of its own: `u <= t`, `-u <= t`, `t <= c`.
Where `t` costs nothing and one row alone bounds it from one side, it may be moved until
that row is tight, whatever else is a solution. So the row defines it, as an equality
does, and the step of `elimination` leaves `u <= c`, `-u <= c`: what Fourier and Motzkin
make of the three rows (Dantzig and Eaves, "Fourier-Motzkin elimination and its dual",
1973). As few rows as that are left only where one side has one row; with more on both
sides, rows that were independent would become dependent ones.

A cone holds such a variable as a row does where it may grow there by itself: the `t` of
`|u| <= t`, `t <= c` is `c`, or that of `X <= t I`.

The dual of the row follows from stationarity in `t`, as for an equality. It is
nonnegative, since the rows of the other side have the other sign there.
"""

import numpy as np

from tf_cvxlayers.optimality.cones.product import rows_in_cones
from tf_cvxlayers.pipeline.reduction.elimination import Elimination
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure


def epigraphs(structure: ConeStructure, data: ConeData) -> Elimination | None:
    """The step for a program, None where it has no such variables.

    Args:
        structure: of the program.
        data: its values as arrays, NaN where they depend on parameters.
    """
    pattern = structure.A
    candidates = _candidates(structure, data)
    (entries,) = np.nonzero(candidates[pattern.columns])
    columns, above = pattern.columns[entries], data.A[entries] > 0
    rows_above, rows_below = (
        np.bincount(columns[side], minlength=structure.n) for side in (above, ~above)
    )
    on_both = (rows_above > 0) & (rows_below > 0)
    length = np.bincount(pattern.rows, minlength=structure.m)
    R: list[int] = []
    E: list[int] = []
    g: list[float] = []
    in_use = np.zeros(structure.m, bool)
    for column in np.flatnonzero(on_both & (np.minimum(rows_above, rows_below) == 1)):
        own = slice(*structure.A.indptr[column : column + 2])
        rows, values = pattern.rows[own], data.A[own]
        # No row defines two, nor does one that is held occur in a row that holds.
        if in_use[rows].any():
            continue
        alone = [
            place
            for side in (values > 0, values < 0)
            if (place := np.flatnonzero(side)).size == 1
            and structure.are_inequalities(rows[place])
        ]
        if not alone:
            continue
        (row,) = min(alone, key=lambda place: length[rows[place[0]]])
        others = rows.size - 1
        if others * (length[rows[row]] - 2) > length[rows[row]]:
            continue
        in_use[rows] = True
        R.append(rows[row])
        E.append(int(column))
        g.append(values[row])
    if not R:
        return None
    return Elimination(structure, np.array(R), np.array(E), np.array(g))


def _candidates(structure: ConeStructure, data: ConeData) -> np.ndarray:
    """Which variables cost nothing and have constants only, in inequalities and where
    a cone may grow."""
    constant = np.isfinite(data.A) & (data.A != 0.0)
    rows = structure.A.rows
    growing = rows_in_cones(structure.cones, lambda cone: cone.increasing_rows)
    fine = constant & (structure.are_inequalities(rows) | np.isin(rows, growing))
    suits = data.q == 0.0
    suits[structure.P.rows] = suits[structure.P.columns] = False
    suits[structure.A.columns[~fine]] = False
    return suits
