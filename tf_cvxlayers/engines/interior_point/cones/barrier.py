"""What a cone of three rows that is not symmetric knows of itself (`nonsymmetric`)."""

import abc
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Terms(NamedTuple):
    """A barrier at a point, `-log psi - sum_i weight_i log |z_i|`, by derivatives of
    `psi`.

    Attributes:
        psi: `[B, 1, cones]`.
        p, Q: its gradient and its Hessian.
    """

    psi: tf.Tensor
    p: tf.Tensor
    Q: tf.Tensor


class Barrier(abc.ABC):
    """What one of these cones knows of itself. Abstract."""

    @property
    @abc.abstractmethod
    def weights(self) -> tuple[float, ...]:
        """Of the logarithms of `|z_i|` in the barrier, `[3]`."""

    @property
    @abc.abstractmethod
    def identity(self) -> np.ndarray:
        """The `s = z` with `s = -grad f*(z)`, `[3]`."""

    @property
    @abc.abstractmethod
    def from_dual(self) -> np.ndarray:
        """The matrix `[3, 3]` that takes the dual cone to the cone."""

    @property
    @abc.abstractmethod
    def positive_rows(self) -> tuple[int, ...]:
        """Which rows of the cone are positive inside."""

    @abc.abstractmethod
    def surface(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The concave function that is positive inside the cone, and its gradient, at
        points where `positive_rows` are."""

    @abc.abstractmethod
    def terms(self, z: tf.Tensor) -> Terms:
        """The barrier of the dual cone at a point."""

    @abc.abstractmethod
    def third(self, z: tf.Tensor, u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """`psi'''(z) [u, v]`."""

    @abc.abstractmethod
    def shadow(self, s: tf.Tensor) -> tf.Tensor:
        """`z^ = -grad f(s)`: the point of the dual cone with `s = -grad f*(z^)`."""
