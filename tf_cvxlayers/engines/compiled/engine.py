"""The compiled engine: small dense programs, each solved by itself in machine code."""

import dataclasses
import functools
import importlib.util
import logging
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np

from tf_cvxlayers.engines.base import AtOnce, Engine, FoundAtOnce
from tf_cvxlayers.engines.compiled.profile import Profile
from tf_cvxlayers.engines.interior_point import InteriorPoint
from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.optimality.cones.table import geometry_of
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cone_program import ConeData, ConeStructure
from tf_cvxlayers.runtime.threads import in_threads

_LOGGER = logging.getLogger("tf_cvxlayers")

# What a call takes in milliseconds; and below how many of them its elements are not
# worth the start of a thread.
_CALL, _SERIAL = 1.3, 1.0
# The numbers of an element that stay near a processor.
_NEAR = 500_000


@dataclasses.dataclass(frozen=True)
class Compiled(AtOnce):
    """Solves small dense programs by machine code, each element by itself, on threads.

    With every cone of the package. The method is that of `InteriorPoint` without its
    embedding: a primal-dual iteration (Vandenberghe, "The CVXOPT linear and quadratic
    cone program solvers", 2010) and Newton's method on the optimality conditions, with
    the same conditions for SOLVED.
    What does not meet them, as where there is no solution, is solved by `InteriorPoint`
    with the same settings; so are all programs where XLA compiles a model.

    Needs Numba, `pip install tf_cvxlayers[fast]`, and Python where it runs; files for
    serving have `InteriorPoint` in its place.

    Args:
        tolerance: the relative residual up to which an element is iterated, where
            Newton's method does not get to the solution before.
        max_iterations: of the interior-point method, for each element.
        threads: how many elements are solved at a time; None for one a core.

    Raises:
        ArgumentError: a setting that is not one of these.

    Example:

    ```python
    engine = tf_cvxlayers.engines.Compiled(threads=1)
    layer = CvxpyLayer(problem, parameters=[x], variables=y, engine=engine)
    ```
    """

    name: ClassVar[str] = "compiled"
    portable: ClassVar[bool] = False
    supports_jit: ClassVar[bool] = True

    tolerance: float = 1e-9
    max_iterations: int = 50
    threads: int | None = None

    def __post_init__(self) -> None:
        counts = {"max_iterations": self.max_iterations, "threads": self.threads}
        given = {name: count for name, count in counts.items() if count is not None}
        self.check_settings(self.tolerance, given)

    @functools.cached_property
    def rest(self) -> Engine:
        return InteriorPoint(self.tolerance, self.max_iterations)

    @property
    def needs(self) -> str | None:
        there = importlib.util.find_spec("numba") is not None
        return None if there else "Numba: pip install tf_cvxlayers[fast]"

    @property
    def cones(self) -> frozenset[str]:
        return frozenset(
            {
                cones.ZERO,
                cones.NONNEGATIVE,
                cones.SECOND_ORDER,
                cones.PSD,
                cones.EXPONENTIAL,
                cones.POWER,
            }
        )

    def milliseconds(self, structure: ConeStructure, batch: int) -> float:
        return _CALL + batch * _milliseconds_of_each(structure)

    def bytes_needed(self, structure: ConeStructure) -> int:
        return self.rest.bytes_needed(structure)

    def solved(
        self, structure: ConeStructure, data: ConeData, rounding: float
    ) -> FoundAtOnce:
        from tf_cvxlayers.engines.compiled import kernels

        profile, batch = _profile_of(structure), cast(int, batch_size(data))
        shape, n, m = _shape_of(structure), structure.n, structure.m
        data = data._replace(q=profile.ordered(data.q))
        found = FoundAtOnce(
            np.zeros((batch, n)),
            np.zeros((batch, m)),
            np.zeros((batch, m)),
            np.zeros(batch, np.int32),
            np.zeros((3, batch)),
            np.zeros(batch, bool),
        )
        x, y, s, iterations, missed, settled = found
        _say_that_it_is_made("the solve", kernels.solve)

        def work(start: int, stop: int) -> None:
            kernels.solve(
                shape,
                *data,
                self.tolerance,
                self.max_iterations,
                rounding,
                start,
                stop,
                x,
                y,
                s,
                settled,
                iterations,
                missed,
            )

        self._in_threads(structure, work, batch)
        profile.put_back(x)
        return found

    def differentiated(
        self,
        structure: ConeStructure,
        data: ConeData,
        point: Sequence[np.ndarray],
        cotangent: Sequence[np.ndarray],
    ) -> tuple[ConeData, np.ndarray]:
        from tf_cvxlayers.engines.compiled import kernels

        profile, batch = _profile_of(structure), len(point[0])
        shape = _shape_of(structure)
        data = data._replace(q=profile.ordered(data.q))
        point = profile.ordered(point[0]), *point[1:]
        cotangent = profile.ordered(cotangent[0]), *cotangent[1:]
        gradient = ConeData(*(np.zeros((batch, part.shape[1])) for part in data))
        kept = np.zeros(batch, bool)
        _say_that_it_is_made("the adjoint", kernels.adjoint)

        def work(start: int, stop: int) -> None:
            kernels.adjoint(
                shape, *data, *point, *cotangent, start, stop, *gradient, kept
            )

        self._in_threads(structure, work, batch)
        profile.put_back(gradient.q)
        return gradient, kept

    def _in_threads(self, structure: ConeStructure, work: Any, batch: int) -> None:
        short = batch * _milliseconds_of_each(structure) < _SERIAL
        in_threads(work, batch, 1 if short else self.threads)


@functools.lru_cache(maxsize=256)
def _milliseconds_of_each(structure: ConeStructure) -> float:
    n, m, work = structure.n, structure.m, _profile_of(structure).work
    # Memory beyond what a processor keeps near takes time too, a page for each row.
    far = max(n * (n + 2 * m) - _NEAR, 0)
    curved = sum(
        run.number * geometry_of(run).compiled_milliseconds
        for run in structure.cones.runs
    )
    return 0.015 + 6.2e-4 * (n + m) + 9.6e-7 * work + 2.6e-6 * far + curved


def _say_that_it_is_made(name: str, function: Any) -> None:
    """Say in the log, to those who listen, what the first call takes its time for."""
    if not function.signatures:
        _LOGGER.info(
            "Loading the machine code of %s; compiling it if this machine has none "
            "yet, which takes 5 to 40 seconds.",
            name,
        )


@functools.lru_cache(maxsize=256)
def _shape_of(structure: ConeStructure) -> Any:
    # Numba, where it is needed.
    from tf_cvxlayers.engines.compiled.shape import Shape

    return Shape.of(structure, _profile_of(structure))


@functools.lru_cache(maxsize=256)
def _profile_of(structure: ConeStructure) -> Profile:
    return Profile.of(structure)
