"""The compiled engine: one element after another, as machine code."""

from tf_cvxlayers.engines.compiled.engine import Compiled

__all__ = ["Compiled"]
