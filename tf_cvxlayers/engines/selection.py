"""Which engine solves a program."""

from typing import NamedTuple

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.catalogue import ENGINES
from tf_cvxlayers.errors import ArgumentError, ProblemError
from tf_cvxlayers.program.cone_program import ConeStructure
from tf_cvxlayers.runtime.memory import gibibytes, memory_size

# The batch that times are estimated for; and up to how many times as long as the
# fastest an engine may take that needs no Python, here and in a file.
_BATCH, _TIMES, _TIMES_IN_FILES = 32, 1.2, 50.0
# What the matrices of one element may take of the memory: a solver has several of them
# at a time.
_MOST = 0.25


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
        ProblemError: no engine of that name takes the program's cones, or its matrices
            would take most of the memory.
        ArgumentError: there is no such engine, or what it needs is not installed.
    """
    choice = _chosen(wanted, structure)
    _require_memory(choice.engine, structure)
    return choice


def _chosen(wanted: str | Engine, structure: ConeStructure) -> EngineChoice:
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
            _require_installed(engine)
            return EngineChoice(engine, why)
    raise ProblemError(
        f"Expected a program that {candidates[0]} accepts. Received: "
        f"{_missing(candidates[0], structure)}, of {structure.cones.describe()}. "
        "Use engine='auto', or another engine or solver."
    )


def portable_engine(structure: ConeStructure) -> tuple[Engine | None, str | None]:
    """An engine without Python for a program, if there is one; and what is against it:
    why there is none, or why another engine was the better one."""
    missing = []
    for engine in (engine for engine in ENGINES if engine.portable):
        if not engine.accepts(structure):
            missing.append(f"{engine.name} has no {_missing(engine, structure)}")
        elif not _fits(engine, structure):
            needed = gibibytes(engine.bytes_needed(structure))
            missing.append(f"{engine.name} needs {needed} for each element")
        else:
            return engine, _objection(engine, structure, _TIMES_IN_FILES)
    return None, "; ".join(missing)


def _preferred(structure: ConeStructure) -> EngineChoice:
    objections = {
        engine: _objection(engine, structure, _TIMES if engine.portable else 1.0)
        for engine in ENGINES
    }
    suited = [engine for engine in ENGINES if objections[engine] is None]
    if suited:
        # One that needs Python is to be worth it.
        chosen = min(suited, key=lambda engine: not engine.portable)
        passed_over = [
            f"passed over {engine.name} "
            f"({objections[engine] or _not_worth_it(engine, structure)})"
            for engine in ENGINES[: ENGINES.index(chosen)]
        ]
        estimate = chosen.milliseconds(structure, _BATCH)
        why = f"by engine='auto', {_time(estimate)} for a batch of {_BATCH}"
        return EngineChoice(chosen, "; ".join([why, *passed_over]))
    raise ProblemError(  # pragma: no cover - the last one takes every cone
        "Expected cones that some engine takes. "
        f"Received: {structure.cones.describe()}."
    )


def _objection(engine: Engine, structure: ConeStructure, times: float) -> str | None:
    """Why another engine is better for a program; None where it takes at most so many
    times as long as the fastest."""
    if not engine.accepts(structure):
        return f"no {_missing(engine, structure)}"
    if engine.needs is not None:
        return f"needs {engine.needs}"
    all_of_them = [
        other.milliseconds(structure, _BATCH)
        for other in ENGINES
        if other.accepts(structure) and other.needs is None
    ]
    own = engine.milliseconds(structure, _BATCH)
    least = min(all_of_them)
    if own <= times * least:
        return None
    return f"{_time(own)} for a batch of {_BATCH}, where another takes {_time(least)}"


def _not_worth_it(engine: Engine, structure: ConeStructure) -> str:
    """Why an engine that needs Python is not taken though it is the fastest."""
    own = engine.milliseconds(structure, _BATCH)
    return f"{_time(own)}, hardly less than without Python"


def _time(milliseconds: float) -> str:
    value, unit = milliseconds, "ms"
    if value >= 1000:
        value, unit = value / 1000, "s"
    return f"about {value:.2g} {unit}" if value < 10 else f"about {value:.0f} {unit}"


def _require_installed(engine: Engine) -> None:
    if engine.needs is not None:
        raise ArgumentError(
            f"Expected what engine={engine.name!r} needs to be installed. Received: "
            f"none; it needs {engine.needs}. Or use engine='auto'."
        )


def _require_memory(engine: Engine, structure: ConeStructure) -> None:
    """Raise for matrices that would not fit, before anything is allocated."""
    if _fits(engine, structure):
        return
    needed, there = engine.bytes_needed(structure), memory_size() or 0
    words = f"{structure.n} variables, {structure.cones.describe()}"
    raise ProblemError(
        f"Expected a program whose matrices take at most {_MOST:.0%} of the memory, "
        f"which is {gibibytes(there)}. Received: {words}, for each element of which "
        f"{engine.name} needs {gibibytes(needed)}. Try engine='auto', which knows "
        "sparse matrices, or a smaller problem: a large cone in several small ones, "
        "fewer or shorter constraints."
    )


def _fits(engine: Engine, structure: ConeStructure) -> bool:
    there = memory_size()
    return there is None or engine.bytes_needed(structure) <= _MOST * there


def _missing(engine: Engine, structure: ConeStructure) -> str:
    missing = sorted(structure.cones.kinds - engine.cones)
    return f"cones {missing}" if missing else "a quadratic objective"
