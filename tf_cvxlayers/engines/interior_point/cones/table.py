"""Which file knows which kind of cone. A new one is a line here."""

from collections.abc import Callable

from tf_cvxlayers.engines.interior_point.cones.exponential import Exponential
from tf_cvxlayers.engines.interior_point.cones.nonsymmetric import Nonsymmetric
from tf_cvxlayers.engines.interior_point.cones.orthant import Orthant
from tf_cvxlayers.engines.interior_point.cones.power import Power
from tf_cvxlayers.engines.interior_point.cones.protocol import InteriorCone
from tf_cvxlayers.engines.interior_point.cones.psd import Semidefinite
from tf_cvxlayers.engines.interior_point.cones.second_order import SecondOrder
from tf_cvxlayers.program import cones

# From a kind to what makes its equal cones of a run. Equalities are no cone of the
# method: they are eliminated before it starts (`null_space`), or rows without a slack.
INTERIOR_CONES: dict[str, Callable[[cones.Run], InteriorCone]] = {
    cones.NONNEGATIVE: lambda run: Orthant(run.size),
    cones.SECOND_ORDER: lambda run: SecondOrder(run.number, run.rows),
    cones.PSD: lambda run: Semidefinite(run.number, int(run.parameter)),
    cones.EXPONENTIAL: lambda run: Nonsymmetric(Exponential(), run.number),
    cones.POWER: lambda run: Nonsymmetric(Power(run.parameter), run.number),
}
