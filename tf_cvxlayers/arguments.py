"""Arguments that users hand over, checked: each function returns the argument as a
plain Python value, or says what it can be."""

import decimal
import math
import numbers
from typing import Any

import numpy as np

from tf_cvxlayers.errors import ArgumentError, shortened

# The largest integer of 32 bits: nothing is counted beyond.
LARGEST = 2**31 - 1
_NUMBERS = (numbers.Real, decimal.Decimal)


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """An integer from `least` on."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value <= LARGEST:
        raise _refused(name, f"an integer from {least} to {LARGEST}", value)
    return int(value)


def number_between(name: str, value: Any, least: float, most: float) -> float:
    """A number above `least` and below `most`, as it is if it is one of Python's."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not least < value < most:
        finite = " finite" if math.isinf(most) else ""
        below = "" if finite else f" and below {most:g}"
        raise _refused(name, f"a{finite} number above {least:g}{below}", value)
    return value if isinstance(value, int | float) else float(value)


def positive_number(name: str, value: Any) -> float:
    """A finite number above zero."""
    return number_between(name, value, 0.0, math.inf)


def true_or_false(name: str, value: Any) -> bool:
    """A truth value."""
    if not isinstance(value, bool | np.bool_):
        raise _refused(name, "True or False", value)
    return bool(value)


class NotNumbersError(TypeError):
    """A value that is no array of real numbers; the text says what it is."""


def real_array(value: Any) -> np.ndarray:
    """What NumPy makes of a value, as an array of real numbers.

    Words are no numbers, though NumPy would read them; fractions, decimals and long
    doubles become float64.

    Raises:
        NotNumbersError: it is none.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise NotNumbersError("an array with masked entries")
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever a stranger's `__array__` raises
        raise NotNumbersError(f"a value of type {type(value).__name__}") from error
    if array.dtype == object:
        strange = [entry for entry in array.flat if not isinstance(entry, _NUMBERS)]
        if strange:
            kind = type(strange[0]).__name__
            one = strange[0] is value
            what = "a value" if one else f"a {type(value).__name__} with an entry"
            raise NotNumbersError(f"{what} of type {kind}")
        return array.astype(np.float64)
    if array.dtype.kind in "USMmc" or array.dtype.fields:
        where = (
            "" if isinstance(value, np.ndarray) else f", in a {type(value).__name__}"
        )
        raise NotNumbersError(f"an array of dtype {array.dtype}{where}")
    return array.astype(np.float64) if array.dtype == np.longdouble else array


def _refused(name: str, expected: str, value: Any) -> ArgumentError:
    return ArgumentError(
        f"Expected {name} to be {expected}. Received: {name}={shortened(value)}."
    )
