"""The Keras layers."""

from tf_cvxlayers.layers.cvxpy_layer import CvxpyLayer

__all__ = ["CvxpyLayer"]
