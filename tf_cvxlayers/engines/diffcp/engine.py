"""The diffcp engine: a compiled solver for each element, on the thread pool.

Forward, diffcp hands each element to Clarabel, SCS or ECOS (Agrawal et al., 2019);
backward, the adjoint is our own, since diffcp's takes no quadratic objective, drops
the verdict of its LSQR, and is wrong for power cones. Nothing passes from forward to
backward but tensors.
"""

import dataclasses
import functools
import importlib.util
import json
from typing import Any, ClassVar, cast

import numpy as np
import tensorflow as tf

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.diffcp.element import ElementSolver
from tf_cvxlayers.engines.diffcp.solvers import SOLVERS
from tf_cvxlayers.errors import ArgumentError, Status
from tf_cvxlayers.linalg.batch_axis import batch_size
from tf_cvxlayers.optimality.adjoint import data_gradient, direct_adjoint
from tf_cvxlayers.optimality.certificates import is_infeasible
from tf_cvxlayers.optimality.cones.derivative import derivative_size
from tf_cvxlayers.optimality.forms import (
    curved_milliseconds,
    dense_numbers,
    fits_dense,
)
from tf_cvxlayers.optimality.matrices import (
    dense_matrices,
    sparse_matrices,
)
from tf_cvxlayers.optimality.refinement import Newton, refined, refined_densely
from tf_cvxlayers.optimality.sparse_kkt import Method, sparse_solve
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.program.serialization import payload_of, structure_from
from tf_cvxlayers.runtime import callback
from tf_cvxlayers.runtime.chunks import in_chunks
from tf_cvxlayers.runtime.threads import in_threads

_TOKEN = "tf_cvxlayers/diffcp/solve/v1"
# Below this many entries a solve is shorter than handing it to a thread.
_SERIAL_ENTRIES = 40
_DERIVATIVES = ("auto", "direct", "lsqr")

# What a point may miss of the conditions, relative to their terms, to be near a
# solution, whatever its solver says.
_NEAR = 1e-2


