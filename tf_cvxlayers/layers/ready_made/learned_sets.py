"""Projections onto learned sets (Amos and others, "Differentiable convex optimization
layers", tutorial, 2019)."""

from typing import Any

import keras
import tensorflow as tf

from tf_cvxlayers.arguments import whole_number
from tf_cvxlayers.layers.problem_layer import ProblemLayer
from tf_cvxlayers.program.cone_program import ParameterSpec


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class PolytopeProjection(ProblemLayer):
    """The projection onto a learned polytope.

        y = argmin_y  1/2 || y - x ||^2   subject to  G y <= h

    with `h = G z0 + s0`, `s0 >= 0`, so that `z0` is in the polytope whatever the
    weights are.

    Args:
        constraints: how many rows `G` has.
        G: how the weight `(constraints, n)` starts and is trained: an initializer, an
            array, or a dict with `initializer` and optionally `regularizer`,
            `constraint`, `trainable`.
        z0, s0: the same for `(n,)` and `(constraints,)`.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import PolytopeProjection

    layer = PolytopeProjection(4, G=np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]))
    layer(np.array([[3.0, 0.5]]))  # [[1.0, 0.5]]
    ```
    """

    def __init__(
        self,
        constraints: int,
        G: Any = "glorot_uniform",
        z0: Any = "zeros",
        s0: Any = "ones",
        **kwargs: Any,
    ):
        super().__init__(learned={"G": G, "z0": z0, "s0": s0}, **kwargs)
        self.constraints = whole_number("constraints", constraints)

    def _weight_specs(self, n):
        return [
            ParameterSpec("G", (self.constraints, n)),
            ParameterSpec("z0", (n,)),
            ParameterSpec("s0", (self.constraints,), ("nonneg",)),
        ]

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        G = cp.Parameter((self.constraints, n), name="G")
        h = cp.Parameter(self.constraints, name="h")
        objective = cp.Minimize(0.5 * cp.sum_squares(y - x))
        return cp.Problem(objective, [G @ y <= h]), [x, G, h], y

    def _fed(self, inputs, *weights):
        G, z0, s0 = weights
        return [inputs, G, tf.linalg.matvec(G, z0) + s0]

    def get_config(self):
        return {**super().get_config(), "constraints": self.constraints}


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class EllipsoidProjection(ProblemLayer):
    """The projection onto a learned ellipsoid.

        y = argmin_y  1/2 || y - x ||^2   subject to  1/2 || A (y - z) ||^2 <= 1

    Args:
        A: how the weight `(n, n)` starts and is trained: an initializer, an array, or a
            dict with `initializer` and optionally `regularizer`, `constraint`,
            `trainable`.
        z: the same for the centre `(n,)`.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import EllipsoidProjection

    EllipsoidProjection()(np.array([[2.0, 0.0]]))  # [[1.4142135, 0.0]]
    ```
    """

    def __init__(self, A: Any = "identity", z: Any = "zeros", **kwargs: Any):
        super().__init__(learned={"A": A, "z": z}, **kwargs)

    def _weight_specs(self, n):
        return [ParameterSpec("A", (n, n)), ParameterSpec("z", (n,))]

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        A, z = cp.Parameter((n, n), name="A"), cp.Parameter(n, name="z")
        # y - z of its own, since A (y - z) would multiply two parameters; and a cone,
        # not a square, whose dual multiplier is of order one.
        away = cp.Variable(n, name="t")
        constraints = [cp.norm(A @ away) <= 2**0.5, away == y - z]
        objective = cp.Minimize(0.5 * cp.sum_squares(y - x))
        return cp.Problem(objective, constraints), [x, A, z], y
