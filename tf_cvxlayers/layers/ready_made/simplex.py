"""Projections onto simplices and capped simplices, Euclidean and entropic."""

from typing import Any

import keras
import numpy as np

from tf_cvxlayers.arguments import NotNumbersError, positive_number, real_array
from tf_cvxlayers.errors import ArgumentError, shortened
from tf_cvxlayers.layers.problem_layer import ProblemLayer


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class Sparsemax(ProblemLayer):
    """The Euclidean projection onto the simplex: a softmax with exact zeros.

        y = argmin_y  || y - x ||^2   subject to  sum_i y_i = 1,  y >= 0

    (Martins and Astudillo, "From softmax to sparsemax", 2016, equation 2).

    Args:
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import Sparsemax

    Sparsemax()(np.array([[0.3, 0.5, -2.0]]))  # [[0.4, 0.6, 0.0]]
    ```
    """

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        constraints = [cp.sum(y) == 1, y >= 0]
        return cp.Problem(cp.Minimize(cp.sum_squares(y - x)), constraints), [x], y


class _Capped(ProblemLayer):
    """A projection onto the simplex with an upper bound on each entry. Abstract."""

    def __init__(self, upper_bound: Any, **kwargs: Any):
        super().__init__(**kwargs)
        try:
            bound = real_array(upper_bound).astype(np.float64)
        except NotNumbersError:
            bound = np.asarray(np.nan)
        if bound.ndim > 1 or np.isnan(bound).any() or (bound < 0).any():
            raise ArgumentError(
                "Expected upper_bound to be a number or a vector of numbers, none "
                f"negative. Received: upper_bound={shortened(upper_bound)}."
            )
        self.upper_bound = bound.tolist()

    def _bounds(self, n: int) -> np.ndarray:
        bound = np.asarray(self.upper_bound)
        if bound.ndim and bound.shape != (n,):
            raise ArgumentError(
                f"Expected upper_bound to be a number or to have {n} entries, one for "
                f"each of the input. Received: {bound.size} entries."
            )
        bounds = np.broadcast_to(bound, n)
        if bounds.sum() < 1.0:
            raise ArgumentError(
                f"Expected upper bounds that sum to 1 or more, since the {n} entries "
                f"sum to 1. Received: upper_bound={self.upper_bound!r}, which sum to "
                f"{bounds.sum():.6g}."
            )
        return bounds

    def get_config(self):
        return {**super().get_config(), "upper_bound": self.upper_bound}


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class ConstrainedSoftmax(_Capped):
    """A softmax none of whose entries exceeds its upper bound.

        y = argmin_y  -x'y + sum_i y_i log y_i   subject to  sum_i y_i = 1,  y <= u

    (Martins and Kreutzer, "Learning what's easy: fully differentiable neural easy-first
    taggers", 2017).

    Args:
        upper_bound: `u`, a number or a vector of the size of the input, that sum to 1
            or more.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Raises:
        ArgumentError: no vector satisfies the constraints.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import ConstrainedSoftmax

    ConstrainedSoftmax(0.5)(np.array([[3.0, 0.0, 0.0]]))  # [[0.5, 0.25, 0.25]]
    ```
    """

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        constraints = [cp.sum(y) == 1, y <= self._bounds(n)]
        objective = cp.Minimize(-x @ y - cp.sum(cp.entr(y)))
        return cp.Problem(objective, constraints), [x], y


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class ConstrainedSparsemax(_Capped):
    """A sparsemax none of whose entries exceeds its upper bound.

        y = argmin_y  || y - x ||^2   subject to  sum_i y_i = 1,  0 <= y <= u

    (Malaviya, Ferreira and Martins, "Sparse and constrained attention for neural
    machine translation", arXiv 1805.08241, 2018).

    Args:
        upper_bound: `u`, a number or a vector of the size of the input, that sum to 1
            or more.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Raises:
        ArgumentError: no vector satisfies the constraints.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import ConstrainedSparsemax

    ConstrainedSparsemax(0.6)(np.array([[3.0, 0.1, 0.0]]))  # [[0.6, 0.25, 0.15]]
    ```
    """

    def _problem(self, n):
        import cvxpy as cp

        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        constraints = [cp.sum(y) == 1, y >= 0, y <= self._bounds(n)]
        return cp.Problem(cp.Minimize(cp.sum_squares(y - x)), constraints), [x], y


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class LimitedMultiLabel(ProblemLayer):
    """The limited multi-label projection: sigmoids that sum to k.

        y = argmin_y  -x'y + sum_i y_i log y_i + (1 - y_i) log (1 - y_i)
        subject to  sum_i y_i = k

    (Amos, Koltun and Kolter, "The limited multi-label projection layer", arXiv
    1906.08707, 2019). A soft choice of the k largest entries.

    Args:
        k: how many labels, between 0 and the size of the input.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape, output shape:
        `[..., n]`.

    Raises:
        ArgumentError: `k` is not between 0 and n.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.layers import LimitedMultiLabel

    LimitedMultiLabel(2)(np.array([[1.0, 1.0, 1.0, 1.0]]))  # [[0.5, 0.5, 0.5, 0.5]]
    ```
    """

    def __init__(self, k: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.k = positive_number("k", k)

    def _problem(self, n):
        import cvxpy as cp

        if not 0 < self.k < n:
            raise ArgumentError(
                f"Expected k to be between 0 and the size of the input, {n}. "
                f"Received: k={self.k!r}."
            )
        x, y = cp.Parameter(n, name="x"), cp.Variable(n, name="y")
        entropy = cp.sum(cp.entr(y) + cp.entr(1 - y))
        objective = cp.Minimize(-x @ y - entropy)
        return cp.Problem(objective, [cp.sum(y) == self.k]), [x], y

    def get_config(self):
        return {**super().get_config(), "k": self.k}
