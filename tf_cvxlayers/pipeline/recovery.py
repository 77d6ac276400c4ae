"""Solutions of the cone program back to the user's variables, in TensorFlow ops."""

import tensorflow as tf

from tf_cvxlayers.linalg.sparse import apply_map, evenly
from tf_cvxlayers.program.cone_program import ConeProgram, ConeSolution


def recover(program: ConeProgram, solution: ConeSolution) -> tuple[tf.Tensor, ...]:
    """The values `[B, *shape]` of the program's variables, float64."""
    values = []
    for variable in program.variables:
        flat = apply_map(variable.recovery, [solution.x, solution.y])
        if variable.exponential:
            flat = evenly(tf.exp, flat)
        values.append(tf.reshape(flat, [-1, *variable.shape]))
    return tuple(values)
