"""Compiled solvers through diffcp, element by element."""

from tf_cvxlayers.engines.diffcp.engine import Diffcp

__all__ = ["Diffcp"]
