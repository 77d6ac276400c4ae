"""A layer in words."""

from typing import TYPE_CHECKING

import numpy as np

from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.program.cone_program import ConeStructure, ParameterSpec

if TYPE_CHECKING:
    from tf_cvxlayers.layers.cone_layer import ConeLayer


def describe(layer: "ConeLayer") -> str:
    """The parameters, the cone program and the engine of a layer."""
    program, reduction = layer.pipeline.program, layer.pipeline.reduction
    roles = [
        ("fed", layer.fed),
        ("learned", layer.learned_specs),
        ("fixed", layer.fixed_specs),
    ]
    returned = ", ".join(
        f"{variable.name} {variable.shape}" for variable in program.variables
    )
    lines = [f"{type(layer).__name__} '{layer.name}'"]
    lines += [f"  {role}: {_parameters(specs)}" for role, specs in roles]
    lines += [
        f"  returns: {returned}",
        f"  cone program: {_structure(program.structure)}",
        f"  after reduction: {_structure(reduction.structure)}",
        f"  engine: {layer.engine}",
        f"    {_reason(layer)}",
        f"  elements without a solution: on_failure={layer.on_failure!r}",
    ]
    return "\n".join(lines)


def _parameters(specs: tuple[ParameterSpec, ...]) -> str:
    def words(spec):
        notes = list(spec.attributes)
        notes += ["bounds"] if spec.bounds is not None else []
        notes += [f"{spec.support.size} entries"] if spec.support is not None else []
        return f"{spec.name} {spec.shape}" + (f" ({', '.join(notes)})" if notes else "")

    return ", ".join(words(spec) for spec in specs) or "none"


def _structure(structure: ConeStructure) -> str:
    objective = (
        f"{_kind(structure.P)} objective with {structure.P.size} entries in P"
        if structure.P.size
        else "linear objective"
    )
    bounds = int(np.sum(structure.bounds >= structure.cones.zero))
    cones = structure.cones.describe()
    if bounds:
        cones = cones.replace("inequalities", f"inequalities ({bounds} bounds)")
    return (
        f"{structure.n} variables, {structure.m} rows: {cones}; "
        f"{structure.A.size} entries in A; {objective}"
    )


def _kind(P: Pattern) -> str:
    return "diagonal quadratic" if P.is_diagonal else "quadratic"


def _reason(layer: "ConeLayer") -> str:
    where = (
        "TensorFlow ops only" if layer.engine.portable else "needs Python where it runs"
    )
    return f"chosen {layer.engine_reason}; {where}"
