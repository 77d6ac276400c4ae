"""The Keras layers: one for any problem, and ready-made ones."""

from tf_cvxlayers.layers.cvxpy_layer import CvxpyLayer
from tf_cvxlayers.layers.ready_made.activations import (
    DenseReLU,
    VariationalReLU,
    VariationalSigmoid,
    VariationalSoftmax,
)
from tf_cvxlayers.layers.ready_made.learned_sets import (
    EllipsoidProjection,
    PolytopeProjection,
)
from tf_cvxlayers.layers.ready_made.piecewise import MaxAffine, PiecewiseLinear
from tf_cvxlayers.layers.ready_made.quadratic_program import QuadraticProgram
from tf_cvxlayers.layers.ready_made.simplex import (
    ConstrainedSoftmax,
    ConstrainedSparsemax,
    LimitedMultiLabel,
    Sparsemax,
)
from tf_cvxlayers.layers.ready_made.total_variation import TotalVariation

__all__ = [
    "ConstrainedSoftmax",
    "ConstrainedSparsemax",
    "CvxpyLayer",
    "DenseReLU",
    "EllipsoidProjection",
    "LimitedMultiLabel",
    "MaxAffine",
    "PiecewiseLinear",
    "PolytopeProjection",
    "QuadraticProgram",
    "Sparsemax",
    "TotalVariation",
    "VariationalReLU",
    "VariationalSigmoid",
    "VariationalSoftmax",
]
