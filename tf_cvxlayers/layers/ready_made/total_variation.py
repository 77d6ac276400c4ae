"""Total-variation denoising with a learned difference operator."""

import numbers
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_cvxlayers.arguments import whole_number
from tf_cvxlayers.errors import ArgumentError
from tf_cvxlayers.layers.problem_layer import ProblemLayer
from tf_cvxlayers.layers.weights import StartingValue
from tf_cvxlayers.program.cone_program import ParameterSpec


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class TotalVariation(ProblemLayer):
    """Denoising of signals of one dimension by total variation.

        y = argmin_y  1/2 || y - x ||^2 + weight || D y ||_1

    It is solved by its dual, a quadratic program with bounds alone,

        u = argmin_u  1/2 || x - D'u ||^2   subject to  -weight <= u <= weight,

    and `y = x - D'u` (Amos and Kolter, "OptNet", 2017, section 4.2, has the primal).

    Args:
        D: how the weight `(rows, n)` starts and is trained: an initializer, an array,
            or a dict with `initializer` and optionally `regularizer`, `constraint`,
            `trainable`. None for the first differences `y_{i+1} - y_i`, learned.
        weight: the same for the weight `(1,)`, which stays positive; or a number that
            it starts at.
        rows: how many rows `D` has; None for one less than the signal has entries.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`, n the length of the signal, two at least.

    Raises:
        ArgumentError: a signal of one entry.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import TotalVariation

    TotalVariation(weight=0.5)(np.array([[0.0, 0.2, 3.0, 3.2]]))
    # [[0.35, 0.35, 2.85, 2.85]]
    ```
    """

    def __init__(
        self, D: Any = None, weight: Any = 1.0, rows: int | None = None, **kwargs: Any
    ):
        if D is None:
            D = FirstDifferences()
        if isinstance(weight, numbers.Real):
            weight = StartingValue([weight])
        super().__init__(learned={"D": D, "weight": weight}, **kwargs)
        self.rows = None if rows is None else whole_number("rows", rows)

    def _rows(self, n: int) -> int:
        return n - 1 if self.rows is None else self.rows

    def _weight_specs(self, n):
        if n < 2:
            raise ArgumentError(
                f"Expected signals with two entries at least. Received: n={n}."
            )
        return [
            ParameterSpec("D", (self._rows(n), n)),
            ParameterSpec("weight", (1,), ("pos",)),
        ]

    def _problem(self, n):
        import cvxpy as cp

        rows = self._rows(n)
        x, weight = cp.Parameter(n, name="x"), cp.Parameter(1, name="weight")
        transposed = cp.Parameter((n, rows), name="D'")
        y, u = cp.Variable(n, name="y"), cp.Variable(rows, name="u")
        constraints = [y + transposed @ u == x, u <= weight, u >= -weight]
        objective = cp.Minimize(0.5 * cp.sum_squares(y))
        return cp.Problem(objective, constraints), [x, transposed, weight], y

    def _fed(self, inputs, *weights):
        D, weight = weights
        return [inputs, tf.linalg.matrix_transpose(D), weight]

    def get_config(self):
        return {**super().get_config(), "rows": self.rows}


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class FirstDifferences(keras.initializers.Initializer):
    """Starts a matrix `(rows, n)` at `y_{i+1} - y_i`."""

    def __call__(self, shape, dtype=None):
        rows, n = shape
        return keras.ops.convert_to_tensor(
            np.eye(rows, n, 1) - np.eye(rows, n), dtype=dtype
        )

    def get_config(self):
        return {}
