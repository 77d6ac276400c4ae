"""OptNet's quadratic program (Amos and Kolter, "OptNet: differentiable optimization as
a layer in neural networks", 2017)."""

from typing import Any

import keras
import tensorflow as tf

from tf_cvxlayers.layers.problem_layer import ProblemLayer
from tf_cvxlayers.program.cone_program import ParameterSpec


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class QuadraticProgram(ProblemLayer):
    """A quadratic program whose objective and constraints are learned.

        z = argmin_z  1/2 z'Q z + q'z
            subject to  A z = b,  G z <= h,  and z >= 0 if `nonneg`

    with `Q = L L' + eps I`, `b = A z0` and `h = G z0 + s0`, `s0 >= 0`: the point `z0`
    satisfies all constraints whatever the weights are, so that there is a solution
    (OptNet, section 3). The linear term `q` is the input, or a dense map of it.

    Args:
        units: the size of `z`.
        equalities, inequalities: how many rows `A` and `G` have.
        nonneg: whether `z >= 0` is asked for as well; `z0` stays nonnegative then.
        eps: what is added to the diagonal of `Q`, positive.
        dense: whether `q` is a dense map `W x + c` of the input `x`. Without it the
            input has `units` entries, and is `q`.
        W, c: how the weights `(units, n)` and `(units,)` of the dense map start and are
            trained: an initializer, an array, or a dict with `initializer` and
            optionally `regularizer`, `constraint`, `trainable`.
        L: the same for `(units, units)`, of which the lower triangle is used; None for
            `Q = eps I`.
        A, G: the same for `(equalities, units)` and `(inequalities, units)`.
        z0, s0: the same for `(units,)` and `(inequalities,)`; `z0` starts at zero, at
            one if `nonneg`.
        engine, on_failure: as for `tf_cvxlayers.CvxpyLayer`.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `[..., n]`; n is `units`, unless `dense`.

    Output shape:
        `[..., units]`.

    Raises:
        ValueError: an `eps` that is not positive, or an input of another size.

    Example:

    ```python
    import keras
    from tf_cvxlayers.layers import QuadraticProgram

    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(10),
            QuadraticProgram(10, inequalities=50),
            keras.layers.Softmax(),
        ]
    )
    ```
    """

    def __init__(
        self,
        units: int,
        equalities: int = 0,
        inequalities: int = 0,
        *,
        nonneg: bool = False,
        eps: float = 1e-4,
        dense: bool = False,
        W: Any = "glorot_uniform",
        c: Any = "zeros",
        L: Any = "identity",
        A: Any = "glorot_uniform",
        G: Any = "glorot_uniform",
        z0: Any = None,
        s0: Any = "ones",
        **kwargs: Any,
    ):
        if not eps > 0:
            raise ValueError(
                "Expected eps to be positive, so that there is one solution. "
                f"Received: eps={eps!r}."
            )
        if z0 is None:
            z0 = "ones" if nonneg else "zeros"
        learned = {"W": W, "c": c} if dense else {}
        learned |= {"L": L} if L is not None else {}
        learned |= {"A": A} if equalities else {}
        learned |= {"G": G, "s0": s0} if inequalities else {}
        learned |= {"z0": z0} if equalities or inequalities else {}
        super().__init__(learned=learned, **kwargs)
        self.units = units
        self.equalities = equalities
        self.inequalities = inequalities
        self.nonneg = nonneg
        self.eps = eps
        self.dense = dense

    def _weight_specs(self, n):
        if not self.dense and n != self.units:
            raise ValueError(
                f"Expected an input with {self.units} entries, the linear term of the "
                f"objective. Received: n={n}. Put a Dense layer with {self.units} "
                "units before this one, or construct it with dense=True."
            )
        units, p, m = self.units, self.equalities, self.inequalities
        bound = ("nonneg",) if self.nonneg else ()
        every = {
            "W": ParameterSpec("W", (units, n)),
            "c": ParameterSpec("c", (units,)),
            "L": ParameterSpec("L", (units, units)),
            "A": ParameterSpec("A", (p, units)),
            "G": ParameterSpec("G", (m, units)),
            "z0": ParameterSpec("z0", (units,), bound),
            "s0": ParameterSpec("s0", (m,), ("nonneg",)),
        }
        return [every[name] for name in self._learned]

    def _problem(self, n):
        import cvxpy as cp

        units, p, m = self.units, self.equalities, self.inequalities
        z, q = cp.Variable(units, name="z"), cp.Parameter(units, name="q")
        parameters = [q]
        objective = 0.5 * self.eps * cp.sum_squares(z) + q @ z
        constraints = [z >= 0] if self.nonneg else []
        if "L" in self._learned:
            transposed = cp.Parameter((units, units), name="L'")
            parameters += [transposed]
            objective += 0.5 * cp.sum_squares(transposed @ z)
        if p:
            A, b = cp.Parameter((p, units), name="A"), cp.Parameter(p, name="b")
            parameters += [A, b]
            constraints += [A @ z == b]
        if m:
            G, h = cp.Parameter((m, units), name="G"), cp.Parameter(m, name="h")
            parameters += [G, h]
            constraints += [G @ z <= h]
        return cp.Problem(cp.Minimize(objective), constraints), parameters, z

    def _fed(self, inputs, *weights):
        w = dict(zip(self._learned, weights, strict=True))
        values = [inputs]
        if self.dense:
            values = [tf.tensordot(inputs, w["W"], [[-1], [1]]) + w["c"]]
        if "L" in w:
            lower = tf.linalg.band_part(w["L"], -1, 0)
            values += [tf.linalg.matrix_transpose(lower)]
        if "A" in w:
            values += [w["A"], tf.linalg.matvec(w["A"], w["z0"])]
        if "G" in w:
            values += [w["G"], tf.linalg.matvec(w["G"], w["z0"]) + w["s0"]]
        return values

    def _output_size(self, n):
        return self.units

    def get_config(self):
        config = super().get_config()
        config.setdefault("L", None)
        return config | {
            "units": self.units,
            "equalities": self.equalities,
            "inequalities": self.inequalities,
            "nonneg": self.nonneg,
            "eps": self.eps,
            "dense": self.dense,
        }
