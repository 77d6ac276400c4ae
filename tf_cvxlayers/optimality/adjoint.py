"""The adjoint of the derivative of a cone program, in TensorFlow ops.

In the notation of `kkt`: for a cotangent `(gx, gy, gs)` of the solution, and `r = (r1,
r2)` with `J' r = (gx, D (gy + gs) - gs)`,

    dq = -r1,   db = -r2,   dP = -(r1 x' + x r1') / 2,   dA = r2 x' - y r1'

(Agrawal et al., 2019, section 3, with a quadratic objective). The second block row says
`r2 + gs = D (gy + gs + r2 - A r1)`, so `r2 + gs` lies in the range of `D`. With
`e = U'(r2 + gs)` the system takes the form (*) of `kkt`:

    P r1 - A~'e = gx - A'gs,      d A~ r1 + (1 - d) e = d U'gy.

Where `J` is singular the solution is not unique or not differentiable. There the
least-squares solution of minimum norm takes its place, element by element.
"""

import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import summed_like
from tf_cvxlayers.linalg.patterns import Pattern
from tf_cvxlayers.linalg.sparse import take
from tf_cvxlayers.optimality.cones.product import balance_of
from tf_cvxlayers.optimality.forms import has_band
from tf_cvxlayers.optimality.kkt import kkt_system
from tf_cvxlayers.optimality.matrices import matrices_of
from tf_cvxlayers.program.cone_program import ConeData, ConeSolution, ConeStructure
from tf_cvxlayers.runtime.chunks import in_chunks

# More that is missed than this means that the system is singular.
_ACCEPTED = 1e-11
_REFINEMENTS = 6
# With a band, where a system is too large for singular values refinement goes on: it
# tends to the solution of least norm, in units of its own.
_LARGEST, _MANY_REFINEMENTS = 600, 60
# Below this density the entries of a matrix are computed one by one.
_FULL = 0.1


def direct_adjoint(
    structure: ConeStructure,
    data: ConeData,
    solution: ConeSolution,
    cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
) -> ConeData:
    """The gradient with respect to the data, by a factorization of what is not sparse
    or has a band."""
    r = in_chunks(
        lambda *tensors: _adjoint_solution(
            structure, ConeData(*tensors[:4]), tensors[4:6], tensors[6:]
        ),
        [*data, solution.y, solution.s, *cotangent],
        [tf.TensorSpec([size], tf.float64) for size in (structure.n, structure.m)],
        structure.P.size + structure.A.size,
    )
    return data_gradient(structure, data, solution, cotangent, tuple(r))


def _adjoint_solution(
    structure: ConeStructure,
    data: ConeData,
    pair: tuple[tf.Tensor, tf.Tensor],
    cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """`r`, at the point with these `y` and `s`."""
    y, s = pair
    gx, gy, gs = cotangent
    matrices = matrices_of(structure, data)
    balance = balance_of(structure.cones, y, s)
    if balance is not None:
        matrices = matrices._replace(A=matrices.A.scaled(balance))
        y, s, gy, gs = y / balance, s * balance, gy * balance, gs / balance
    system = kkt_system(structure.cones, matrices, y, s)
    cone = system.cone
    right = (
        gx - system.A.transposed(gs),
        cone.values * cone.into(gy),
    )
    large = has_band(structure) and structure.n + structure.m > _LARGEST
    refinements = _MANY_REFINEMENTS if large else _REFINEMENTS
    (r1, e), kept = system.factored().solve_until(right, _ACCEPTED, refinements)
    kept = tf.expand_dims(kept | ~_is_nonzero(cotangent)[:, 0], 1)

    def repaired():
        # Of all elements, and then a choice: that can be vectorized by `tape.jacobian`.
        best = system.by_all_digits(right)
        return tuple(
            tf.where(kept, part, new) for part, new in zip((r1, e), best, strict=True)
        )

    if not large:
        r1, e = tf.cond(tf.reduce_all(kept), lambda: (r1, e), repaired)
    r2 = cone.out_of(e) - gs
    return r1, r2 if balance is None else r2 * balance


def data_gradient(
    structure: ConeStructure,
    data: ConeData,
    solution: ConeSolution,
    cotangent: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    r: tuple[tf.Tensor, tf.Tensor],
) -> ConeData:
    """`(dP, dq, dA, db)` from the adjoint solution `r`.

    Elements with a zero cotangent get exactly zero, whatever `r` is for them.
    """
    given = _is_nonzero(cotangent)
    r1, r2 = (tf.where(given, part, tf.zeros_like(part)) for part in r)
    x, y = solution.x, solution.y
    dP = -0.5 * (
        _outer(structure.P, r1, x, data.P) + _outer(structure.P, x, r1, data.P)
    )
    dA = _outer(structure.A, r2, x, data.A) - _outer(structure.A, y, r1, data.A)
    return ConeData(dP, summed_like(-r1, data.q), dA, summed_like(-r2, data.b))


def _is_nonzero(cotangent: tuple[tf.Tensor, ...]) -> tf.Tensor:
    joined = tf.concat(cotangent, axis=1)
    return tf.reduce_any(tf.not_equal(joined, 0.0), axis=1, keepdims=True)


def _outer(
    pattern: Pattern, left: tf.Tensor, right: tf.Tensor, values: tf.Tensor
) -> tf.Tensor:
    """`left right'` on the pattern; summed over the batch where `values` are shared."""
    rows, columns = pattern.shape
    if values.shape[0] == 1 and pattern.size >= _FULL * rows * columns:
        full = tf.matmul(right, left, transpose_a=True)
        return take(tf.reshape(full, [1, -1]), pattern.columns * rows + pattern.rows)
    if pattern.is_full:
        full = tf.expand_dims(right, 2) * tf.expand_dims(left, 1)
        return tf.reshape(full, [-1, rows * columns])
    entries = take(left, pattern.rows) * take(right, pattern.columns)
    return summed_like(entries, values)
