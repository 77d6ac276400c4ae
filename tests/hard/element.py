"""One element of a batch: what is given to the solver, and what is known of it."""

import itertools
import zlib
from typing import NamedTuple

import numpy as np

from tests.hard.catalogue import FAMILIES, Feasible
from tests.hard.families import certificates
from tests.hard.instance import (
    Instance,
    with_close_calls,
    with_huge_bounds,
    with_parallel_rows,
    with_redundant_rows,
    with_short_equalities,
    with_thin_slab,
)
from tests.hard.placement import Placement, placement
from tests.hard.truth import Truth, truth
from tf_cvxlayers.errors import Status
from tf_cvxlayers.program.cone_program import ConeData
from tf_cvxlayers.program.cones import ConeDims

# How far float32 data may be from what they were rounded from, relatively.
FLOAT32 = float(np.finfo(np.float32).eps) / 2
CHANGES = {
    "parallel": with_parallel_rows,
    "close": with_close_calls,
    "huge": with_huge_bounds,
    "thin": with_thin_slab,
    "redundant": with_redundant_rows,
}


class Element(NamedTuple):
    """Attributes:
    data: float64, `P` and `A` as full matrices.
    status: what it should end with.
    w: the functional of the easy `x`; None where there is no solution, as below.
    """

    cones: ConeDims
    data: ConeData
    status: Status
    w: np.ndarray | None = None
    instance: Instance | None = None
    place: Placement | None = None
    truth: Truth | None = None


class Made(NamedTuple):
    """The elements of a family, and how many attempts were dropped."""

    elements: list[Element]
    dropped: int


def elements(family: str, variant: str, number: int, seed: int) -> Made:
    """That many elements. Those that are not smooth or not unique are replaced."""
    key = zlib.crc32(f"{family}/{variant}".encode())
    size_seed = zlib.crc32(family.encode())
    made: list[Element] = []
    for attempt in itertools.count():
        if len(made) == number:
            return Made(made, attempt - number)
        if attempt > 20 * number + 100:
            raise RuntimeError(f"{family}/{variant}: almost every attempt is dropped.")
        rng = np.random.default_rng([seed, key, attempt])
        shape = np.random.default_rng([seed, size_seed])
        try:
            made.append(_element(family, variant.split("+"), rng, shape))
        except (ArithmeticError, np.linalg.LinAlgError):
            continue
    raise AssertionError("unreachable")


def _element(family, kinds, rng, shape) -> Element:
    row = FAMILIES[family]
    if not isinstance(row, Feasible):
        data = row.make(row.kind, rng, kinds)
        wanted = (
            Status.PRIMAL_INFEASIBLE
            if row.make is certificates.infeasible
            else Status.DUAL_INFEASIBLE
        )
        return Element(certificates.dims_of(row.kind), data, wanted)
    instance = row.make(rng, shape)
    if "float32" in kinds:
        instance = with_short_equalities(instance)
    for kind, change in CHANGES.items():
        if kind in kinds:
            instance = change(instance, rng)
    place = placement(instance, kinds, rng)
    data = place.given(instance)
    if "float32" in kinds:
        data = ConeData(*(p.astype(np.float32).astype(np.float64) for p in data))
    w = rng.normal(size=len(instance.x))
    found = truth(instance, place, data, w)
    return Element(instance.cones, data, Status.SOLVED, w, instance, place, found)
