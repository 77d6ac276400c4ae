"""A smaller program with the same solution, by a plan made once.

CVXPY's cone form copies a parameter that is multiplied by another into a variable, and
defines a variable for the argument of a sum of squares. The ReLU layer
`minimize ||z - V x - b||^2, z >= 0, V == W` of 20 units has 440 variables in that form
and 20 without its copies and definitions; the cost of a solve grows with the cube.

The plan follows from the sparsity patterns and from which coefficients are constants,
so it serves every value of the parameters. Applying it is TensorFlow ops, through which
TensorFlow differentiates.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.submatrices import numbered
from tf_cvxlayers.pipeline.reduction.chain import Chain
from tf_cvxlayers.pipeline.reduction.dropped_rows import DroppedRows
from tf_cvxlayers.pipeline.reduction.elimination import Elimination
from tf_cvxlayers.pipeline.reduction.empty_rows import empty_rows
from tf_cvxlayers.pipeline.reduction.epigraphs import epigraphs
from tf_cvxlayers.pipeline.reduction.implied_rows import implied_rows
from tf_cvxlayers.pipeline.reduction.infinite_rows import infinite_rows
from tf_cvxlayers.program.cone_program import (
    ConeData,
    ConeProgram,
    ConeSolution,
    ConeStructure,
    VariableSpec,
)

# From so many steps on they are one (`chain`): fewer are as fast by themselves.
_LONG = 4
# A pivot is not chosen when it is so much smaller than another constant in its row.
_SMALL_PIVOT = 1e-3


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reduction:
    """A sequence of eliminations, of variables and of rows.

    Attributes:
        structure: of the program after all of them.
        rows: the number that each of its rows had before.
        eliminations: in the order in which they are applied.
        needs_x, needs_y: whether a variable, or a dual, that was eliminated is among
            what the program returns. What nobody wants is not computed.
        variables: what the program returns, by the solution that `expand` gives.
    """

    structure: ConeStructure
    rows: np.ndarray
    eliminations: tuple[Elimination | DroppedRows, ...]
    needs_x: bool
    needs_y: bool
    variables: tuple[VariableSpec, ...]

    def apply(self, data: ConeData) -> tuple[ConeData, ...]:
        """The data before, between and after the eliminations."""
        stages = [data]
        for elimination in self.eliminations:
            stages.append(elimination.apply(stages[-1]))
        return tuple(stages)

    def expand(
        self, stages: tuple[ConeData, ...], solution: ConeSolution
    ) -> ConeSolution:
        """The solution of the whole program, from that of the reduced one; or that one
        as it is, where nothing that was eliminated is wanted."""
        if not (self.needs_x or self.needs_y):
            return solution
        for elimination, data in zip(
            reversed(self.eliminations), reversed(stages[:-1]), strict=True
        ):
            solution = elimination.expand(data, solution, self.needs_x, self.needs_y)
        return solution


def plan_reduction(program: ConeProgram) -> Reduction:
    """The plan for a program.

    Raises:
        ProblemError: a constraint that holds for no value of variables and parameters,
            or a constant that is not finite.
    """
    structure = program.structure
    infinite = infinite_rows(program)
    with tf.init_scope():
        # Values that are not constant are NaN, and make NaN of what depends on them.
        data = ConeData(*(tf.constant(_constants(m)) for m in program.maps))
        eliminations: list[Elimination | DroppedRows] = []
        rows = np.arange(structure.m)
        if infinite is not None:
            eliminations.append(infinite)
            data, structure, rows = infinite.apply(data), infinite.after, infinite.S
        before, is_wanted = data, np.isin(rows, _wanted_rows(program))
        steps, structure, data = _in_turn(_next_elimination, structure, data)
        if len(steps) >= _LONG:
            chain = Chain.of(steps)
            if not is_wanted[chain.R].any():
                steps, structure, data = [chain], chain.after, chain.apply(before)
        eliminations += steps
        steps, structure, data = _in_turn(epigraphs, structure, data)
        eliminations += steps
        for dropped_by in (empty_rows, implied_rows):
            arrays = _arrays(data)
            dropped = dropped_by(structure, arrays.A, arrays.b)
            if dropped is not None:
                eliminations.append(dropped)
                data, structure = dropped.apply(data), dropped.after
    n, m = program.structure.n, program.structure.m
    kept_x, kept_y = np.arange(n), np.arange(m)
    for done in eliminations:
        kept_x, kept_y = kept_x[done.K], kept_y[done.S]
    where = numbered(np.concatenate([kept_x, n + kept_y]), n + m)
    wanted = [variable.recovery.columns for variable in program.variables]
    columns = np.concatenate([*wanted, np.zeros(0, int)])
    gone = columns[where[columns] < 0]
    needs_x, needs_y = bool(np.any(gone < n)), bool(np.any(gone >= n))
    variables = program.variables
    if not gone.size:
        variables = tuple(_renumbered(of, where) for of in variables)
    return Reduction(
        structure=structure,
        rows=kept_y,
        eliminations=tuple(eliminations),
        needs_x=needs_x,
        needs_y=needs_y,
        variables=variables,
    )


def _in_turn(
    next_step: Callable[[ConeStructure, ConeData], Elimination | None],
    structure: ConeStructure,
    data: ConeData,
) -> tuple[list[Elimination], ConeStructure, ConeData]:
    """All steps, one after another, and what they leave."""
    steps: list[Elimination] = []
    while (step := next_step(structure, _arrays(data))) is not None:
        steps.append(step)
        structure, data = step.after, step.apply(data)
    return steps, structure, data


def _wanted_rows(program: ConeProgram) -> np.ndarray:
    """The rows whose duals the program returns."""
    columns = [variable.recovery.columns for variable in program.variables]
    n = program.structure.n
    return np.concatenate([np.zeros(0, int), *columns]) - n


def _renumbered(variable: VariableSpec, where: np.ndarray) -> VariableSpec:
    """The variable by a solution `(x, y)` whose numbers are at other places."""
    recovery = variable.recovery
    size = int(where.max(initial=-1)) + 1
    recovery = dataclasses.replace(
        recovery,
        columns=where[recovery.columns],
        shape=(recovery.shape[0], size),
    )
    return dataclasses.replace(variable, recovery=recovery)


def _constants(linear_map) -> np.ndarray:
    """The values `[1, size]` that depend on no parameter, NaN for the others."""
    size, features = linear_map.shape
    values = np.zeros(size)
    constant = linear_map.columns == features - 1
    np.add.at(values, linear_map.rows[constant], linear_map.values[constant])
    values[linear_map.rows[~constant]] = np.nan
    return values[None]


def _arrays(data: ConeData) -> ConeData:
    """The data of the one element, as arrays."""
    return ConeData(*(part[0].numpy() for part in data))


def _next_elimination(structure: ConeStructure, data: ConeData) -> Elimination | None:
    """The next step, or None: first what only shrinks, then definitions together."""
    copies = _pivots(structure, data.A, only_copies=True)
    if copies is not None:
        return copies
    definitions = _pivots(structure, data.A, only_copies=False)
    if definitions is None:
        return None
    before = structure.P.size + structure.A.size
    after = definitions.after.P.size + definitions.after.A.size
    return definitions if after <= before else None


def _pivots(
    structure: ConeStructure, A: np.ndarray, only_copies: bool
) -> Elimination | None:
    """Equality rows with a variable each that they define, none in another's row.

    A copy is a row with at most one other variable: substituting it fills in nothing. A
    definition has many, but its variable occurs in no other row.
    """
    pattern = structure.A
    order = pattern.by_row
    edges = np.searchsorted(pattern.rows[order], np.arange(structure.cones.zero + 1))
    uses = np.bincount(pattern.columns, minlength=structure.n)
    length = np.diff(edges)
    taken, used = np.zeros(structure.n, bool), np.zeros(structure.n, bool)
    R: list[int] = []
    E: list[int] = []
    g: list[float] = []
    for row in np.argsort(length, kind="stable"):
        entries = order[edges[row] : edges[row + 1]]
        columns, values = pattern.columns[entries], A[entries]
        if taken[columns].any() or (only_copies and columns.size > 2):
            continue
        known = np.flatnonzero(np.isfinite(values) & (values != 0))
        if not known.size or len(E) == structure.n - 1:
            continue
        size = np.abs(values[known])
        known = known[size >= _SMALL_PIVOT * size.max()]
        free = ~used[columns[known]]
        if not only_copies:
            free &= uses[columns[known]] == 1
        known = known[free]
        if not known.size:
            continue
        pivot = known[np.argmin(uses[columns[known]])]
        R.append(row)
        E.append(columns[pivot])
        g.append(values[pivot])
        taken[columns[pivot]] = True
        used[columns] = True
    if not R:
        return None
    return Elimination(
        structure, np.array(R, np.int64), np.array(E, np.int64), np.array(g)
    )
