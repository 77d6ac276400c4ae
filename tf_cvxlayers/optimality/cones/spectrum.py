"""The derivative of the projection onto a cone, by its eigenvalues.

At a solution `v = y - s` has the projections `y` onto the dual cone `K*` and `-s` onto
the polar of it (Moreau), so no projection has to be computed: its derivative
`D = DPi(v)` follows from `y` and `s` alone. `D` is symmetric with eigenvalues in
[0, 1], block diagonal, and every block has a known eigenbasis `U`:

    D = U diag(d) U'.

In that basis each cone looks like the nonnegative orthant: `d = 1` is an active
constraint, `d = 0` an inactive one, and between them lies the curvature of the cone.

* zero cone: `d = 1`; nonnegative: `d = [y > s]`.
* second-order: `v = (t, u)`; eigenvalues 1, 0 for `(1, +-u/|u|)/sqrt 2`, and
  `(t + |u|) / (2 |u|)` for what is orthogonal to both (Busseti, Moursi, Boyd, 2019,
  "Solution refinement at regular points of conic problems", section 3).
* PSD: `V = Q diag(w) Q'`; the eigenvectors are the packed `Q (e_i e_j' + e_j e_i') Q'`,
  the eigenvalues 1 or 0 where `w_i` and `w_j` have the same sign, otherwise
  `w+ / (w+ + |w-|)` (same source; also the limit for equal eigenvalues).
* exponential and power: see `smooth_cones`.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.optimality.cones.smooth_cones import smooth_cone_derivative
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cones import ConeDims, svec_indices


class _Block(NamedTuple):
    """The eigenvalues of equal cones, and their bases.

    Attributes:
        values: `[B, number * rows]`.
        basis: None for the identity, else a tensor `[B, number, ...]` that `kind` gives
            a meaning.
        number: how many cones there are.
    """

    kind: str
    values: tf.Tensor
    basis: tf.Tensor | None
    order: int
    number: int = 1

    @property
    def rows(self) -> int:
        """Of each cone."""
        return self.values.shape[1] // self.number

    @classmethod
    def of(
        cls,
        kind: str,
        values: tf.Tensor,
        basis: tf.Tensor | None,
        order: int,
        number: int,
    ) -> "_Block":
        """From values and bases in which equal cones are elements of one batch."""
        values = tf.reshape(values, [-1, number * values.shape[1]])
        if basis is not None:
            basis = tf.reshape(basis, [-1, number, *basis.shape[1:]])
        return cls(kind, values, basis, order, number)


class Spectrum(NamedTuple):
    """The eigenvalues `d [B, m]` of `D`, and the change to its eigenbasis."""

    values: tf.Tensor
    blocks: tuple[_Block, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the eigenbasis is the one that vectors come in."""
        return all(block.basis is None for block in self.blocks)

    def into(self, matrix: tf.Tensor) -> tf.Tensor:
        """`U' M` for matrices `M [B, m, k]`."""
        return self._turned(matrix, transpose=True)

    def out_of(self, matrix: tf.Tensor) -> tf.Tensor:
        """`U M` for matrices `M [B, m, k]`."""
        return self._turned(matrix, transpose=False)

    def _turned(self, matrix: tf.Tensor, transpose: bool) -> tf.Tensor:
        if self.is_identity:
            return matrix
        parts, start = [], 0
        for block in self.blocks:
            rows = block.values.shape[1]
            part = matrix[:, start : start + rows]
            parts.append(_turn(block, part, transpose))
            start += rows
        # One matrix shared by the batch turns differently for each element.
        batch, width = tf.shape(self.values)[0], matrix.shape[2]
        return tf.concat(
            [tf.broadcast_to(part, [batch, part.shape[1], width]) for part in parts],
            axis=1,
        )


def derivative_blocks(cone: Spectrum) -> tf.Tensor:
    """The entries of `D`, block by block: `[B, entries]`, see `block_pattern`."""
    parts = []
    for block in cone.blocks:
        if block.basis is None:
            parts.append(block.values)
            continue
        rows = block.rows
        eye = tf.eye(rows, batch_shape=[1], dtype=tf.float64)
        turned = _turn(block, tf.tile(eye, [1, block.number, 1]), True)
        full = _turn(block, block.values[:, :, None] * turned, False)
        parts.append(tf.reshape(full, [-1, block.number * rows * rows]))
    return tf.concat(parts, axis=1) if parts else cone.values


