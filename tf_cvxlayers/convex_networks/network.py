"""Two-layer ReLU networks, trained to the global optimum by convex optimization.

A network `f(x) = sum_j a_j max(x'w_j, 0)` with squared weights as regularization has an
equivalent convex program (Pilanci and Ergen, "Neural networks are convex regularizers:
exact polynomial-time convex optimization formulations for two-layer networks", 2020,
Theorem 1). For the data `X [rows, d]` only finitely many patterns of active rows
exist, `D_i = diag(X u >= 0)`. With neurons `v_i` and `w_i` for each,

    minimize    mean of loss(yhat, y) + regularization sum_i ||v_i|| + ||w_i||
    subject to  yhat = sum_i D_i X (v_i - w_i)
                (2 D_i - I) X v_i >= 0,  (2 D_i - I) X w_i >= 0

and `v / sqrt ||v||` with the output weight `sqrt ||v||` is a neuron of the network: its
squared weights, halved, are `||v||`. With several outputs each has neurons of its own.
"""

import warnings
from typing import Any

import keras
import numpy as np

from tf_cvxlayers.arguments import positive_number, whole_number
from tf_cvxlayers.convex_networks.patterns import activation_patterns, as_matrix
from tf_cvxlayers.errors import ArgumentError

# Of Clarabel, on gap and residuals.
_TOLERANCE = 1e-11
# Relative to the largest, the norm of a neuron that is not in use; and relative to its
# terms, a neuron's value on a row at its border.
_UNUSED, _BORDER = 1e-6, 1e-9
_LOSSES = ("squared", "hinge")


