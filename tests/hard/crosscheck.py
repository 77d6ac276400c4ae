"""The truth checked twice: the answer against Clarabel, for elements that Clarabel can
solve as they are, and the gradient against differences to a hundred digits."""

import clarabel
import numpy as np
import scipy.sparse as sp

from tests.hard import fixed_point as fp
from tests.hard.element import Element
from tests.hard.truth import exact_data, solution
from tf_cvxlayers.program.cone_program import ConeData
from tf_cvxlayers.program.cones import (
    EXPONENTIAL,
    NONNEGATIVE,
    POWER,
    PSD,
    SECOND_ORDER,
    ZERO,
    svec_indices,
)

_CONES = {
    ZERO: lambda cone: clarabel.ZeroConeT(cone.rows),
    NONNEGATIVE: lambda cone: clarabel.NonnegativeConeT(cone.rows),
    SECOND_ORDER: lambda cone: clarabel.SecondOrderConeT(cone.rows),
    PSD: lambda cone: clarabel.PSDTriangleConeT(int(cone.parameter)),
    EXPONENTIAL: lambda cone: clarabel.ExponentialConeT(),
    POWER: lambda cone: clarabel.PowerConeT(cone.parameter),
}


def clarabel_solution(element: Element) -> tuple[str, np.ndarray]:
    """Clarabel's status, and its `x` in easy coordinates where there are some."""
    P, q, A, b = element.data
    order = _rows(element.cones)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = 1e-11
    solver = clarabel.DefaultSolver(
        sp.csc_matrix(np.triu(P)),
        q,
        sp.csc_matrix(A[order]),
        b[order],
        [_CONES[cone.kind](cone) for cone in element.cones.blocks],
        settings,
    )
    found = solver.solve()
    x = np.array(found.x)
    return str(found.status), x if element.place is None else element.place.point(x)


def words(elements: list[Element]) -> str:
    """A summary: the largest differences, and Clarabel's statuses."""
    pairs = [clarabel_solution(element) for element in elements]
    statuses = sorted({status for status, _ in pairs})
    errors = [
        np.abs(x - element.truth.x).max() / max(1.0, np.abs(element.truth.x).max())
        for element, (status, x) in zip(elements, pairs, strict=True)
        if element.truth is not None and "Solved" in status
    ]
    largest = f"{max(errors):.0e}" if errors else "-"
    summary = f"Clarabel: {', '.join(statuses)}; largest difference {largest}"
    gradients = [difference(e) for e in elements if e.truth is not None]
    return summary + (f"; gradients {max(gradients):.0e}" if gradients else "")


def difference(element: Element) -> float:
    """The relative error of the gradient along a random direction in all data."""
    instance, place, known = element.instance, element.place, element.truth
    exact = exact_data(instance, place, element.data)
    t, rng = fp.fixed(place.translation), np.random.default_rng(0)
    along = [rng.normal(size=part.shape) for part in exact]
    # In proportion to the data, so that no part hides the others.
    along = [d * fp.floats(abs(part)) for d, part in zip(along, exact, strict=True)]
    along[0] = 0.5 * (along[0] + along[0].T)
    ends = []
    for step in (1e-25, -1e-25):
        moved = [
            part + fp.times(fp.fixed(d), fp.fixed(step).item())
            for part, d in zip(exact, along, strict=True)
        ]
        ends.append(solution(instance, ConeData(*moved), t))
    change = fp.dot(fp.fixed(element.w), ends[0] - ends[1])
    slope = fp.floats(fp.over(change, fp.fixed(2e-25).item())).item()
    parts = [np.sum(g * d) for g, d in zip(known.gradient, along, strict=True)]
    return abs(sum(parts) - slope) / max(map(abs, parts))


def _rows(dims):
    """Clarabel packs the upper triangle column by column, we the lower one."""
    order, start = [], 0
    for cone in dims.blocks:
        local = np.arange(cone.rows)
        if cone.kind == PSD:
            rows, columns, _ = svec_indices(int(cone.parameter))
            local = np.lexsort((columns, rows))
        order.append(start + local)
        start += cone.rows
    return np.concatenate(order)
