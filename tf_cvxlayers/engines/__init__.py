"""The engines that solve and differentiate cone programs."""

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.diffcp import Diffcp

__all__ = ["Diffcp", "Engine"]
