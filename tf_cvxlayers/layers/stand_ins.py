"""Other ways to solve the problems of layers, for a while and in one thread.

A file for serving is traced with other engines than its model was trained with, and in
one of its signatures without an error for elements that have no solution. The layers
are not touched for it, and other threads see nothing of it: a call of a layer asks here
whether somebody stands in for its own way.
"""

import contextlib
import contextvars
import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_cvxlayers.pipeline.pipeline import Pipeline, Solved


@dataclasses.dataclass(frozen=True, eq=False)
class Way:
    """How a layer solves its problem.

    Attributes:
        pipeline: from the values of the parameters to the variables.
        on_failure: what happens to elements without a solution, `"raise"` or `"nan"`.
    """

    pipeline: Pipeline
    on_failure: str

    def solved(self, values: list[tf.Tensor]) -> Solved:
        """The solutions for values of the parameters."""
        return self.pipeline(values)


@dataclasses.dataclass(frozen=True, eq=False)
class WatchedWay(Way):
    """A way that remembers the statuses of what it solved, in the order of the calls.

    Attributes:
        statuses: int32 `[*batch]` for each call so far.
    """

    statuses: list[tf.Tensor]

    def solved(self, values: list[tf.Tensor]) -> Solved:
        """The solutions for values of the parameters."""
        solved = super().solved(values)
        self.statuses.append(solved.status)
        return solved


_IN_FORCE: contextvars.ContextVar[Mapping[Any, Way]] = contextvars.ContextVar(
    "ways in force", default=types.MappingProxyType({})
)


def way_in_force(layer: Any, own: Way) -> Way:
    """The way that stands in for the layer's own one, or else its own."""
    return _IN_FORCE.get().get(layer, own)


@contextlib.contextmanager
def standing_in(ways: Mapping[Any, Way]) -> Iterator[None]:
    """Inside, and in this thread, these layers solve their problems in these ways.

    Args:
        ways: from layer to way. Other layers keep what was in force for them before.
    """
    token = _IN_FORCE.set({**_IN_FORCE.get(), **ways})
    try:
        yield
    finally:
        _IN_FORCE.reset(token)
