"""One element of a batch, handed through diffcp to a compiled solver.

diffcp's `solve_internal` is called, below its public functions: they make the
derivative too, at several times the cost of the solve. What comes back is judged here
by the solver's words and by whether it is finite, and by its residuals later
(`pipeline.solve`).
"""

import dataclasses
import functools
import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from tf_cvxlayers.engines.diffcp.solvers import (
    in_our_order,
    in_words_of_diffcp,
    is_certificate,
    row_repair,
    status_of,
)
from tf_cvxlayers.errors import Status
from tf_cvxlayers.linalg.filled import filled
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.program.cone_program import ConeStructure

# diffcp warns where the status already says it.
_DIFFCP_WARNING = "Solved/Inaccurate"


class Outcome(NamedTuple):
    """What became of one element: `point` is `(x, y, s)`, None where there is none."""

    status: Status
    iterations: int
    point: tuple[np.ndarray, np.ndarray, np.ndarray] | None


class _Result(NamedTuple):
    """What a solver says: its verdict in its own words, its iterations, its point."""

    words: str
    iterations: int
    point: tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ElementSolver:
    """Solves elements that have one structure.

    Attributes:
        structure: of the cone programs.
        method: the solver, as diffcp names it.
        limit: the most iterations that it makes.
        options: its settings, in its own words.
        careful: those for an element that it has not solved with these, if any.
    """

    structure: ConeStructure
    method: str
    limit: int
    options: dict[str, Any]
    careful: dict[str, Any]

    def __post_init__(self) -> None:
        _ignore_warning_of_diffcp()

    def outcome(
        self, P: np.ndarray, q: np.ndarray, A: np.ndarray, b: np.ndarray
    ) -> Outcome:
        """Solve one element; whatever the solver does is an outcome.

        Args:
            P, A: the values on the structure's patterns, `[entries]`.
            q: `[n]`.
            b: `[m]`.
        """
        if not _are_finite(P, q, A, b):
            return Outcome(Status.NUMERICAL_ERROR, 0, None)
        try:
            words, count, point = self.result(P, q, A, b)
            if self.careful and status_of(words, False) != Status.SOLVED:
                words, count, point = self._carefully.result(P, q, A, b)
        except (KeyboardInterrupt, SystemExit, MemoryError, ImportError):
            raise
        except BaseException as error:  # a panic in Rust is not an Exception
            # ECOS reports its verdict as the text of an exception.
            return Outcome(_without_point(status_of(str(error), False)), 0, None)
        status = status_of(words, count >= self.limit)
        if is_certificate(status):
            # SCS fills what is no part of a certificate with NaN.
            x, y, s = (np.nan_to_num(part, nan=0.0) for part in point)
            point = x, y, s
        if not _are_finite(*point):
            return Outcome(_without_point(status), count, None)
        return Outcome(status, count, point)

    def result(
        self, P: np.ndarray, q: np.ndarray, A: np.ndarray, b: np.ndarray
    ) -> _Result:
        """Solve one element; raises whatever the solver raises."""
        from diffcp.cone_program import solve_internal

        _, folding = self.structure.P.upper
        result = solve_internal(
            _own(self._A, A),
            b.copy(),
            q.copy(),
            self._cones,
            solve_method=self.method,
            raise_on_error=False,
            P=_own(self._P, folding @ P) if self.structure.P.size else None,
            **self.options,
        )
        point = result["x"], result["y"], result["s"]
        if self._rows_come_back_permuted:
            status = status_of(result["info"]["status"], False)
            certificate = _own(self._A, A), b, status
            point = in_our_order(result, *certificate, self._repair)
        return _Result(result["info"]["status"], result["info"]["iter"], point)

    @functools.cached_property
    def _carefully(self) -> "ElementSolver":
        options = {**self.options, **self.careful}
        return dataclasses.replace(self, options=options, careful={})

    @functools.cached_property
    def _cones(self) -> dict[str, Any]:
        return in_words_of_diffcp(self.structure.cones)

    @functools.cached_property
    def _A(self) -> sp.csc_matrix:
        return _template(self.structure.A)

    @functools.cached_property
    def _P(self) -> sp.csc_matrix:
        """Of the upper triangle, which is what solvers take."""
        return _template(self.structure.P.upper[0])

    @functools.cached_property
    def _repair(self) -> np.ndarray:
        return row_repair(self.structure.cones)

    @functools.cached_property
    def _rows_come_back_permuted(self) -> bool:
        return bool(np.any(self._repair != np.arange(self._repair.size)))


def _are_finite(*arrays: np.ndarray) -> bool:
    return all(np.isfinite(array).all() for array in arrays)


def _without_point(status: Status) -> Status:
    """The status of an element that has no point, whatever the solver claims."""
    return Status.NUMERICAL_ERROR if status.has_solution else status


def _ignore_warning_of_diffcp() -> None:
    """Put diffcp's warning among those that are ignored, unless it is there."""
    if not any(f[1] and f[1].match(_DIFFCP_WARNING) for f in warnings.filters):
        warnings.filterwarnings("ignore", message=_DIFFCP_WARNING)


def _template(pattern: Pattern) -> sp.csc_matrix:
    """A matrix of zeros on the pattern."""
    parts = (np.zeros(pattern.size), pattern.rows.astype(np.int32), pattern.indptr)
    return sp.csc_matrix(parts, shape=pattern.shape)


def _own(template: sp.csc_matrix, values: np.ndarray) -> sp.csc_matrix:
    """A matrix with these values, of its own: solvers may edit what they are given."""
    matrix = filled(template, values.copy())
    matrix.indices = template.indices.copy()
    return matrix
