"""How functions of numbers become machine code.

Every function of the loops is compiled into its caller. What callers outside get is
kept on disk by Numba, under a name that holds a digest of all sources of this folder:
Numba itself looks at the file of the outermost function only.
"""

import functools
import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

import numba

# Division by zero is infinite, as in NumPy, and not an exception; products that are
# added may be fused. Only machine code calls what is compiled into its caller.
_EVERY: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INNER = {**_EVERY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
compiled = numba.njit(**_INNER, fastmath={"contract"})
# Sums may be taken in several parts at a time. Which depends on their length alone.
summing = numba.njit(**_INNER, fastmath={"reassoc", "contract"})


@functools.cache
def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def kept_on_disk(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, on disk where there is a place for it."""
    # What is there from other sources may not even be readable.
    function.__qualname__ = f"{function.__name__}_{_digest()}"
    options = {**_EVERY, "fastmath": {"contract"}}
    try:
        return numba.njit(**options, cache=True)(function)
    except RuntimeError:  # neither the package nor a home can be written to
        return numba.njit(**options)(function)
