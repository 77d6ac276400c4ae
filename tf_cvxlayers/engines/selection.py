"""Which engine solves a program."""

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.diffcp import Diffcp
from tf_cvxlayers.engines.interior_point import InteriorPoint
from tf_cvxlayers.errors import ProblemError
from tf_cvxlayers.program import ConeStructure

# In order of preference; the first that accepts the program is taken.
_CANDIDATES: tuple[Engine, ...] = (
    InteriorPoint(),
    Diffcp(),
    Diffcp(solver="scs"),
)


def choose_engine(wanted: str | Engine, structure: ConeStructure) -> Engine:
    """The engine for a program.

    Args:
        wanted: `"auto"`, the name of an engine, or an engine.
        structure: of the program.

    Raises:
        ProblemError: no engine of that name takes the program's cones.
        ValueError: there is no such engine.
    """
    if isinstance(wanted, Engine):
        candidates = [wanted]
    elif wanted == "auto":
        candidates = list(_CANDIDATES)
    else:
        candidates = [engine for engine in _CANDIDATES if engine.name == wanted]
    if not candidates:
        names = sorted({"auto"} | {engine.name for engine in _CANDIDATES})
        raise ValueError(
            f"Expected engine to be one of {names} or an engine object of "
            f"tf_cvxlayers.engines, such as Diffcp(). Received: engine={wanted!r}."
        )
    for engine in candidates:
        if engine.accepts(structure):
            return engine
    missing = sorted(structure.cones.kinds - candidates[0].cones)
    what = f"cones {missing}" if missing else "a quadratic objective"
    raise ProblemError(
        f"Expected a program that {candidates[0]} accepts. Received: {what}, of "
        f"{structure.cones.describe()}. Use engine='auto', or another solver."
    )
