"""A primal-dual interior-point method in TensorFlow ops."""

from tf_cvxlayers.engines.interior_point.engine import InteriorPoint

__all__ = ["InteriorPoint"]
