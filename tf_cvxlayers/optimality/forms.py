"""Which form of matrices suits a program: dense, with a band, or sparse.

The times are of `engines.interior_point`, whose factorizations are those of the other
engines' last steps too.
"""

import numpy as np

from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.program.cone_program import ConeStructure

# A dense factorization wins below this order, and up to the second one if A is full.
_DENSE_ORDER, _FULL_ORDER, _FULL = 300, 1000, 0.1


def fits_dense(structure: ConeStructure) -> bool:
    """Whether dense matrices are the better ones for a program."""
    order = structure.n + structure.m
    full = structure.A.size >= _FULL * structure.n * structure.m
    return order <= (_FULL_ORDER if full else _DENSE_ORDER)


# About how many there are in a solve with its adjoint.
_FACTORIZATIONS = 8


def dense_numbers(structure: ConeStructure) -> int:
    """How many numbers dense matrices of one element hold, and a factorization."""
    n, polyhedral = structure.n, structure.cones.is_polyhedral
    rows = structure.m - (structure.bounds.size if polyhedral else 0)
    # With a diagonal objective and bounds there is no matrix at all.
    factored = n * n if rows or not structure.P.is_diagonal else 0
    return rows * n + factored


def dense_work(structure: ConeStructure) -> tuple[int, float]:
    """The order of the dense systems of one element and the number of their rows,
    together; and how many multiplications a factorization takes.

    Equalities are a null space, made once, and what is factored in it, but for a single
    one.
    """
    n, equalities = structure.n, structure.cones.zero
    others = structure.m - equalities
    if equalities > 1:
        order = max(n - equalities, 0)
        once = 2 * equalities * n**2 / _FACTORIZATIONS
        return order + others, order**3 / 3 + others * order**2 + once
    bounds = structure.bounds if structure.cones.is_polyhedral else np.zeros(0, int)
    rows = others - int(np.sum(bounds >= equalities))
    if rows or not structure.P.is_diagonal:
        return n + others, n**3 / 3 + rows * n**2
    return n + others, 0.0


# The numbers of an element that stay near a processor, in operations on a batch.
_NEAR = 200_000
# The batch for which one form is chosen; in programs with fewer variables a band gains
# nothing.
_BATCH, _LEAST = 32, 40
# The longest program whose band is made use of by other engines too.
_SHORT = 10_000


def has_band(structure: ConeStructure) -> bool:
    """Whether matrices with a band are faster than dense ones."""
    if structure.n < _LEAST:
        return False
    dense = _dense_milliseconds(structure, _BATCH)
    return _band_milliseconds(structure, _BATCH) < dense


def can_be_factored(structure: ConeStructure) -> bool:
    """Whether matrices are dense or have a band, so that TensorFlow can factor them in
    passing: where a band is very long, what it is made of would be most of a graph."""
    short = structure.n + structure.m <= _SHORT
    return fits_dense(structure) or (short and has_band(structure))


def milliseconds(structure: ConeStructure, batch: int) -> float:
    """About what the interior-point method takes forward and backward, in the form that
    suits; see `Engine.milliseconds`."""
    form = _band_milliseconds if has_band(structure) else _dense_milliseconds
    return form(structure, batch)


def curved_milliseconds(structure: ConeStructure) -> float:
    """About what decompositions of single cones take for each element, in whatever form
    the matrices are."""
    runs = structure.cones.runs
    return sum(run.number * geometry_of(run).milliseconds for run in runs)


def numbers(structure: ConeStructure) -> int:
    """How many numbers the matrices of one element hold, in the form that suits."""
    band = structure.band
    if band is None or not has_band(structure):
        return dense_numbers(structure)
    # The blocks, and what their elimination makes of them.
    return 6 * band.blocks * band.block**2 + band.terms[0].size


def _dense_milliseconds(structure: ConeStructure, batch: int) -> float:
    order, work = dense_work(structure)
    # Numbers that do not stay near a processor take time too.
    far = max(dense_numbers(structure) - _NEAR, 0)
    each = 1.8e-3 * order + 8.9e-7 * work + 1e-5 * far
    return 3.3 + batch * (each + curved_milliseconds(structure))


def _band_milliseconds(structure: ConeStructure, batch: int) -> float:
    band = structure.band
    if band is None:
        return np.inf
    work = band.blocks * band.block**3
    return 6.0 + batch * (7e-3 * (structure.n + structure.m) + 4e-5 * work)