class ConvexReLUNetwork:
    """A two-layer ReLU network without biases, fitted by convex optimization.

    Args:
        regularization: what the sum of the neurons' norms is multiplied by; of the
            network, half of it is what the squared weights are multiplied by.
        patterns: bool `[patterns, rows]`, which rows a neuron is active on.
        samples: instead, how many random patterns to draw. Neither: all there are.
        loss: `"squared"`, `(yhat - y)^2`, or `"hinge"`, `max(0, 1 - y yhat)` with `y`
            of -1 and 1; summed over outputs, averaged over rows.
        seed: of the drawing.

    Attributes:
        objective_: the optimal value.
        neurons_: `[outputs, 2, patterns, d]`, the `v_i` and the `w_i`.
        patterns_: bool `[patterns, rows]`.

    Raises:
        ArgumentError: an argument, or data, that cannot be.

    Example:

    ```python
    import numpy as np
    from tf_cvxlayers.convex_networks import ConvexReLUNetwork

    x = np.linspace(-1.0, 1.0, 10)
    X = np.stack([x, np.ones(10)], axis=1)  # a constant column is a bias
    network = ConvexReLUNetwork(regularization=1e-3).fit(X, np.sin(10 * x))
    model = network.to_keras()  # the same predictions, an ordinary Keras model
    ```
    """

    def __init__(
        self,
        regularization: float,
        patterns: Any = None,
        samples: int | None = None,
        loss: str = "squared",
        seed: int | None = None,
    ):
        if patterns is not None and samples is not None:
            raise ArgumentError(
                "Expected patterns or samples, or neither for all patterns. "
                f"Received: both, samples={samples!r}."
            )
        if loss not in _LOSSES:
            raise ArgumentError(
                f"Expected loss to be one of {list(_LOSSES)}. Received: loss={loss!r}."
            )
        self.regularization = positive_number("regularization", regularization)
        self.patterns = patterns
        self.samples = None if samples is None else whole_number("samples", samples)
        self.loss = loss
        self.seed = seed

    def fit(self, X: Any, Y: Any) -> "ConvexReLUNetwork":
        """Solve the convex program.

        Args:
            X: data `[rows, d]`.
            Y: targets `[rows]` or `[rows, outputs]`.

        Returns:
            The network itself.

        Raises:
            RuntimeError: the solver failed.
        """
        X = as_matrix("X", X)
        self._single = np.ndim(Y) == 1
        Y = as_matrix("Y", np.reshape(Y, (-1, 1)) if self._single else Y)
        if len(Y) != len(X):
            raise ArgumentError(
                f"Expected as many rows in Y as in X. Received: {len(Y)} and {len(X)}."
            )
        if self.loss == "hinge" and not np.all(np.abs(Y) == 1.0):
            raise ArgumentError(
                "Expected labels of -1 and 1 for the hinge loss. "
                f"Received: Y with the values {np.unique(Y)[:5]}."
            )
        self.patterns_ = self._patterns_for(X)
        solved = [self._solve(X, y) for y in Y.T]
        self.objective_ = float(sum(value for value, _ in solved))
        self.neurons_ = np.stack([neurons for _, neurons in solved])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The network's outputs, of the shape that the targets had.

        Args:
            X: data `[rows, d]`.
        """
        hidden = np.maximum(
            as_matrix("X", X) @ self._fitted().reshape(-1, self._d).T, 0.0
        )
        outputs = hidden @ self._signs()
        return outputs[:, 0] if self._single else outputs

    def to_keras(
        self, remove: float = 0.0, weight_decay: bool = False, dtype: str = "float64"
    ) -> keras.Sequential:
        """The same network as an ordinary Keras model, two `Dense` layers.

        (`model(X)` keeps all digits; `model.predict` rounds `X` to Keras's precision.)

        Args:
            remove: neurons with a norm of at most so much times the largest are left
                out: with 0 those that are zero.
            weight_decay: whether the kernels are regularized by half of
                `regularization` times their squares, so that the model's loss and
                `model.losses` make the same objective. (Keras adds these in its own
                precision: set `keras.config.set_floatx("float64")` for a model in it.)
            dtype: of the model.
        """
        neurons, signs = self._fitted().reshape(-1, self._d), self._signs()
        norms = np.linalg.norm(neurons, axis=1)
        kept = norms > remove * norms.max(initial=0.0)
        if not kept.any():
            kept[:1] = True
        root = np.sqrt(norms[kept])[:, None]
        # Both sides of a neuron have the norm sqrt ||v||, for the least squared
        # weights.
        first = np.divide(
            neurons[kept], root, out=np.zeros_like(neurons[kept]), where=root > 0
        )

        decay = keras.regularizers.L2(self.regularization / 2) if weight_decay else None

        def dense(units, activation, name):
            return keras.layers.Dense(
                units,
                activation,
                use_bias=False,
                kernel_regularizer=decay,
                dtype=dtype,
                name=name,
            )

        model = keras.Sequential(
            [
                keras.Input((self._d,), dtype=dtype),
                dense(len(first), "relu", "hidden"),
                dense(signs.shape[1], None, "outputs"),
            ]
        )
        model.set_weights([first.T, root * signs[kept]])
        return model

    def _patterns_for(self, X: np.ndarray) -> np.ndarray:
        if self.patterns is None:
            return activation_patterns(X, self.samples, self.seed)
        patterns = np.asarray(self.patterns, bool)
        if patterns.ndim != 2 or patterns.shape[1] != len(X):
            raise ArgumentError(
                f"Expected patterns of shape [patterns, {len(X)}], one entry for each "
                f"row of data. Received: patterns of shape {patterns.shape}."
            )
        return np.unique(patterns, axis=0)

    def _solve(self, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """The optimal value, and the neurons `[2, patterns, d]`, for one output."""
        every = np.ones((2, len(self.patterns_)), bool)
        neurons = self._optimum(X, y, every)
        # Once more with the neurons in use alone, which the solver finds more exactly.
        norms = np.linalg.norm(neurons, axis=-1)
        used = norms > _UNUSED * norms.max()
        found = self._optimum(X, y, used) if used.any() else np.zeros_like(neurons)
        # Rows on which a neuron is zero but for rounding are exactly at its border.
        for sign, pattern in np.argwhere(used):
            v = found[sign, pattern]
            at_border = np.abs(X @ v) <= _BORDER * np.abs(X) @ np.abs(v)
            rows = X[at_border]
            found[sign, pattern] = v - np.linalg.pinv(rows) @ (rows @ v)
        return self._objective(X, y, found), found

    def _optimum(self, X: np.ndarray, y: np.ndarray, used: np.ndarray) -> np.ndarray:
        """The neurons `[2, patterns, d]`, zero where they are not to be used."""
        import cvxpy as cp

        signs, patterns = np.nonzero(used)
        D = self.patterns_[patterns].T.astype(float)
        v = cp.Variable((len(signs), X.shape[1]), name="v")
        active = X @ v.T
        yhat = cp.multiply(D, active) @ np.where(signs == 0, 1.0, -1.0)
        loss = (
            cp.sum_squares(yhat - y)
            if self.loss == "squared"
            else cp.sum(cp.pos(1.0 - cp.multiply(y, yhat)))
        )
        norms = cp.sum(cp.norm(v, 2, axis=1))
        problem = cp.Problem(
            cp.Minimize(loss / len(X) + self.regularization * norms),
            [cp.multiply(2.0 * D - 1.0, active) >= 0],
        )
        tolerances = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
        with warnings.catch_warnings():
            # That the last digits may be inaccurate: these tolerances are at the limit.
            warnings.filterwarnings("ignore", "Solution may be inaccurate")
            problem.solve(cp.CLARABEL, **dict.fromkeys(tolerances, _TOLERANCE))
        if v.value is None:
            raise RuntimeError(
                "Expected the convex program to be solved. Received: status "
                f"{problem.status!r} from Clarabel. Scale the columns of X and Y to be "
                "of order one, or take a larger regularization."
            )
        neurons = np.zeros((*used.shape, X.shape[1]))
        neurons[signs, patterns] = v.value
        return neurons

    def _objective(self, X: np.ndarray, y: np.ndarray, neurons: np.ndarray) -> float:
        linear = np.einsum("rd,pd->pr", X, neurons[0] - neurons[1])
        yhat = np.sum(self.patterns_ * linear, axis=0)
        if self.loss == "squared":
            losses = (yhat - y) ** 2
        else:
            losses = np.maximum(1.0 - y * yhat, 0.0)
        norms = np.linalg.norm(neurons, axis=-1).sum()
        return float(losses.mean() + self.regularization * norms)

    def _fitted(self) -> np.ndarray:
        if not hasattr(self, "neurons_"):
            raise ArgumentError(
                "Expected a fitted network. Received: none; call fit first."
            )
        return self.neurons_

    @property
    def _d(self) -> int:
        return self.neurons_.shape[-1]

    def _signs(self) -> np.ndarray:
        """The sign with which each neuron adds to each output, `[neurons, outputs]`."""
        outputs, _, patterns, _ = self.neurons_.shape
        one = np.repeat([1.0, -1.0], patterns)[:, None]
        return np.kron(np.eye(outputs), one)
