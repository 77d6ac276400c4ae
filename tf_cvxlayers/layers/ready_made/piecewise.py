"""Piecewise linear functions as quadratic programs: what a layer of OptNet represents
that one of ReLU does not (Amos and Kolter, "OptNet", 2017, section 3.2)."""

from typing import Any

import keras
import tensorflow as tf

from tf_cvxlayers.arguments import whole_number
from tf_cvxlayers.errors import ArgumentError
from tf_cvxlayers.layers.problem_layer import ProblemLayer
from tf_cvxlayers.program.cone_program import ParameterSpec


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class PiecewiseLinear(ProblemLayer):
    """Any piecewise linear function of one variable.

        (z, t) = argmin  || t ||^2 + (z - w't)^2   subject to  a_i x + b_i <= t_i

    Each `t_i` is `max(a_i x + b_i, 0)`, and `z = sum_i w_i max(a_i x + b_i, 0)`: a
    piece for each kink, and three for a line (one of each direction, and one with `a_i
    = 0`).

    Args:
        pieces: how many `t_i` there are.
        a, b, w: how the weights `(pieces,)` start and are trained: an initializer, an
            array, or a dict with `initializer` and optionally `regularizer`,
            `constraint`, `trainable`.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., 1]`.

    Raises:
        ArgumentError: an input of more than one variable.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import PiecewiseLinear

    absolute = PiecewiseLinear(2, a=[1, -1], b=[0, 0], w=[1, 1])
    absolute(np.array([[-3.0], [2.0]]))  # [[3.0], [2.0]]
    ```
    """

    def __init__(
        self,
        pieces: int,
        a: Any = "random_normal",
        b: Any = "random_normal",
        w: Any = "random_normal",
        **kwargs: Any,
    ):
        super().__init__(learned={"a": a, "b": b, "w": w}, **kwargs)
        self.pieces = whole_number("pieces", pieces)

    def _weight_specs(self, n):
        if n != 1:
            raise ArgumentError(
                "Expected an input of shape [..., 1], one variable. "
                f"Received: n={n}. Put a Dense layer with one unit before this one, or "
                "use MaxAffine."
            )
        return [ParameterSpec(name, (self.pieces,)) for name in "abw"]

    def _problem(self, n):
        import cvxpy as cp

        pieces = self.pieces
        z, t = cp.Variable(1, name="z"), cp.Variable(pieces, name="t")
        hinges = cp.Parameter(pieces, name="a x + b")
        w = cp.Parameter((1, pieces), name="w")
        objective = cp.Minimize(cp.sum_squares(t) + cp.sum_squares(z - w @ t))
        return cp.Problem(objective, [hinges <= t]), [hinges, w], z

    def _fed(self, inputs, *weights):
        a, b, w = weights
        return [inputs * a + b, w[None, :]]

    def _output_size(self, n):
        return 1

    def get_config(self):
        return {**super().get_config(), "pieces": self.pieces}


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class MaxAffine(ProblemLayer):
    """The largest of several linear functions, `max_i a_i'x`.

        z = argmin_z  z   subject to  a_i'x <= z

    One layer of ReLU cannot represent it where there are three or more (OptNet, section
    3.2). Any convex piecewise linear function is of this form, with a constant among
    the inputs. Where several are largest the gradient is that of least norm in the
    multipliers.

    Args:
        pieces: how many functions there are.
        a: how the weight `(pieces, n)` starts and is trained: an initializer, an array,
            or a dict with `initializer` and optionally `regularizer`, `constraint`,
            `trainable`.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `[..., n]`.

    Output shape:
        `[..., 1]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import MaxAffine

    layer = MaxAffine(3, a=[[1, 0], [0, 1], [-1, -1]])
    layer(np.array([[0.2, 0.3], [-2.0, -1.0]]))  # [[0.3], [3.0]]
    ```
    """

    def __init__(self, pieces: int, a: Any = "glorot_uniform", **kwargs: Any):
        super().__init__(learned={"a": a}, **kwargs)
        self.pieces = whole_number("pieces", pieces)

    def _weight_specs(self, n):
        return [ParameterSpec("a", (self.pieces, n))]

    def _problem(self, n):
        import cvxpy as cp

        z, values = cp.Variable(1, name="z"), cp.Parameter(self.pieces, name="a x")
        return cp.Problem(cp.Minimize(cp.sum(z)), [values <= z]), [values], z

    def _fed(self, inputs, *weights):
        return [tf.tensordot(inputs, weights[0], [[-1], [1]])]

    def _output_size(self, n):
        return 1

    def get_config(self):
        return {**super().get_config(), "pieces": self.pieces}
