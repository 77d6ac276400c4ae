"""Convex optimization problems, written in CVXPY, as Keras layers."""

from tf_cvxlayers import convex_networks, engines, errors, layers
from tf_cvxlayers.errors import Status, clear_errors
from tf_cvxlayers.layers.cvxpy_layer import CvxpyLayer
from tf_cvxlayers.layers.gradient_check import GradientReport
from tf_cvxlayers.layers.solve_result import SolveResult
from tf_cvxlayers.serving import Exported, export

__version__ = "0.1.0"

__all__ = [
    "CvxpyLayer",
    "Exported",
    "GradientReport",
    "SolveResult",
    "Status",
    "clear_errors",
    "convex_networks",
    "engines",
    "errors",
    "export",
    "layers",
]
