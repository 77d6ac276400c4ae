"""Models with optimization layers as files that serve."""

from tf_cvxlayers.serving.saved_model import Exported, export

__all__ = ["Exported", "export"]
