"""Which engine solves a program."""

from typing import NamedTuple

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.catalogue import ENGINES
from tf_cvxlayers.errors import ArgumentError, ProblemError
from tf_cvxlayers.program.cone_program import ConeStructure


class EngineChoice(NamedTuple):
    """An engine, and in words why this one."""

    engine: Engine
    why: str


def choose_engine(wanted: str | Engine, structure: ConeStructure) -> EngineChoice:
    """The engine for a program.

    Args:
        wanted: `"auto"`, the name of an engine, or an engine.
        structure: of the program.

    Raises:
        ProblemError: no engine of that name takes the program's cones.
        ArgumentError: there is no such engine.
    """
    if wanted == "auto":
        return _preferred(structure)
    if isinstance(wanted, Engine):
        candidates, why = [wanted], "as given"
    else:
        candidates = [engine for engine in ENGINES if engine.name == wanted]
        why = f"as the first of engine={wanted!r} that takes these cones"
    if not candidates:
        names = sorted({"auto"} | {engine.name for engine in ENGINES})
        raise ArgumentError(
            f"Expected engine to be one of {names} or an engine object of "
            f"tf_cvxlayers.engines, such as Diffcp(). Received: engine={wanted!r}."
        )
    for engine in candidates:
        if engine.accepts(structure):
            return EngineChoice(engine, why)
    raise ProblemError(
        f"Expected a program that {candidates[0]} accepts. Received: "
        f"{_missing(candidates[0], structure)}, of {structure.cones.describe()}. "
        "Use engine='auto', or another engine or solver."
    )


def portable_engine(structure: ConeStructure) -> tuple[Engine | None, str | None]:
    """An engine without Python for a program, if there is one; and what is against it:
    why there is none, or why another engine was the better one."""
    candidates = [engine for engine in ENGINES if engine.portable]
    for engine in candidates:
        if engine.accepts(structure):
            return engine, engine.objection(structure)
    missing = [
        f"{engine.name} has no {_missing(engine, structure)}" for engine in candidates
    ]
    return None, "; ".join(missing)


def _preferred(structure: ConeStructure) -> EngineChoice:
    passed_over: list[str] = []
    for engine in ENGINES:
        if not engine.accepts(structure):
            objection: str | None = f"no {_missing(engine, structure)}"
        else:
            objection = engine.objection(structure)
        if objection is None:
            why = "by engine='auto': the first that suits"
            return EngineChoice(engine, "; ".join([why, *passed_over]))
        passed_over.append(f"passed over {engine.name} ({objection})")
    raise ProblemError(  # pragma: no cover - the last one takes every cone
        "Expected cones that some engine takes. "
        f"Received: {structure.cones.describe()}."
    )


def _missing(engine: Engine, structure: ConeStructure) -> str:
    missing = sorted(structure.cones.kinds - engine.cones)
    return f"cones {missing}" if missing else "a quadratic objective"
