"""Any CVXPY problem as a Keras layer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.errors import FileError, ProblemError
from tf_cvxlayers.layers.cone_layer import ConeLayer
from tf_cvxlayers.layers.configuration import (
    LayerConfig,
    engine_config,
    engine_from_config,
    require,
)
from tf_cvxlayers.layers.weights import (
    Learned,
    array_from_text,
    array_to_text,
    constant_array,
    learned_from,
)
from tf_cvxlayers.program.cone_program import ConeProgram, ParameterSpec
from tf_cvxlayers.program.serialization import from_text, to_text

if TYPE_CHECKING:
    import cvxpy as cp


@keras.saving.register_keras_serializable(package="tf_cvxlayers")
class CvxpyLayer(ConeLayer):
    """A parametrized convex problem, written in CVXPY, as a Keras layer.

    The layer maps the problem's parameters `theta` to its solution,

        y(theta) = argmin_y f(y; theta)  subject to  g(y; theta) <= 0,  h(y; theta) = 0,

    and is differentiable in all of them. The problem follows CVXPY's rules for
    disciplined parametrized programs (DPP), so that it is affine in its parameters once
    it is a cone program (Agrawal et al., "Differentiable convex optimization layers",
    2019, section 4). Computation is in float64 whatever the layer's dtype; outputs have
    the layer's compute dtype, gradients that of the input they belong to.

    Args:
        problem: a `cvxpy.Problem`.
        parameters: the *fed* parameters, whose values arrive at each call, in this
            order: a `cvxpy.Parameter` or a list of them.
        variables: what the layer returns: a `cvxpy.Variable` of the problem or a dual
            variable of a constraint (`constraint.dual_variables[0]`), for one tensor,
            or a list of them, for a tuple.
        learned: the parameters that are weights of the layer: a dict from parameter to
            an initializer (name or object), an array (its starting value), or a dict
            with `initializer` and optionally `regularizer`, `constraint`, `trainable`.
            The CVXPY attribute of a parameter (`nonneg`, `PSD`, ...) is kept in
            training.
        fixed: the parameters that are constants: a dict from parameter to array.
        engine: `"auto"`, the name of an engine, or an engine of `tf_cvxlayers.engines`.
        gp: whether the problem is a geometric program (DGP).
        on_failure: `"raise"` raises a `SolverError` if an element of the batch has no
            solution; `"nan"` makes such elements NaN and gives them zero gradient.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        One value `[..., *parameter.shape]` for each fed parameter, as separate
        arguments, a list, a tuple, or a dict by name. Batch dimensions broadcast; a
        value without them is shared by the batch, and its gradient summed.

    Output shape:
        `[..., *variable.shape]` for each variable.

    Raises:
        ProblemError: the problem is not convex or not DPP, has integer or complex
            variables, or a parameter that is none of fed, learned and fixed.
        ParameterError: a value has a wrong shape, is not finite, or is against its
            parameter's attribute.
        SolverError: an element has no solution, with `on_failure="raise"`.

    Example:

    ```python
    import cvxpy as cp
    import keras
    from tf_cvxlayers import CvxpyLayer

    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [cp.sum(y) == 1, y >= 0])
    layer = CvxpyLayer(problem, parameters=x, variables=y)
    layer(keras.ops.array([[0.5, 2.0, -1.0]]))  # [[0.0, 1.0, 0.0]]
    ```
    """

    # Keras would sort and store the arguments, and CVXPY's objects refuse to be sorted;
    # `get_config` is written out below.
    def __new__(cls, *_args, **_kwargs):
        return super().__new__(cls)

    def __init__(
        self,
        problem: "cp.Problem",
        parameters: "cp.Parameter | Sequence[cp.Parameter]",
        variables: "cp.Variable | Sequence[cp.Variable]",
        *,
        learned: "Mapping[cp.Parameter, Any] | None" = None,
        fixed: "Mapping[cp.Parameter, Any] | None" = None,
        engine: str | Engine = "auto",
        gp: bool = False,
        on_failure: str = "raise",
        **kwargs: Any,
    ):
        compiled = _compiled(problem, parameters, variables, learned, fixed, gp)
        super().__init__(*compiled, engine=engine, on_failure=on_failure, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "program": to_text(self.pipeline.program),
            "learned": [how.get_config() for how in self._learned],
            "fixed": [array_to_text(array) for array in self._fixed],
            "single": self._single,
            "engine": engine_config(self.wanted_engine),
            "on_failure": self.on_failure,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CvxpyLayer":
        parts = LayerConfig(config)
        program = parts.read("program", _program)
        rest = program.parameters
        fixed = parts.read("fixed", lambda texts: _fixed(texts, rest))
        rest = rest[: len(rest) - len(fixed)]
        learned = parts.read("learned", lambda hows: _learned(hows, rest))
        single = parts.read("single", lambda flag: _single(flag, program))
        engine = parts.read("engine", engine_from_config)
        layer = cls.__new__(cls)
        parts.read_rest(
            lambda settings: ConeLayer.__init__(
                layer, program, learned, fixed, single, engine, **settings
            )
        )
        return layer


def _program(text: Any) -> ConeProgram:
    return require(from_text(text), ConeProgram, "a cone program")


def _fixed(texts: Any, parameters: Sequence[ParameterSpec]) -> list[np.ndarray]:
    return [
        constant_array(spec, array_from_text(text), "the fixed")
        for spec, text in zip(_last(parameters, texts), texts, strict=True)
    ]


def _learned(hows: Any, parameters: Sequence[ParameterSpec]) -> list[Learned]:
    return [
        learned_from(spec.name, require(how, dict, "a dict"))
        for spec, how in zip(_last(parameters, hows), hows, strict=True)
    ]


def _last(parameters: Sequence[ParameterSpec], items: Any) -> Sequence[ParameterSpec]:
    """The last parameters, as many as there are items."""
    first = len(parameters) - len(require(items, list, "a list"))
    if first < 0:
        raise FileError(f"Expected {len(parameters)} or fewer. Received: {len(items)}.")
    return parameters[first:]


def _single(flag: Any, program: ConeProgram) -> bool:
    if require(flag, bool, "True or False") and len(program.variables) != 1:
        raise FileError(f"Expected one variable. Received: {len(program.variables)}.")
    return flag


def _roles(name: str, given: "Mapping[cp.Parameter, Any] | None") -> dict[Any, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ProblemError(
            f"Expected {name} to be a dict from parameters. "
            f"Received: {name} of type {type(given).__name__}."
        )
    return dict(given)


def _compiled(
    problem, parameters, variables, learned, fixed, gp
) -> tuple[ConeProgram, list[Learned], list[np.ndarray], bool]:
    """The cone program, with its parameters in the order fed, learned, fixed."""
    # Imported here, so that a saved layer is loaded without CVXPY.
    from tf_cvxlayers.from_cvxpy.canonicalize import canonicalize
    from tf_cvxlayers.from_cvxpy.diagnosis import check_parameters, check_variables

    learned, fixed = _roles("learned", learned), _roles("fixed", fixed)
    single = not isinstance(variables, list | tuple)
    fed = list(parameters) if isinstance(parameters, list | tuple) else [parameters]
    fed = [] if parameters is None else fed
    wanted = [variables] if single else list(variables)
    check_parameters(problem, fed, learned, fixed)
    check_variables(wanted)
    program = canonicalize(problem, [*fed, *learned, *fixed], wanted, gp)
    specs = program.parameters
    return (
        program,
        [
            learned_from(spec.name, given)
            for spec, given in zip(specs[len(fed) :], learned.values(), strict=False)
        ],
        [
            constant_array(spec, value, "the fixed")
            for spec, value in zip(
                specs[len(fed) + len(learned) :], fixed.values(), strict=True
            )
        ],
        single,
    )
