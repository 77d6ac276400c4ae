"""The cones of a program: their order, their rows, their packing.

Rows follow the order of SCS: zero, nonnegative, second-order, positive
semidefinite (PSD), exponential, power (O'Donoghue et al., "Conic optimization via
operator splitting and homogeneous self-dual embedding", 2016, and the SCS manual).

* second-order: `(t, u)` with `||u|| <= t`;
* PSD, order k: the lower triangle column by column, off-diagonal entries times sqrt(2),
  so that inner products of packed vectors are inner products of matrices;
* exponential: `(x, y, z)` with `y exp(x / y) <= z`, `y > 0`, and its closure;
* power with exponent a: `(x, y, z)` with `x^a y^(1 - a) >= |z|`, `x, y >= 0`.

A kind of cone is a name, a field of `ConeDims`, and a line of `KINDS`. Nothing in the
package compares names of kinds: what differs from kind to kind is looked up in a table.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tf_cvxlayers.errors import numbered

ZERO = "zero"
NONNEGATIVE = "nonnegative"
SECOND_ORDER = "second_order"
PSD = "psd"
EXPONENTIAL = "exponential"
POWER = "power"


class Kind(NamedTuple):
    """What a kind of cone makes of its field in `ConeDims`.

    Attributes:
        cones: from the field to the rows of each cone and its parameter, which is its
            order or exponent, or zero where it has none.
        is_flat: whether it has flat sides only. The rows of a flat cone are independent
            of one another, those of a curved one have one unit.
        words: the field in words.
    """

    cones: Callable[[Any], list[tuple[int, float]]]
    is_flat: bool
    words: Callable[[Any], str]


def _together(*words: str) -> Kind:
    """A flat kind whose field is a number of rows, which are one cone together."""
    return Kind(
        cones=lambda rows: [(rows, 0)] if rows else [],
        is_flat=True,
        words=lambda rows: numbered(rows, *words),
    )


def _listed(*words: str, rows: Callable[[Any], int]) -> Kind:
    """A curved kind whose field lists the parameter of each cone."""
    return Kind(
        cones=lambda listed: [(rows(parameter), parameter) for parameter in listed],
        is_flat=False,
        words=lambda listed: f"{numbered(len(listed), *words)} {list(listed)}",
    )


def _counted(*words: str, rows: int) -> Kind:
    """A curved kind whose field says how many cones there are, all of them equal."""
    return Kind(
        cones=lambda number: [(rows, 0)] * number,
        is_flat=False,
        words=lambda number: numbered(number, *words),
    )


# In the order of the rows. The names are those of the fields of `ConeDims`.
KINDS: dict[str, Kind] = {
    ZERO: _together("equality", "equalities"),
    NONNEGATIVE: _together("inequality", "inequalities"),
    SECOND_ORDER: _listed(
        "second-order cone", "second-order cones", rows=lambda size: size
    ),
    PSD: _listed(
        "PSD cone of order", "PSD cones of order", rows=lambda order: triangle(order)
    ),
    EXPONENTIAL: _counted("exponential cone", "exponential cones", rows=3),
    POWER: _listed("power cone", "power cones", rows=lambda _exponent: 3),
}


class Cone(NamedTuple):
    """One cone of a product: its kind, its number of rows, its order or exponent."""

    kind: str
    rows: int
    parameter: float


class Run(NamedTuple):
    """Equal cones next to each other: what each of them is, how many there are, and the
    first of their rows."""

    kind: str
    rows: int
    parameter: float
    number: int
    start: int

    @property
    def size(self) -> int:
        """The number of rows of all of them."""
        return self.rows * self.number

    @property
    def span(self) -> slice:
        """Their rows among those of the product."""
        return slice(self.start, self.start + self.size)


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
            Cone(name, rows, parameter)
            for name, kind in KINDS.items()
            for rows, parameter in kind.cones(getattr(self, name))
        )

    @functools.cached_property
    def runs(self) -> tuple[Run, ...]:
        """The cones in the order of their rows, equal neighbours together."""
        runs, start = [], 0
        for cone, equal in itertools.groupby(self.blocks):
            runs.append(Run(*cone, len(list(equal)), start))
            start += runs[-1].size
        return tuple(runs)

    @functools.cached_property
    def size(self) -> int:
        """The number of rows."""
        return sum(cone.rows for cone in self.blocks)

    @functools.cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of cones that occur."""
        return frozenset(cone.kind for cone in self.blocks)

    @property
    def is_polyhedral(self) -> bool:
        """Whether the product has flat sides only."""
        return all(KINDS[kind].is_flat for kind in self.kinds)

    def with_equal_cones_together(self) -> tuple["ConeDims", np.ndarray]:
        """The product with equal cones next to each other, and the order `[size]` of
        the rows that brings them there."""
        blocks = self.blocks
        ends = np.cumsum([cone.rows for cone in blocks], dtype=int)
        kinds = list(KINDS)
        order = sorted(
            range(len(blocks)),
            key=lambda k: (kinds.index(blocks[k].kind), blocks[k].parameter),
        )
        rows = [np.arange(ends[k] - blocks[k].rows, ends[k]) for k in order]
        lists: dict[str, Any] = {
            name: tuple(sorted(sizes))
            for name in kinds
            if isinstance(sizes := getattr(self, name), tuple)
        }
        dims = dataclasses.replace(self, **lists)
        return dims, np.concatenate([np.zeros(0, int), *rows])

    def row_in_words(self, row: int) -> str:
        """Where a row is: its place in a flat cone, or the number of its curved cone
        among those of the same kind. Both are counted from zero."""
        start, numbers = 0, dict.fromkeys(KINDS, 0)
        for kind, rows, _ in self.blocks:
            if row < start + rows:
                if KINDS[kind].is_flat:
                    return f"row {row - start} of the {kind} cone"
                return f"cone {numbers[kind]} of kind '{kind}'"
            start += rows
            numbers[kind] += 1
        raise ValueError(f"Expected a row below {start}. Received: row={row}.")

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
