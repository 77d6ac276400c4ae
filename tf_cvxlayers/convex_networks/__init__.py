"""Two-layer ReLU networks, trained to the global optimum by convex optimization."""

from tf_cvxlayers.convex_networks.network import ConvexReLUNetwork
from tf_cvxlayers.convex_networks.patterns import activation_patterns

__all__ = ["ConvexReLUNetwork", "activation_patterns"]
