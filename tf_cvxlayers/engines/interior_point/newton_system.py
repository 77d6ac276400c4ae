"""The linear system of Newton's step at a scaling, factored.

In scaled coordinates `z~ = W dz`, with `F = W^-T A`, it is

    (P + F'F) dx = a + F'c,      z~ = F dx - c.

Of rows without a slack `F dx = c` is asked for. They are solved as others are, with a
large `W^-1`, and refined: a step of the method of multipliers (Boyd, Parikh, Chu,
Peleato, Eckstein, "Distributed optimization and statistical learning via the
alternating direction method of multipliers", 2011, section 2.3).
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.linalg.diagonal import Diagonal
from tf_cvxlayers.linalg.rows import Rows
from tf_cvxlayers.linalg.symmetric import Factor, SymmetricMatrix

# Added to the diagonal, relative to it, with and without refinement; and the least that
# is added, in the units of an equilibrated program. A singular matrix then has a
# factor, and what a step misses for it the next one mends.
_PROXIMAL = 1e-13, 1e-11
_LEAST = 1e-12


class Refinement(NamedTuple):
    """How exactly systems are solved.

    Attributes:
        is_made: bool tensor, whether with a step of refinement.
        proximal: what is added to their diagonals, relative to these.
    """

    is_made: tf.Tensor
    proximal: tf.Tensor

    @classmethod
    def of(cls, is_made: tf.Tensor) -> "Refinement":
        """The setting with or without a step, as a bool tensor says."""
        both = (tf.constant(part, tf.float64) for part in _PROXIMAL)
        return cls(is_made, tf.where(is_made, *both))


class NewtonSystem(NamedTuple):
    """The system: `P`, `F`, and the factor of `P + F'F`.

    Attributes:
        P, F: the matrices.
        factor: of `P + F'F` with `added` on its diagonal.
        added: `[B, 1, n]`.
        refine: bool tensor, whether it is solved with a step of refinement, to more
            than half of the digits where it is badly conditioned.
        exact: which rows are to hold without `z~`, one or zero `[m]`; None for none.
    """

    P: SymmetricMatrix
    F: Rows
    factor: Factor
    added: tf.Tensor
    refine: tf.Tensor
    exact: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        P: SymmetricMatrix,
        F: Rows,
        refinement: Refinement,
        exact: np.ndarray | None = None,
    ) -> "NewtonSystem":
        """The system of a program, given `F = W^-T A`."""
        H = P.plus(F.gram(F))
        proximal = refinement.proximal if exact is None else _PROXIMAL[0]
        added = tf.maximum(proximal * H.diagonal_part(), _LEAST)
        factor = H.plus(Diagonal(added)).factored()
        added = tf.expand_dims(added, 1)
        return cls(P, F, factor, added, refinement.is_made, exact)

    def solve(self, a: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`(dx, z~)` for `(a, c)`, `[B, k, n]` and `[B, k, m]`."""
        dx = self.factor.solve(a + self.F.transposed(c))
        z = self.F.times(dx) - c

        # What an exact row misses is its own `z~`, which the step of refinement adds.
        best = z if self.exact is None else (1.0 + self.exact) * z

        def refined():
            more = a - self.P.times(dx) - self.F.transposed(best)
            more = self.factor.solve(more)
            return dx + more, best + self.F.times(more)

        if self.exact is None:
            return tf.cond(self.refine, refined, lambda: (dx, z))
        return refined()
