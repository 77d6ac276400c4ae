"""Which file knows which kind of cone. A new one is a line here."""

from collections.abc import Callable
from typing import Any

from tf_cvxlayers.optimality.cones.exponential import Exponential
from tf_cvxlayers.optimality.cones.linear import Nonnegative, Zero
from tf_cvxlayers.optimality.cones.power import Power
from tf_cvxlayers.optimality.cones.protocol import ConeGeometry
from tf_cvxlayers.optimality.cones.psd import Semidefinite
from tf_cvxlayers.optimality.cones.second_order import SecondOrder
from tf_cvxlayers.program import cones

# From a kind to what makes its geometry of a cone's parameter, its order or exponent.
GEOMETRIES: dict[str, Callable[[Any], ConeGeometry]] = {
    cones.ZERO: lambda _: Zero(),
    cones.NONNEGATIVE: lambda _: Nonnegative(),
    cones.SECOND_ORDER: SecondOrder,
    cones.PSD: Semidefinite,
    cones.EXPONENTIAL: lambda _: Exponential(),
    cones.POWER: Power,
}


def geometry_of(cone: cones.Cone | cones.Run) -> ConeGeometry:
    """The geometry of one of equal cones."""
    return GEOMETRIES[cone.kind](cone.parameter)
