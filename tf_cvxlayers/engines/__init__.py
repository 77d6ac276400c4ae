"""The engines that solve and differentiate cone programs."""

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.compiled import Compiled
from tf_cvxlayers.engines.diffcp import Diffcp
from tf_cvxlayers.engines.interior_point import InteriorPoint

__all__ = ["Compiled", "Diffcp", "Engine", "InteriorPoint"]
