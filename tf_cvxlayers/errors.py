"""The exceptions of the package, and what each solver status means.

Every exception derives from `CvxLayersError`. Its text says what was expected,
what was received, and what to try.

In eager mode the exceptions below reach the caller as they are. Inside a
`tf.function`, and so inside `model.fit`, TensorFlow replaces every Python
exception by one of its own; `clear_errors` turns those back.
"""

import enum
import re
from collections.abc import Iterator
from contextlib import contextmanager


class Status(enum.IntEnum):
    """How the solve of one batch element ended.

    `SOLVED` and `INACCURATE` come with a solution, the others without one.
    """

    SOLVED = 0
    INACCURATE = 1
    PRIMAL_INFEASIBLE = 2
    DUAL_INFEASIBLE = 3
    ITERATION_LIMIT = 4
    NUMERICAL_ERROR = 5

    @property
    def has_solution(self) -> bool:
        """Whether the element has values that may be used."""
        return self <= Status.INACCURATE

    @property
    def advice(self) -> str:
        """What a user can do about it."""
        return _ADVICE[self]


_ADVICE = {
    Status.SOLVED: "nothing to do",
    Status.INACCURATE: (
        "rescale what `str(layer.solve(...))` names; gradients may be those of "
        "neighbouring constraints"
    ),
    Status.PRIMAL_INFEASIBLE: (
        "no point satisfies the constraints: relax one of them with a penalised "
        "slack variable, or keep the parameters in a range where they can hold"
    ),
    Status.DUAL_INFEASIBLE: (
        "the objective is unbounded below: bound the variables, or add a small "
        "quadratic term to the objective"
    ),
    Status.ITERATION_LIMIT: (
        "raise the engine's max_iterations, rescale the problem, or loosen the "
        "tolerance"
    ),
    Status.NUMERICAL_ERROR: (
        "look for NaN or infinite parameters, a quadratic form that is not positive "
        "semidefinite, or coefficients many orders of magnitude apart"
    ),
}


def numbered(count: int, one: str, many: str) -> str:
    """So many things, as messages say it: `1 row`, `2 rows`."""
    return f"{count} {one if count == 1 else many}"


def shortened(value: object) -> str:
    """A value as messages show it, of at most 80 letters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class CvxLayersError(Exception):
    """The base of every exception of the package."""


class ArgumentError(CvxLayersError, ValueError):
    """An argument of a layer, an engine or a function that is none it can be."""


class ProblemError(CvxLayersError, ValueError):
    """A problem that cannot become a layer."""


class ParameterError(CvxLayersError, ValueError):
    """A parameter value with a wrong shape, a NaN, or against its attribute."""


class FileError(CvxLayersError, ValueError):
    """A file, or a layer's config, that is not what the package writes."""


class ExportError(CvxLayersError):
    """A model that cannot be exported in the form that was asked for."""


class SolverError(CvxLayersError, RuntimeError):
    """Batch elements without a solution.

    Attributes:
        indices: their positions in the batch, flattened in C order.
        statuses: the `Status` of each.
    """

    def __init__(
        self,
        message: str,
        indices: tuple[int, ...] = (),
        statuses: tuple[Status, ...] = (),
    ):
        super().__init__(message)
        self.indices = indices
        self.statuses = statuses

    def __reduce__(self):
        return type(self), (str(self), self.indices, self.statuses)

    @classmethod
    def from_elements(
        cls, indices: tuple[int, ...], statuses: tuple[Status, ...]
    ) -> "SolverError":
        """The error for failed elements, with advice for each kind of failure."""
        lines = [
            "Expected every batch element to have a solution. Received: "
            + _summary(indices, statuses)
            + "."
        ]
        for status in sorted(set(statuses)):
            lines.append(f"{status.name}: {status.advice}.")
        lines.append(
            "With on_failure='nan' the layer returns NaN for these elements, gives "
            "them zero gradient, and leaves the rest of the batch as it is."
        )
        return cls("\n".join(lines), indices, statuses)


def _summary(indices: tuple[int, ...], statuses: tuple[Status, ...]) -> str:
    shown = [
        f"element {index}: {status.name}"
        for index, status in list(zip(indices, statuses, strict=True))[:8]
    ]
    more = len(indices) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


# What a failing graph writes into its message; `clear_errors` reads it back.
SOLVER_MARK = "tf_cvxlayers.SolverError"
PARAMETER_MARK = "tf_cvxlayers.ParameterError"
_SOLVER_TEXT = re.compile(
    re.escape(SOLVER_MARK) + r" indices=([\d,]*) statuses=([\d,]*)"
)
_PARAMETER_TEXT = re.compile(re.escape(PARAMETER_MARK) + r": (.*?) \[end\]", re.DOTALL)


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


def _original(text: str) -> CvxLayersError | None:
    """The exception that a graph's message stands for, if it is one of ours."""
    if found := _SOLVER_TEXT.search(text):
        statuses = tuple(Status(code) for code in _integers(found[2]))
        return SolverError.from_elements(_integers(found[1]), statuses)
    if found := _PARAMETER_TEXT.search(text):
        # TensorFlow escapes quotation marks in an assertion's text.
        return ParameterError(found[1].replace("\\'", "'"))
    return None


@contextmanager
def clear_errors() -> Iterator[None]:
    """Raise this package's exceptions where TensorFlow would raise its own.

    TensorFlow reports a failure inside a graph as an error of its own with a
    long text. Inside this context such an error is raised as the `SolverError`
    or `ParameterError` it stands for; every other exception passes unchanged.

    Example:

    ```python
    with tf_cvxlayers.clear_errors():
        model.fit(x, y)
    ```
    """
    try:
        yield
    except CvxLayersError:
        raise
    except Exception as error:
        original = _original(str(error))
        if original is None:
            raise
        raise original from None
