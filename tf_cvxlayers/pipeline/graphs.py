"""The graphs of pipelines: those that differ in names alone have the same ones.

A network of equal layers is traced as one.
"""

import dataclasses
import hashlib
import weakref
from collections.abc import Hashable, Sequence
from typing import Any

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.program.cone_program import ConeProgram
from tf_cvxlayers.program.serialization import to_bytes
from tf_cvxlayers.runtime.graphs import Graphs

_SHARED: weakref.WeakValueDictionary[Hashable, Graphs] = weakref.WeakValueDictionary()


def graphs_of(program: ConeProgram, engine: Engine, fed: int) -> Graphs:
    """The graphs of all pipelines with this program, whatever its names are."""
    nameless = dataclasses.replace(
        program,
        parameters=_without_names(program.parameters),
        variables=_without_names(program.variables),
    )
    key = hashlib.sha256(to_bytes(nameless)).digest(), engine, fed
    return _SHARED.setdefault(key, Graphs())


def _without_names(specs: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dataclasses.replace(spec, name="") for spec in specs)
