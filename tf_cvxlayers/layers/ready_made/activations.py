"""Activations as optimization problems (Amos, "Differentiable optimization-based
modeling for machine learning", 2019, section 2.4; Agrawal, Amos, Barratt, Boyd, Diamond
and Kolter, "Differentiable convex optimization layers", 2019)."""

from typing import Any

import keras

from tf_cvxlayers.arguments import whole_number
from tf_cvxlayers.layers.problem_layer import ProblemLayer
from tf_cvxlayers.program.cone_program import ParameterSpec


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class DenseReLU(ProblemLayer):
    """A dense layer with ReLU, `z = max(W x + b, 0)`, as a projection.

        z = argmin_z  || z - W x - b ||^2   subject to  z >= 0

    It computes what `keras.layers.Dense(units, "relu")` does, at a higher price: a
    first example, and a place to put constraints that `Dense` cannot have.

    Args:
        units: the size of the output.
        W, b: how the weights `(units, n)` and `(units,)` start and are trained: an
            initializer, an array, or a dict with `initializer` and optionally
            `regularizer`, `constraint`, `trainable`. (`W` is the transpose of the
            kernel of `Dense`.)
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `[..., n]`.

    Output shape:
        `[..., units]`.

    Example:

    ```python
    import keras
    from tf_cvxlayers.layers import DenseReLU

    model = keras.Sequential([keras.Input((20,)), DenseReLU(8), keras.layers.Dense(1)])
    ```
    """

    def __init__(
        self, units: int, W: Any = "glorot_uniform", b: Any = "zeros", **kwargs: Any
    ):
        super().__init__(learned={"W": W, "b": b}, **kwargs)
        self.units = whole_number("units", units)

    def _weight_specs(self, n):
        return [ParameterSpec("W", (self.units, n)), ParameterSpec("b", (self.units,))]

    def _problem(self, n):
        import cvxpy as cp

        x, z = cp.Parameter(n, name="x"), cp.Variable(self.units, name="z")
        W, b = (
            cp.Parameter((self.units, n), name="W"),
            cp.Parameter(self.units, name="b"),
        )
        # A product of two parameters is not affine in them; that of a copy is.
        copied = cp.Variable((self.units, n), name="Wtilde")
        objective = cp.Minimize(cp.sum_squares(z - copied @ x - b))
        return cp.Problem(objective, [z >= 0, copied == W]), [x, W, b], z

    def _output_size(self, n):
        return self.units

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class VariationalReLU(ProblemLayer):
    """The ReLU `max(x, 0)` as the projection onto the nonnegative orthant.

        y = argmin_y  || y - x ||^2   subject to  y >= 0

    Args:
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import VariationalReLU

    VariationalReLU()(np.array([[-1.0, 2.0]]))  # [[0.0, 2.0]]
    ```
    """

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        return cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0]), [x], y


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class VariationalSigmoid(ProblemLayer):
    """The sigmoid `1 / (1 + exp(-x))` as a maximum of the binary entropy.

        y = argmin_y  -x'y + sum_i y_i log y_i + (1 - y_i) log (1 - y_i)

    Args:
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import VariationalSigmoid

    VariationalSigmoid()(np.array([[0.0, 2.0]]))  # [[0.5, 0.8807971]]
    ```
    """

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        entropy = cp.sum(cp.entr(y) + cp.entr(1 - y))
        return cp.Problem(cp.Minimize(-x @ y - entropy)), [x], y


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class VariationalSoftmax(ProblemLayer):
    """The softmax over the last axis as a maximum of the entropy on the simplex.

        y = argmin_y  -x'y + sum_i y_i log y_i   subject to  sum_i y_i = 1

    Args:
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import VariationalSoftmax

    VariationalSoftmax()(np.array([[0.0, 0.0]]))  # [[0.5, 0.5]]
    ```
    """

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        objective = cp.Minimize(-x @ y - cp.sum(cp.entr(y)))
        return cp.Problem(objective, [cp.sum(y) == 1]), [x], y
