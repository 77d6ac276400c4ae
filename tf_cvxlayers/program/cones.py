"""The cones of a program: their order, their rows, their packing.

Rows follow the order of SCS: zero, nonnegative, second-order, positive
semidefinite (PSD), exponential, power (O'Donoghue et al., "Conic optimization via
operator splitting and homogeneous self-dual embedding", 2016, and the SCS manual).

* second-order: `(t, u)` with `||u|| <= t`;
* PSD, order k: the lower triangle column by column, off-diagonal entries times sqrt(2),
  so that inner products of packed vectors are inner products of matrices;
* exponential: `(x, y, z)` with `y exp(x / y) <= z`, `y > 0`, and its closure;
* power with exponent a: `(x, y, z)` with `x^a y^(1 - a) >= |z|`, `x, y >= 0`.

A kind of cone is a name, a field of `ConeDims`, and a line of `KINDS`; nothing else in
the package asks which kind it has before it, but looks the name up in a table.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

ZERO = "zero"
NONNEGATIVE = "nonnegative"
SECOND_ORDER = "second_order"
PSD = "psd"
EXPONENTIAL = "exponential"
POWER = "power"


class Kind(NamedTuple):
    """What a kind of cone makes of its field in `ConeDims`.

    Attributes:
        parameters: from the field to one parameter for each cone: its order or its
            exponent, zero where it has none.
        rows: how many rows the cone of a parameter has, given field and parameter.
        is_flat: whether it has flat sides only. The rows of a flat cone are independent
            of one another, those of a curved one keep a common unit.
        words: the field in words.
    """

    parameters: Callable[[Any], tuple[float, ...]]
    rows: Callable[[Any, float], int]
    is_flat: bool
    words: Callable[[Any], str]


def _joined(words: str) -> Kind:
    """A kind whose field is a number of rows, which are one cone together."""
    return Kind(
        parameters=lambda rows: (0,) if rows else (),
        rows=lambda rows, _: rows,
        is_flat=True,
        words=lambda rows: f"{rows} {words}",
    )


def _listed(words: str, rows: Callable[[Any], int]) -> Kind:
    """A curved kind whose field lists the parameter of each cone."""
    return Kind(
        parameters=lambda listed: listed,
        rows=lambda _, parameter: rows(parameter),
        is_flat=False,
        words=lambda listed: f"{len(listed)} {words} {list(listed)}",
    )


def _counted(words: str, rows: int) -> Kind:
    """A curved kind whose field says how many cones there are, all equal."""
    return Kind(
        parameters=lambda number: (0,) * number,
        rows=lambda _number, _parameter: rows,
        is_flat=False,
        words=lambda number: f"{number} {words}",
    )


# In the order of the rows.
KINDS: dict[str, Kind] = {
    ZERO: _joined("equalities"),
    NONNEGATIVE: _joined("inequalities"),
    SECOND_ORDER: _listed("second-order cones", lambda size: size),
    PSD: _listed("PSD cones of order", lambda order: triangle(order)),
    EXPONENTIAL: _counted("exponential cones", 3),
    POWER: _listed("power cones", lambda _exponent: 3),
}


class Cone(NamedTuple):
    """One cone of a product: its kind, its number of rows, its order or exponent."""

    kind: str
    rows: int
    parameter: float


class Run(NamedTuple):
    """Equal cones next to each other: what each of them is, and how many there are."""

    kind: str
    rows: int
    parameter: float
    number: int


@dataclasses.dataclass(frozen=True)
class ConeDims:
    """The sizes of the cones whose product is `K`.

    Attributes:
        zero: number of equality rows.
        nonnegative: number of inequality rows.
        second_order: dimension of each second-order cone.
        psd: order of each matrix.
        exponential: number of exponential cones, of three rows each.
        power: exponent of each power cone, of three rows each.
    """

    zero: int = 0
    nonnegative: int = 0
    second_order: tuple[int, ...] = ()
    psd: tuple[int, ...] = ()
    exponential: int = 0
    power: tuple[float, ...] = ()

    @functools.cached_property
    def blocks(self) -> tuple[Cone, ...]:
        """The cones in the order of their rows."""
        return tuple(
            Cone(name, kind.rows(getattr(self, name), parameter), parameter)
            for name, kind in KINDS.items()
            for parameter in kind.parameters(getattr(self, name))
        )

    @property
    def runs(self) -> tuple[Run, ...]:
        """The cones, equal neighbours together."""
        return tuple(
            Run(*cone, len(list(equal)))
            for cone, equal in itertools.groupby(self.blocks)
        )

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(cone.rows for cone in self.blocks)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of cones that occur."""
        return frozenset(cone.kind for cone in self.blocks)

    @property
    def is_polyhedral(self) -> bool:
        """Whether the product has flat sides only."""
        return all(KINDS[kind].is_flat for kind in self.kinds)

    def places(self, kind: str) -> Iterator[tuple[int, float]]:
        """The first row and the parameter of each cone of one kind."""
        start = 0
        for cone in self.blocks:
            if cone.kind == kind:
                yield start, cone.parameter
            start += cone.rows

    def grouped(self) -> tuple["ConeDims", np.ndarray]:
        """The product with equal cones next to each other, and the order `[size]` that
        brings the rows there."""
        names = list(KINDS)
        ends = np.cumsum([cone.rows for cone in self.blocks], dtype=int)
        order = sorted(
            range(len(self.blocks)),
            key=lambda k: (names.index(self.blocks[k].kind), self.blocks[k].parameter),
        )
        rows = [np.arange(ends[k] - self.blocks[k].rows, ends[k]) for k in order]
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        for name, value in fields.items():
            if isinstance(value, tuple):
                fields[name] = tuple(sorted(value))
        return ConeDims(**fields), np.concatenate([np.zeros(0, int), *rows])

    def describe(self) -> str:
        """The cones in words."""
        words = [
            kind.words(getattr(self, name))
            for name, kind in KINDS.items()
            if getattr(self, name)
        ]
        return ", ".join(words) or "no constraints"


def triangle(order: int) -> int:
    """The number of entries in a triangle of a matrix of this order."""
    return order * (order + 1) // 2


def svec_indices(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scales of the packed lower triangle, in packed order."""
    columns, rows = np.triu_indices(order)
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))
