"""Solutions of the cone program back to the user's variables, in TensorFlow ops."""

from collections.abc import Sequence

import tensorflow as tf

from tf_cvxlayers.linalg.sparse import apply_map, evenly
from tf_cvxlayers.program.cone_program import ConeSolution, VariableSpec


def recover(
    variables: Sequence[VariableSpec], solution: ConeSolution
) -> tuple[tf.Tensor, ...]:
    """The values `[B, *shape]` of variables, float64."""
    values = []
    for variable in variables:
        flat = apply_map(variable.recovery, [solution.x, solution.y])
        if variable.exponential:
            flat = evenly(tf.exp, flat)
        values.append(tf.reshape(flat, [-1, *variable.shape]))
    return tuple(values)


def sizes(
    variables: Sequence[VariableSpec],
    x: tf.Tensor,
    y: tf.Tensor,
    values: tuple[tf.Tensor, ...],
) -> tuple[tf.Tensor, ...]:
    """What rounding in variables is relative to, `[B, *shape]` each.

    Args:
        variables: the variables.
        x, y: what it is relative to in the solution, `[B, n]` and `[B, m]`.
        values: of the variables, as `recover` gives them.
    """
    found = []
    for variable, value in zip(variables, values, strict=True):
        absolute = variable.recovery.absolute()
        size = tf.reshape(apply_map(absolute, [x, y]), tf.shape(value))
        found.append(size * value if variable.exponential else size)
    return tuple(found)
