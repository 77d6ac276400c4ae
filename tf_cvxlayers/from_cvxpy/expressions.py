"""CVXPY's expressions as trees: their nodes, a copy with others, how they read."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cvxpy.atoms.affine.promote import Promote

_PROMOTED = re.compile(r"Promote\(((?:[^()]|\([^()]*\))*), \([\d, ]*\)\)")


def nodes_of(nodes: Iterable[Any]) -> Iterator[Any]:
    """The expressions in these, each of them before those in it."""
    for node in nodes:
        yield node
        yield from nodes_of(getattr(node, "args", []))


def culprit(nodes: Iterable[Any], holds: Callable[[Any], bool]) -> Any:
    """The smallest expression for which `holds` is false while it is true below; None
    where it is true for all."""
    for node in nodes:
        if not holds(node):
            deeper = culprit(getattr(node, "args", []), holds)
            return node if deeper is None else deeper
    return None


def replaced(node: Any, places: dict[int, Any]) -> Any:
    """A copy of an expression, objective or constraint.

    Args:
        node: what to copy; what does not change in it is not copied.
        places: by the `id` of an expression in it, what comes in its place, or a
            function that makes that.
    """
    if id(node) in places:
        new = places[id(node)]
        return new() if callable(new) else new
    args = [replaced(arg, places) for arg in node.args]
    same = all(new is old for new, old in zip(args, node.args, strict=True))
    return node if same else node.copy(args)


def shown(node: Any, most: int = 80) -> str:
    """An expression as a user wrote it, as far as CVXPY tells, in so many letters."""
    text = " ".join(str(node).split()).replace(" + -", " - ")
    while (plain := _PROMOTED.sub(r"\1", text)) != text:
        text = plain
    return text if len(text) <= most else f"{text[: most - 3]}..."


def without_shape(node: Any) -> Any:
    """The scalar that has been given the shape of what it multiplies, or the node."""
    return node.args[0] if isinstance(node, Promote) else node
