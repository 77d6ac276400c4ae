"""OptNet's quadratic program (Amos and Kolter, "OptNet: differentiable optimization as
a layer in neural networks", 2017)."""

import inspect
from typing import Any

import keras
import tensorflow as tf

from tf_cvxlayers.arguments import positive_number, true_or_false, whole_number
from tf_cvxlayers.errors import ArgumentError, shortened
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
        ArgumentError: an `eps` that is not positive, an input of another size, or a
            weight that the problem does not have.

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
        equalities = whole_number("equalities", equalities, 0)
        inequalities = whole_number("inequalities", inequalities, 0)
        dense, nonneg = true_or_false("dense", dense), true_or_false("nonneg", nonneg)
        rows = equalities + inequalities
        used = {"W": dense, "c": dense, "L": L is not None, "A": equalities}
        used |= {"G": inequalities, "s0": inequalities, "z0": rows}
        given = {"W": W, "c": c, "L": L, "A": A, "G": G, "s0": s0, "z0": z0}
        for name, how in given.items():
            if not used[name] and how is not None:
                _refuse_ignored(name, how)
        if z0 is None:
            given["z0"] = "ones" if nonneg else "zeros"
        learned = {name: how for name, how in given.items() if used[name]}
        super().__init__(learned=learned, **kwargs)
        self.units = whole_number("units", units)
        self.equalities = equalities
        self.inequalities = inequalities
        self.nonneg = nonneg
        self.eps = positive_number("eps", eps)
        self.dense = dense

    def _weight_specs(self, n):
        if not self.dense and n != self.units:
            raise ArgumentError(
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


# What makes a weight one of the problem.
_NEEDS = {
    "W": "dense=True",
    "c": "dense=True",
    "A": "equalities",
    "G": "inequalities",
    "s0": "inequalities",
    "z0": "equalities or inequalities",
}


def _refuse_ignored(name: str, how: Any) -> None:
    """Raise ArgumentError for a weight that the problem does not have, unless it is the
    one that is there by default."""
    default = inspect.signature(QuadraticProgram.__init__).parameters[name].default
    if isinstance(how, str) and how == default:
        return
    raise ArgumentError(
        f"Expected {name} with {_NEEDS[name]} alone, since the problem has no {name} "
        f"without. Received: {name}={shortened(how)}."
    )