@dataclasses.dataclass(frozen=True)
class Diffcp(Engine):
    """Solves each element with a compiled solver through diffcp, outside TensorFlow.

    Handles every cone of the package, and needs Python where it runs.

    Args:
        solver: `"clarabel"` (interior point; the default), `"scs"` (operator splitting;
            the one that takes power cones), or `"ecos"` where it is installed (no
            quadratic objectives, no PSD cones).
        tolerance: the relative accuracy that is asked of the solver.
        max_iterations: of the solver; None for 200 (interior point) or 100,000 (SCS).
        threads: how many elements are solved at a time; None for one a core.
        derivative: `"direct"` factors the adjoint system (dense and batched while it is
            small, sparse beyond), `"lsqr"` solves it iteratively, `"auto"` is
            `"direct"`. Singular systems get their least-squares solution either way.
        solver_options: more settings, in the solver's own words: the numbers and
            switches that `solvers.SOLVERS` lists.

    Raises:
        ArgumentError: a setting that is not one of these.

    Example:

    ```python
    engine = tf_cvxlayers.engines.Diffcp(solver="scs", tolerance=1e-8)
    layer = CvxpyLayer(problem, parameters=[x], variables=y, engine=engine)
    ```
    """

    name: ClassVar[str] = "diffcp"
    portable: ClassVar[bool] = False
    supports_jit: ClassVar[bool] = False

    solver: str = "clarabel"
    tolerance: float = 1e-9
    max_iterations: int | None = None
    threads: int | None = None
    derivative: str = "auto"
    solver_options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.solver, str) or self.solver not in SOLVERS:
            raise ArgumentError(
                f"Expected solver to be one of {sorted(SOLVERS)}. "
                f"Received: solver={self.solver!r}."
            )
        if importlib.util.find_spec(self.solver) is None:
            raise ArgumentError(
                f"Expected solver={self.solver!r} to be installed. "
                f"Received: none; try `pip install {self.solver}`."
            )
        if self.derivative not in _DERIVATIVES:
            raise ArgumentError(
                f"Expected derivative to be one of {list(_DERIVATIVES)}. "
                f"Received: derivative={self.derivative!r}."
            )
        counts = {"max_iterations": self.max_iterations, "threads": self.threads}
        given = {name: count for name, count in counts.items() if count is not None}
        self.check_settings(self.tolerance, given)
        if self.solver_options is not None:
            SOLVERS[self.solver].check_options(self.solver_options)

    def __hash__(self) -> int:
        return hash(json.dumps(self.get_config(), sort_keys=True))

    @property
    def cones(self) -> frozenset[str]:
        return SOLVERS[self.solver].cones

    def accepts(self, structure: ConeStructure) -> bool:
        quadratic = SOLVERS[self.solver].quadratic
        return super().accepts(structure) and (quadratic or structure.P.size == 0)

    def milliseconds(self, structure: ConeStructure, batch: int) -> float:
        entries = structure.A.size + structure.P.size + structure.n + structure.m
        each = SOLVERS[self.solver].slowness * (0.18 + 5.9e-4 * entries)
        return 2.3 + batch * (each + curved_milliseconds(structure))

    def bytes_needed(self, structure: ConeStructure) -> int:
        if fits_dense(structure):
            return 8 * dense_numbers(structure)
        # The numbers of rows and columns are as large.
        return 24 * derivative_size(structure.cones)

    def _element_solver(self, structure: ConeStructure) -> ElementSolver:
        """The solver of one element of this structure, with the engine's settings."""
        solver = SOLVERS[self.solver]
        limit = self.max_iterations or solver.max_iterations
        given = self.solver_options or {}
        options = {
            **dict.fromkeys(solver.tolerances, self.tolerance),
            solver.limit: limit,
            **dict(solver.fixed),
            **given,
        }
        careful = {k: value for k, value in solver.careful if k not in given}
        return ElementSolver(structure, solver.method, limit, options, careful)

    def solve(
        self,
        structure: ConeStructure,
        data: ConeData,
        thoroughly: tf.Tensor | bool = False,
    ) -> ConeSolution:
        settings = json.dumps(self.get_config()).encode()
        batch = batch_size(data)
        outputs = callback.call(
            _TOKEN,
            [callback.bytes_tensor(part) for part in (*payload_of(structure), settings)]
            + [*data],
            [tf.float64, tf.float64, tf.float64, tf.int32, tf.int32],
            [
                (batch, structure.n),
                (batch, structure.m),
                (batch, structure.m),
                (batch,),
                (batch,),
            ],
        )
        solution = ConeSolution(*outputs)
        if fits_dense(structure):
            *point, settled, missed = in_chunks(
                lambda *tensors: _refined(
                    structure, tensors[:4], tensors[4:], thoroughly
                ),
                [*data, *solution[:3]],
                [tf.TensorSpec([part.shape[1]], tf.float64) for part in solution[:3]]
                + [tf.TensorSpec([], tf.bool), tf.TensorSpec([], tf.float64)],
                structure.P.size + structure.A.size,
            )
            return _judged(solution, solution.at(*point), settled, missed)
        sparse = sparse_matrices(structure, data)
        newton = self._sparse_newton(structure, data)
        closer, *verdict = refined(
            structure.cones, sparse, solution[:3], newton, thoroughly
        )
        return _judged(solution, solution.at(*closer), *verdict)

    def _sparse_newton(self, structure: ConeStructure, data: ConeData) -> Newton:
        """Newton's steps by sparse factorization."""

        def at(pair, settled):
            def steps(F):
                # Nothing is factored for a system without a right-hand side.
                minus_F1, minus_F2 = (
                    tf.where(tf.expand_dims(settled, 1), tf.zeros_like(part), -part)
                    for part in F
                )
                right = minus_F1, tf.zeros_like(F[1]), minus_F2
                matrices = data.P, -data.A
                return sparse_solve(
                    structure, matrices, pair, right, Method.FACTOR, self.threads
                )

            return steps

        return at

    def adjoint(
        self,
        structure: ConeStructure,
        data: ConeData,
        solution: ConeSolution,
        cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> ConeData:
        iterative = self.derivative == "lsqr"
        if not iterative and fits_dense(structure):
            return direct_adjoint(structure, data, solution, cotangent)
        gx, gy, gs = cotangent
        r = sparse_solve(
            structure,
            (data.P, data.A),
            (solution.y, solution.s),
            (gx, -gs, gy + gs),
            Method.LSQR if iterative else Method.FACTOR_OR_LSQR,
            self.threads,
        )
        return data_gradient(structure, data, solution, cotangent, r)


def _refined(
    structure: ConeStructure, data, point, thoroughly
) -> tuple[tf.Tensor, ...]:
    """`(x, y, s)`, refined with dense matrices, whether it is settled, and how much of
    the conditions it misses."""
    dense = dense_matrices(structure, ConeData(*data))
    closer, *verdict = refined_densely(structure.cones, dense, point, thoroughly)
    return *closer, *verdict


def _judged(
    claimed: ConeSolution,
    solution: ConeSolution,
    settled: tf.Tensor,
    missed: tf.Tensor,
) -> ConeSolution:
    """The refined solution, or the certificate that a solver claims to have."""
    certified = tf.expand_dims(
        is_infeasible(claimed.status) & tf.logical_not(settled), 1
    )
    pairs = zip(claimed[:3], solution[:3], strict=True)
    point = claimed.at(*(tf.where(certified, *pair) for pair in pairs))
    status = claimed.status
    near = tf.where(missed <= _NEAR, Status.INACCURATE, Status.NUMERICAL_ERROR)
    status = tf.where(status <= Status.INACCURATE, near, status)
    return point._replace(status=tf.where(settled, Status.SOLVED, status))


@functools.lru_cache(maxsize=256)
def _engine(settings: bytes) -> Diffcp:
    return Diffcp(**json.loads(settings))


def _solve_batch(key, payload, settings, *arrays) -> list[np.ndarray]:
    """The callback: NumPy arrays in, NumPy arrays out."""
    structure = structure_from(key, payload)
    engine = _engine(settings.tobytes())
    data = ConeData(*arrays)
    batch = cast(int, batch_size(arrays))
    n, m = structure.n, structure.m
    x, y, s = np.zeros((batch, n)), np.zeros((batch, m)), np.zeros((batch, m))
    status = np.full(batch, Status.NUMERICAL_ERROR, np.int32)
    iterations = np.zeros(batch, np.int32)
    solver = engine._element_solver(structure)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            element = (array[0 if len(array) == 1 else k] for array in data)
            status[k], iterations[k], point = solver.outcome(*element)
            if point is not None:
                x[k], y[k], s[k] = point

    small = structure.A.size + structure.P.size < _SERIAL_ENTRIES
    in_threads(work, batch, 1 if small else engine.threads)
    return [x, y, s, status, iterations]


callback.register(_TOKEN, _solve_batch)
