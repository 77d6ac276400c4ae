"""The cones of a program: their order, their rows, their packing.

Rows follow the order of SCS: zero, nonnegative, second-order, positive
semidefinite (PSD), exponential, power (O'Donoghue et al., "Conic optimization via
operator splitting and homogeneous self-dual embedding", 2016, and the SCS manual).

* second-order: `(t, u)` with `||u|| <= t`;
* PSD, order k: the lower triangle column by column, off-diagonal entries times sqrt(2),
  so that inner products of packed vectors are inner products of matrices;
* exponential: `(x, y, z)` with `y exp(x / y) <= z`, `y > 0`, and its closure;
* power with exponent a: `(x, y, z)` with `x^a y^(1 - a) >= |z|`, `x, y >= 0`.
"""

import dataclasses
import itertools

import numpy as np

ZERO = "zero"
NONNEGATIVE = "nonnegative"
SECOND_ORDER = "second_order"
PSD = "psd"
EXPONENTIAL = "exponential"
POWER = "power"


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

    @property
    def blocks(self) -> tuple[tuple[str, int, float], ...]:
        """Each cone in row order: its kind, its rows, its order or exponent."""
        blocks: list[tuple[str, int, float]] = []
        if self.zero:
            blocks.append((ZERO, self.zero, 0))
        if self.nonnegative:
            blocks.append((NONNEGATIVE, self.nonnegative, 0))
        blocks += [(SECOND_ORDER, size, size) for size in self.second_order]
        blocks += [(PSD, triangle(order), order) for order in self.psd]
        blocks += [(EXPONENTIAL, 3, 0)] * self.exponential
        blocks += [(POWER, 3, exponent) for exponent in self.power]
        return tuple(blocks)

    @property
    def runs(self) -> tuple[tuple[str, int, float, int], ...]:
        """The blocks, equal neighbours together: kind, rows and order of each of them,
        and how many there are."""
        return tuple(
            (*block, len(list(equal)))
            for block, equal in itertools.groupby(self.blocks)
        )

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(rows for _, rows, _ in self.blocks)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of cones that occur."""
        return frozenset(kind for kind, _, _ in self.blocks)

    @property
    def is_polyhedral(self) -> bool:
        """Whether the cone has flat sides only."""
        return self.kinds <= {ZERO, NONNEGATIVE}

    def describe(self) -> str:
        """The cones in words."""
        counts = [
            (self.zero, "equalities"),
            (self.nonnegative, "inequalities"),
            (len(self.second_order), f"second-order cones {list(self.second_order)}"),
            (len(self.psd), f"PSD cones of order {list(self.psd)}"),
            (self.exponential, "exponential cones"),
            (len(self.power), f"power cones {list(self.power)}"),
        ]
        return ", ".join(f"{n} {words}" for n, words in counts if n) or "no constraints"


def triangle(order: int) -> int:
    """The number of entries in a triangle of a matrix of this order."""
    return order * (order + 1) // 2


def svec_indices(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scales of the packed lower triangle, in packed order."""
    columns, rows = np.triu_indices(order)
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))
