"""Which file knows which kind of cone. A new one is a line here."""

from collections.abc import Callable

from tf_cvxlayers.engines.interior_point.cones.orthant import Orthant
from tf_cvxlayers.engines.interior_point.cones.protocol import SymmetricCone
from tf_cvxlayers.engines.interior_point.cones.second_order import SecondOrder
from tf_cvxlayers.program import cones

# From a kind to what makes its equal cones of a run. Equalities are no cone of the
# method: they are eliminated before it starts (`null_space`), or rows without a slack.
SYMMETRIC_CONES: dict[str, Callable[[cones.Run], SymmetricCone]] = {
    cones.NONNEGATIVE: lambda run: Orthant(run.size),
    cones.SECOND_ORDER: lambda run: SecondOrder(run.number, run.rows),
}
