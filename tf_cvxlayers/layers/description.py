"""A layer in words."""

from collections.abc import Mapping, Sequence

import numpy as np

from tf_cvxlayers.errors import numbered
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.pipeline.attributes import constraints_of
from tf_cvxlayers.pipeline.pipeline import Pipeline
from tf_cvxlayers.program.cone_program import ConeStructure, ParameterSpec
from tf_cvxlayers.program.cones import KINDS, NONNEGATIVE


def describe(
    title: str,
    roles: Mapping[str, Sequence[ParameterSpec]],
    pipeline: Pipeline,
    reason: str,
    on_failure: str,
) -> str:
    """The parameters, the cone program and the engine of a layer.

    Args:
        title: the first line.
        roles: the parameters by what they are: fed, learned, fixed.
        pipeline: of the layer.
        reason: why it has the engine that it has.
        on_failure: what happens to elements without a solution.
    """
    program, engine = pipeline.program, pipeline.engine
    returned = ", ".join(
        f"{variable.name} {variable.shape}" for variable in program.variables
    )
    where = "TensorFlow ops only" if engine.portable else "needs Python where it runs"
    lines = [
        title,
        *(f"  {role}: {_parameters(specs)}" for role, specs in roles.items()),
        f"  returns: {returned}",
        f"  cone program: {_structure(program.structure)}",
        f"  after reduction: {_structure(pipeline.reduction.structure)}",
        f"  engine: {engine}",
        f"    chosen {reason}; {where}",
        f"  elements without a solution: on_failure={on_failure!r}",
    ]
    return "\n".join(lines)


def _parameters(specs: Sequence[ParameterSpec]) -> str:
    def words(spec):
        notes = ", ".join(constraint.note for constraint in constraints_of(spec))
        return f"{spec.name} {spec.shape}" + (f" ({notes})" if notes else "")

    return ", ".join(words(spec) for spec in specs) or "none"


def _structure(structure: ConeStructure) -> str:
    objective = (
        f"{_kind(structure.P)} objective with {_entries(structure.P)} in P"
        if structure.P.size
        else "linear objective"
    )
    bounds = int(np.sum(structure.bounds >= structure.cones.zero))
    cones = structure.cones.describe()
    if bounds:
        rows = KINDS[NONNEGATIVE].words(structure.cones.nonnegative)
        note = numbered(bounds, "bound", "bounds")
        cones = cones.replace(rows, f"{rows} ({note})")
    variables = numbered(structure.n, "variable", "variables")
    rows = numbered(structure.m, "row", "rows")
    return f"{variables}, {rows}: {cones}; {_entries(structure.A)} in A; {objective}"


def _entries(pattern: Pattern) -> str:
    return numbered(pattern.size, "entry", "entries")


def _kind(P: Pattern) -> str:
    return "diagonal quadratic" if P.is_diagonal else "quadratic"
