"""What an engine is: an immutable record of settings that solves and differentiates."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from tf_cvxlayers.arguments import number_between, whole_number
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure


class Engine(abc.ABC):
    """Solves cone programs and applies the adjoint of their derivative.

    Both methods are functions of tensors and nothing else: whatever the backward pass
    needs is in its arguments. Engines compare by value and hold numbers, strings and
    dictionaries of them, so that Keras can save them.

    Attributes:
        name: what messages call it.
        portable: whether it runs in TensorFlow ops only, without Python.
        supports_jit: whether XLA can compile it.
        tolerance: the relative residual it solves to.
    """

    name: ClassVar[str]
    portable: ClassVar[bool]
    supports_jit: ClassVar[bool]
    tolerance: float

    @property
    @abc.abstractmethod
    def cones(self) -> frozenset[str]:
        """The kinds of cones that it solves and differentiates, see `program.cones`."""

    @abc.abstractmethod
    def solve(
        self, structure: ConeStructure, data: ConeData, thoroughly: Any = False
    ) -> ConeSolution:
        """The solutions of a batch.

        SOLVED is an element that is settled, see `optimality.refinement`. One that is
        said to have no solution holds a certificate, `y` or `x`, which the caller
        verifies.

        Args:
            structure, data: the programs, in units in which their numbers are near one.
            thoroughly: bool tensor, whether also what is nearly singular is to be
                solved, at whatever cost.
        """

    @abc.abstractmethod
    def adjoint(
        self,
        structure: ConeStructure,
        data: ConeData,
        solution: ConeSolution,
        cotangent: tuple[Any, Any, Any],
    ) -> ConeData:
        """The gradient with respect to the data, given that with respect to `x, y, s`.

        An element whose cotangent is zero gets a gradient of exactly zero. Data shared
        by the batch (batch axis 1) get the sum over the batch.
        """

    @property
    def needs(self) -> str | None:
        """What would have to be installed for it; None where nothing is missing."""
        return None

    def accepts(self, structure: ConeStructure) -> bool:
        """Whether it can handle a program of this structure."""
        return structure.cones.kinds <= self.cones

    @abc.abstractmethod
    def milliseconds(self, structure: ConeStructure, batch: int) -> float:
        """About what forward and backward take for a batch, on a processor with two
        cores: for a choice between engines, within a factor of two or three.

        The numbers are fitted on what `benchmarks/engines.py` measures.
        """

    def bytes_needed(self, structure: ConeStructure) -> int:
        """The memory that the matrices of one element take, at least."""
        return 0

    def check_settings(self, tolerance: Any, counts: dict[str, Any]) -> None:
        """Raise ArgumentError for a tolerance, or numbers of things, that are none."""
        settings: dict[str, Any] = {
            "tolerance": number_between("tolerance", tolerance, 0.0, 1.0)
        }
        settings |= {name: whole_number(name, count) for name, count in counts.items()}
        for name, value in settings.items():
            # As numbers of Python's, which a config can hold; settings are frozen.
            object.__setattr__(self, name, value)

    def get_config(self) -> dict[str, Any]:
        """The settings, as Keras' serialization wants them."""
        return dataclasses.asdict(cast(Any, self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Engine":
        """The engine with these settings."""
        return cls(**config)


class FoundAtOnce(NamedTuple):
    """What an engine finds at once, as arrays.

    Attributes:
        x, y, s: float64 `[B, size]`, in the units of the program; of elements that are
            not settled they say nothing.
        iterations: int32 `[B]`.
        missed: the relative residuals of `optimality.residuals`, float64 `[3, B]`.
        settled: bool `[B]`, which elements are SOLVED.
    """

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    iterations: np.ndarray
    missed: np.ndarray
    settled: np.ndarray


class AtOnce(Engine):
    """An engine that solves what is easy at once, outside of TensorFlow, its units and
    residuals and all, and leaves the rest to another engine. Abstract."""

    @property
    @abc.abstractmethod
    def rest(self) -> Engine:
        """What solves the rest; and everything where XLA compiles a model."""

    @abc.abstractmethod
    def solved(
        self, structure: ConeStructure, data: ConeData, rounding: float
    ) -> FoundAtOnce:
        """What is easy of a batch, verified.

        Args:
            structure, data: the programs, in any units, as arrays `[1 or B, size]`.
            rounding: of the numbers in `q` and `b`, relative to them.
        """

    @abc.abstractmethod
    def differentiated(
        self,
        structure: ConeStructure,
        data: ConeData,
        point: Sequence[np.ndarray],
        cotangent: Sequence[np.ndarray],
    ) -> tuple[ConeData, np.ndarray]:
        """The gradient of each element `[B, size]`, for that with respect to
        `x, y, s`; and which of them are right, bool `[B]`: others are not easy."""

    def solve(
        self, structure: ConeStructure, data: ConeData, thoroughly: Any = False
    ) -> ConeSolution:
        return self.rest.solve(structure, data, thoroughly)

    def adjoint(
        self,
        structure: ConeStructure,
        data: ConeData,
        solution: ConeSolution,
        cotangent: tuple[Any, Any, Any],
    ) -> ConeData:
        return self.rest.adjoint(structure, data, solution, cotangent)