def block_pattern(dims: ConeDims) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries that `derivative_blocks` gives."""
    rows, columns, start = [], [], 0
    for kind, size, _ in dims.blocks:
        index = np.arange(start, start + size)
        start += size
        diagonal = kind in (cones.ZERO, cones.NONNEGATIVE) or size == 1
        rows.append(index if diagonal else np.repeat(index, size))
        columns.append(index if diagonal else np.tile(index, size))
    empty = np.zeros(0, np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty, *columns])


def spectrum(dims: ConeDims, y: tf.Tensor, s: tf.Tensor) -> Spectrum:
    """The spectrum of `D` at the solutions `y, s [B, m]`."""
    blocks: list[_Block] = []
    start = 0
    for kind, rows, order, number in dims.runs:
        stop = start + rows * number
        yk, sk = (tf.reshape(part[:, start:stop], [-1, rows]) for part in (y, s))
        start = stop
        if kind == cones.ZERO:
            values, basis = tf.ones_like(yk), None
        elif kind == cones.NONNEGATIVE:
            values, basis = tf.cast(yk > sk, yk.dtype), None
        elif kind == cones.SECOND_ORDER:
            values, basis = _second_order(yk - sk)
        elif kind == cones.PSD:
            values, basis = _psd(yk - sk, int(order))
        else:
            values, basis = eigenvalues(smooth_cone_derivative(kind, order, yk, sk))
            values = tf.clip_by_value(values, 0.0, 1.0)
        blocks.append(_Block.of(kind, values, basis, int(order), number))
    values = [block.values for block in blocks]
    return Spectrum(tf.concat(values, axis=1) if values else y, tuple(blocks))


def _second_order(v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    t, u = v[:, :1], v[:, 1:]
    if u.shape[1] == 0:
        return tf.cast(t > 0, v.dtype), None
    one, zero = tf.ones_like(t), tf.zeros_like(t)
    size = tf.norm(u, axis=1, keepdims=True)
    nonzero = tf.where(size > 0, size, one)
    inside, outside = size <= t, size <= -t
    middle = tf.clip_by_value((t + size) / (2.0 * nonzero), 0.0, 1.0)
    middle = tf.where(inside, one, tf.where(outside, zero, middle))
    values = [tf.where(outside, zero, one), tf.where(inside, one, zero)]
    values += [middle] * (u.shape[1] - 1)
    # The reflection I - w w' takes u/|u| to -sign(u_1) e_1: stable for every u.
    direction = u / nonzero
    sign = tf.where(direction[:, :1] < 0, -one, one)
    w = tf.concat([direction[:, :1] + sign, direction[:, 1:]], axis=1)
    w = w * tf.sqrt(2.0 / tf.reduce_sum(w * w, axis=1, keepdims=True))
    basis = tf.concat([-sign, w], axis=1)
    return tf.concat(values, axis=1), basis


def _psd(v: tf.Tensor, order: int) -> tuple[tf.Tensor, tf.Tensor]:
    w, Q = eigenvalues(unpacked(v[:, :, None], order)[:, 0])
    positive, negative = tf.nn.relu(w), tf.nn.relu(-w)
    up, down = positive[:, :, None], negative[:, None, :]
    total = up + down
    mixed = up / tf.where(total > 0, total, tf.ones_like(total))
    values = tf.maximum(mixed, tf.linalg.matrix_transpose(mixed))
    rows, columns, _ = svec_indices(order)
    packed = tf.gather(
        tf.reshape(values, [-1, order * order]), rows * order + columns, axis=1
    )
    return packed, Q


def eigenvalues(matrices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.linalg.eigh`, which raises for the whole batch when one element is NaN; that
    of such an element is replaced by zero."""
    finite = tf.reduce_all(tf.math.is_finite(matrices), axis=[-2, -1], keepdims=True)
    return tf.linalg.eigh(tf.where(finite, matrices, tf.zeros_like(matrices)))


def _turn(block: _Block, part: tf.Tensor, transpose: bool) -> tf.Tensor:
    if block.basis is None:
        return part
    width = part.shape[2]
    part = tf.reshape(part, [-1, block.number, block.rows, width])
    if block.kind == cones.SECOND_ORDER:
        turned = _turn_second_order(block.basis, part, transpose)
    elif block.kind == cones.PSD:
        turned = _turn_psd(block.basis, part, block.order, transpose)
    else:
        turned = tf.matmul(block.basis, part, transpose_a=transpose)
    return tf.reshape(turned, [-1, block.number * block.rows, width])


def _turn_second_order(basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
    """The reflection of the tail, and the rotation of `(t, u_1)` by 45 degrees."""
    sign, w = basis[:, :, :1, None], basis[:, :, 1:, None]

    def reflect(tail):
        return tail - w * tf.reduce_sum(w * tail, axis=2, keepdims=True)

    def rotate(a, b):
        half = tf.constant(np.sqrt(0.5), part.dtype)
        return [half * (a + b), half * (a - b)]

    if transpose:
        tail = reflect(part[:, :, 1:])
        top = rotate(part[:, :, :1] + 0.0 * sign, sign * tail[:, :, :1])
        return tf.concat([*top, tail[:, :, 1:]], axis=2)
    a, b = rotate(part[:, :, :1] + 0.0 * sign, part[:, :, 1:2])
    tail = reflect(tf.concat([sign * b, part[:, :, 2:] + 0.0 * sign], axis=2))
    return tf.concat([a, tail], axis=2)


def _turn_psd(Q: tf.Tensor, part: tf.Tensor, order: int, transpose: bool) -> tf.Tensor:
    matrices = unpacked(part, order)
    Q = Q[:, :, None]
    left = tf.matmul(Q, matrices, transpose_a=transpose)
    return packed(tf.matmul(left, Q, transpose_b=not transpose), order)


def unpacked(packed: tf.Tensor, order: int) -> tf.Tensor:
    """`[..., rows, k]`, packed triangles, to matrices `[..., k, order, order]`."""
    rows, columns, scale = svec_indices(order)
    where = np.empty((order, order), np.int64)
    where[rows, columns] = where[columns, rows] = np.arange(rows.size)
    scaled = packed / tf.constant(scale[:, None], packed.dtype)
    full = tf.gather(tf.linalg.matrix_transpose(scaled), where.ravel(), axis=-1)
    return tf.reshape(full, [-1, *full.shape[1:-1], order, order])


def packed(matrices: tf.Tensor, order: int) -> tf.Tensor:
    """The inverse of `unpacked`."""
    rows, columns, scale = svec_indices(order)
    flat = tf.reshape(matrices, [-1, *matrices.shape[1:-2], order * order])
    taken = tf.gather(flat, rows * order + columns, axis=-1)
    return tf.linalg.matrix_transpose(taken * tf.constant(scale, flat.dtype))
