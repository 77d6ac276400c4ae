"""The cone program in the middle of everything, and its notation.

    minimize    (1/2) x'P x + q'x
    subject to  A x + s = b,   s in K

with the dual variable `y` in the dual cone `K*`. In the whole package

    P q A b   problem data              n   number of variables
    x         primal variable           m   number of rows, one for each entry of s
    y         dual variable             B   number of batch elements
    s         slack                     K   product of cones, see `cones`

`P` stands for the symmetric part of the matrix that is stored, which need not be
symmetric. Nothing here knows of CVXPY or TensorFlow.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from tf_cvxlayers.linalg.band import Band
from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.program.cones import ConeDims

# The attributes of CVXPY's parameters that values are held to, in the order of the
# checks. `pipeline.attributes` says what they mean.
ATTRIBUTE_NAMES = ("nonneg", "nonpos", "pos", "neg", "symmetric", "PSD", "NSD", "diag")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ParameterSpec:
    """A parameter of the problem: its name, shape, and what its values must satisfy.

    Attributes:
        attributes: names among `ATTRIBUTE_NAMES`.
        bounds: lower and upper bound, each broadcastable to `shape`, or None.
        support: flat indices (C order) of the entries that may differ from zero, or
            None for all.
    """

    name: str
    shape: tuple[int, ...]
    attributes: tuple[str, ...] = ()
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    support: np.ndarray | None = None

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class VariableSpec:
    """A primal or dual variable that is returned: a linear map of `(x, y)`.

    `exponential` marks a variable of a geometric program, solved for its logarithm.
    """

    name: str
    shape: tuple[int, ...]
    recovery: LinearMap
    exponential: bool = False


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConeStructure:
    """What an engine has to know before it sees numbers: sizes, patterns, cones."""

    P: Pattern
    A: Pattern
    cones: ConeDims

    @property
    def n(self) -> int:
        """The number of variables."""
        return self.A.shape[1]

    @property
    def m(self) -> int:
        """The number of rows."""
        return self.A.shape[0]

    def are_inequalities(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows are in the nonnegative cone, bool."""
        first = self.cones.zero
        return (rows >= first) & (rows < first + self.cones.nonnegative)

    @functools.cached_property
    def bounds(self) -> np.ndarray:
        """The rows with one entry, in the zero and the nonnegative cone: equalities and
        inequalities on one variable each."""
        counts = np.bincount(self.A.rows, minlength=self.m)
        return np.flatnonzero(counts[: self.cones.zero + self.cones.nonnegative] == 1)

    @functools.cached_property
    def band(self) -> Band | None:
        """The band of `P + A'W A`, where equalities and inequalities are all there is
        and it has one."""
        return Band.of(self.P, self.A) if self.cones.is_polyhedral else None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConeProgram:
    """A parametrized cone program: a structure, and where its numbers come from.

    The numbers are affine in the *features*: the flattened parameters (C order), or
    their logarithms, one after another, and a constant one at the end.

    Attributes:
        structure: patterns and cones.
        maps: `P`, `q`, `A` and `b` from the features; for `P` and `A`, the values on
            the pattern.
        parameters: in the order in which their values are given.
        features: for each block of features, which parameter, and whether its
            logarithm.
        variables: what is returned.
    """

    structure: ConeStructure
    maps: "ConeData"
    parameters: tuple[ParameterSpec, ...]
    features: tuple[tuple[int, bool], ...]
    variables: tuple[VariableSpec, ...]


class ConeData(NamedTuple):
    """One thing for each of `P`, `q`, `A`, `b`.

    As numbers: float64 tensors `P [B, entries]`, `q [B, n]`, `A [B, entries]`,
    `b [B, m]`. A batch axis of length 1 says that the whole batch shares the values.
    """

    P: Any
    q: Any
    A: Any
    b: Any


class ConeSolution(NamedTuple):
    """What an engine returns: float64 `x [B, n]`, `y [B, m]`, `s [B, m]`; int32
    `status [B]` and `iterations [B]`. Elements without a solution hold zeros."""

    x: Any
    y: Any
    s: Any
    status: Any
    iterations: Any

    def at(self, x: Any, y: Any, s: Any) -> "ConeSolution":
        """The same verdict on another point."""
        return self._replace(x=x, y=y, s=s)
