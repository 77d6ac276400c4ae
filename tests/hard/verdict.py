"""What an answer is worth: right, wrong, refused, or not to be judged."""

from typing import NamedTuple

import numpy as np

from tests.hard.batch import Answers
from tests.hard.element import FLOAT32, Element
from tf_cvxlayers.errors import Status
from tf_cvxlayers.program.cone_program import ConeData

_VALUE = 1e-6
_EPS = 2.0**-52
GRADIENT_WRONG, GRADIENT_POOR = 1e-4, 1e-6


class Verdict(NamedTuple):
    """Attributes:
    word: `right`, `wrong`, `refused` or `too hard`.
    error: of the easy `x`, relative to one or its size.
    gradient: the error of the gradient in `(q, b)`, relative to its size.
    q, b: the two parts of it. matrices: that of the gradient in `(P, A)`.
    status: what it ended with.
    """

    word: str
    error: float
    gradient: float
    q: float
    b: float
    matrices: float
    status: int

    @property
    def has_gradient(self) -> bool:
        """Whether there is a solution that was judged."""
        return self.word in ("right", "wrong") and not np.isnan(self.error)


def verdicts(elements: list[Element], answers: Answers, float32: bool) -> list[Verdict]:
    """One for each element."""
    return [
        _verdict(
            element,
            answers.x[k],
            int(answers.status[k]),
            ConeData(*(part[k] for part in answers.gradient)),
            float32,
        )
        for k, element in enumerate(elements)
    ]


def _verdict(element, x, status, gradient, float32):
    nothing = (np.nan,) * 5
    if element.truth is None:
        right = status == element.status
        word = "right" if right else "wrong" if status == 0 else "refused"
        return Verdict(word, *nothing, status)
    known, place = element.truth, element.place
    if known.too_hard:
        return Verdict("too hard", *nothing, status)
    if status != Status.SOLVED:
        return Verdict("refused", *nothing, status)
    allowed = _VALUE + 1e3 * _EPS * place.distance
    if float32:
        # Redundant equalities agree to their rounding only, so that an answer may be
        # that of any choice among them.
        allowed += 10.0 * known.moves * FLOAT32 / 2.0**-53
    error = np.abs(place.point(x) - known.x).max() / max(1.0, np.abs(known.x).max())
    errors = _gradient_errors(element, place.gradient(gradient))
    word = "right" if error <= allowed else "wrong"
    return Verdict(word, float(error), *errors, status)


def _gradient_errors(element, found):
    known = element.truth.gradient
    combination = element.instance.combination
    if combination is not None:
        # Only changes that leave the equalities consistent have a derivative.
        found = found._replace(A=combination.T @ found.A, b=combination.T @ found.b)
    P_on, A_on = element.data.P != 0, _free(element)
    P = 0.5 * (found.P + found.P.T)
    q, b = known.q - found.q, known.b - found.b
    matrices = [((known.P - P) * P_on).ravel(), ((known.A - found.A) * A_on).ravel()]
    size = _norm(known.q, known.b)
    total = _norm((known.P * P_on).ravel(), (known.A * A_on).ravel())
    return (
        _norm(q, b) / size,
        _norm(q) / size,
        _norm(b) / size,
        _norm(*matrices) / total,
    )


def _free(element):
    """The entries of independent rows of `A` that may change within the pattern, those
    of the rows that follow from them included."""
    on = element.data.A != 0
    combination = element.instance.combination
    if combination is None:
        return on
    missing = (combination != 0).T.astype(int) @ ~on
    return missing == 0


def _norm(*parts):
    return max(float(np.linalg.norm(np.concatenate(parts))), 1e-300)
