"""What is particular to each compiled solver behind diffcp.

Their cones, their words for cones, tolerances and limits, their verdicts, and the order
in which they leave the rows of a cone.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from tf_cvxlayers.arguments import LARGEST
from tf_cvxlayers.errors import ArgumentError, Status
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cones import ConeDims

# What diffcp calls the kinds of cones, after SCS.
_WORDS = {
    cones.ZERO: "z",
    cones.NONNEGATIVE: "l",
    cones.SECOND_ORDER: "q",
    cones.PSD: "s",
    cones.EXPONENTIAL: "ep",
    cones.POWER: "p",
}
_COMMON = {
    cones.ZERO,
    cones.NONNEGATIVE,
    cones.SECOND_ORDER,
    cones.EXPONENTIAL,
}


class Setting(NamedTuple):
    """What a setting of a solver may be: a bool, or a number within limits."""

    kind: type
    least: float = 0.0
    most: float = math.inf

    def takes(self, value: Any) -> bool:
        """Whether it can be this value."""
        if self.kind is bool:
            return type(value) is bool
        kinds = {int} if self.kind is int else {int, float}
        return type(value) in kinds and self.least <= value <= self.most

    @property
    def words(self) -> str:
        """What it may be, in words."""
        if self.kind is bool:
            return "True or False"
        kind = "an integer" if self.kind is int else "a number"
        above = f" of at least {self.least:g}"
        return kind + above + (f" and at most {self.most:g}" if self.most < 1e9 else "")


def _settings(
    switches: str, counts: str, numbers: str, **others: Setting
) -> dict[str, Setting]:
    """Settings by name."""
    return {
        **dict.fromkeys(switches.split(), Setting(bool)),
        **dict.fromkeys(counts.split(), Setting(int, most=LARGEST)),
        **dict.fromkeys(numbers.split(), Setting(float)),
        **others,
    }


_FRACTION = Setting(float, most=1.0)
# Of a system that is solved as well as a step of a solver needs it.
_ROUGHLY = 1e-6


@dataclasses.dataclass(frozen=True)
class Solver:
    """A solver behind diffcp.

    Attributes:
        method: its name there.
        cones, quadratic: what it takes.
        tolerances, limit, max_iterations: its words for the engine's settings, and how
            many iterations it makes without one.
        options: what else may be set, in its own words: numbers and switches. What
            names a file, as some settings of SCS do, or prints, is none of them, since
            an engine may come from a file.
        fixed: what is set differently from its own defaults.
        careful: what is set as in its own defaults again for an element that it has not
            solved: a certificate needs more than a step does.
        slowness: how long it takes, in times of the fastest.
    """

    method: str
    cones: frozenset[str]
    quadratic: bool
    tolerances: tuple[str, ...]
    limit: str
    max_iterations: int
    options: dict[str, Setting]
    fixed: tuple[tuple[str, Any], ...] = ()
    careful: tuple[tuple[str, Any], ...] = ()
    slowness: float = 1.0

    def check_options(self, options: Any) -> None:
        """Raise ArgumentError for options that are none."""
        if not isinstance(options, dict) or not options.keys() <= self.options.keys():
            names = sorted(options) if isinstance(options, dict) else options
            raise ArgumentError(
                "Expected solver_options to be a dict of settings of "
                f"{self.method.lower()}, some of {sorted(self.options)}. "
                f"Received: solver_options={names!r}."
            )
        for name, value in options.items():
            if not self.options[name].takes(value):
                raise ArgumentError(
                    f"Expected solver_options['{name}'] to be "
                    f"{self.options[name].words}. Received: {value!r}."
                )


SOLVERS = {
    "clarabel": Solver(
        "Clarabel",
        frozenset(_COMMON | {cones.PSD}),
        True,
        ("tol_gap_abs", "tol_gap_rel", "tol_feas"),
        "max_iter",
        200,
        _settings(
            "chordal_decomposition_compact chordal_decomposition_complete_dual "
            "chordal_decomposition_enable direct_kkt_solver "
            "dynamic_regularization_enable equilibrate_enable input_sparse_dropzeros "
            "iterative_refinement_enable presolve_enable static_regularization_enable",
            "equilibrate_max_iter iterative_refinement_max_iter max_iter max_threads",
            "dynamic_regularization_delta dynamic_regularization_eps "
            "equilibrate_max_scaling equilibrate_min_scaling "
            "iterative_refinement_abstol iterative_refinement_reltol "
            "iterative_refinement_stop_ratio reduced_tol_feas reduced_tol_gap_abs "
            "reduced_tol_gap_rel reduced_tol_infeas_abs reduced_tol_infeas_rel "
            "reduced_tol_ktratio static_regularization_constant "
            "static_regularization_proportional time_limit tol_feas tol_gap_abs "
            "tol_gap_rel tol_infeas_abs tol_infeas_rel tol_ktratio",
            linesearch_backtrack_step=_FRACTION,
            max_step_fraction=_FRACTION,
            min_switch_step_length=_FRACTION,
            min_terminate_step_length=_FRACTION,
        ),
        # Chordal decomposition can report a wrong point as solved; one thread each,
        # since the batch is what runs in parallel; and systems of its steps to six
        # digits, not twelve, since the solution is refined here.
        (
            ("chordal_decomposition_enable", False),
            ("max_threads", 1),
            ("iterative_refinement_abstol", _ROUGHLY),
            ("iterative_refinement_reltol", _ROUGHLY),
        ),
        (
            ("iterative_refinement_abstol", 1e-12),
            ("iterative_refinement_reltol", 1e-13),
        ),
    ),
    "scs": Solver(
        "SCS",
        frozenset(_COMMON | {cones.PSD, cones.POWER}),
        True,
        ("eps_abs", "eps_rel"),
        "max_iters",
        100_000,
        _settings(
            "adaptive_scale normalize",
            "acceleration_lookback max_iters",
            "eps_abs eps_infeas eps_rel rho_x scale time_limit_secs",
            acceleration_interval=Setting(int, 1, LARGEST),
            alpha=Setting(float, 1e-3, 1.999),
        ),
        slowness=10.0,
    ),
    "ecos": Solver(
        "ECOS",
        frozenset(_COMMON),
        False,
        ("abstol", "reltol", "feastol"),
        "max_iters",
        200,
        _settings(
            "",
            "max_iters",
            "abstol abstol_inacc feastol feastol_inacc reltol reltol_inacc",
        ),
    ),
}


def status_of(words: str, at_limit: bool) -> Status:
    """The verdict behind the words of a solver, as diffcp passes them on."""
    words = words.lower()
    for word, status in (
        ("infeasible", Status.PRIMAL_INFEASIBLE),
        ("unbounded", Status.DUAL_INFEASIBLE),
        ("reached", Status.ITERATION_LIMIT),
        ("inaccurate", Status.INACCURATE),
        ("solved", Status.SOLVED),
        ("optimal", Status.SOLVED),
    ):
        if word in words:
            return status
    return Status.ITERATION_LIMIT if at_limit else Status.NUMERICAL_ERROR


def is_certificate(status: Status) -> bool:
    """Whether what a solver returns with it is a certificate, and no solution."""
    return status in (Status.PRIMAL_INFEASIBLE, Status.DUAL_INFEASIBLE)


def in_words_of_diffcp(dims: ConeDims) -> dict[str, Any]:
    """The cones as the dictionary that diffcp takes."""
    sizes = vars(dims)
    return {
        word: list(sizes[kind]) if isinstance(sizes[kind], tuple) else sizes[kind]
        for kind, word in _WORDS.items()
    }


def _upper_by_columns(order: int) -> np.ndarray:
    """Where each entry of our packed lower triangle is in the upper one by columns."""
    rows, columns, _ = cones.svec_indices(order)
    return rows * (rows + 1) // 2 + columns


# The permutation of the rows of a cone, given its parameter, where Clarabel has them in
# another order.
_CLARABEL_ROWS: dict[str, Callable[[Any], np.ndarray]] = {cones.PSD: _upper_by_columns}


def row_repair(dims: ConeDims) -> np.ndarray:
    """Where diffcp 1.1.9 leaves each row of Clarabel's `y` and `s`, `[size]`.

    Clarabel packs the upper triangle of a PSD cone by columns. diffcp goes from our
    packing to that by a permutation, and back by the same one instead of its inverse:
    for matrices of order 4 and more the rows come back permuted twice.
    """
    order = np.arange(dims.size)
    for run in dims.runs:
        if run.kind in _CLARABEL_ROWS:
            own = _CLARABEL_ROWS[run.kind](run.parameter)
            starts = run.start + run.rows * np.arange(run.number)
            order[run.span] = (starts[:, None] + own).ravel()
    return order[order]


def in_our_order(
    result: dict[str, Any],
    A: sp.csc_matrix,
    b: np.ndarray,
    status: Status,
    repair: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`x, y, s`, with the rows of PSD cones as they were given.

    Whether they are shows in `s`, which is `b - A x`, or `-A x` along a ray; and in `y`
    where it separates, so that `A'y = 0`. So a diffcp that has mended this is not
    mended twice.
    """
    x, y, s = result["x"], result["y"], result["s"]
    if status == Status.PRIMAL_INFEASIBLE:
        misses = [np.linalg.norm(A.T @ part) for part in (y, y[repair])]
    else:
        offset = 0.0 if status == Status.DUAL_INFEASIBLE else b
        slack = offset - A @ x
        misses = [np.linalg.norm(slack - part) for part in (s, s[repair])]
    if misses[1] < misses[0]:
        return x, y[repair], s[repair]
    return x, y, s
