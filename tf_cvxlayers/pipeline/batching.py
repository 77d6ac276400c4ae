"""Leading batch dimensions: many of them outside, exactly one inside.

A value of shape `[..., *parameter.shape]` becomes `[B, size]`, where `B` is the product
of all batch dimensions after broadcasting, or `[1, size]` where it has none, or only
ones: it is shared then, and its gradient is summed over the batch.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_cvxlayers.errors import ParameterError
from tf_cvxlayers.program.cone_program import ParameterSpec


class Batch(NamedTuple):
    """The batch dimensions of a call.

    Attributes:
        static: as far as they are known.
        dynamic: int32 tensor of the same length.
    """

    static: tf.TensorShape
    dynamic: tf.Tensor

    def restored(self, value: tf.Tensor) -> tf.Tensor:
        """`[B, ...]` back to `[*batch, ...]`."""
        shape = tf.concat([self.dynamic, tf.shape(value)[1:]], axis=0)
        restored = tf.reshape(value, shape)
        restored.set_shape(self.static.concatenate(value.shape[1:]))
        return restored


def batch_shape(spec: ParameterSpec, shape: tf.TensorShape) -> tf.TensorShape:
    """The batch part of the shape of a value for this parameter.

    Raises:
        ParameterError: the shape does not end in that of the parameter.
    """
    rank = len(spec.shape)
    fits = shape.rank is not None and shape.rank >= rank
    if not fits or not shape[shape.rank - rank :].is_compatible_with(spec.shape):
        wanted = ", ".join(["...", *map(str, spec.shape)])
        raise ParameterError(
            f"Expected parameter '{spec.name}' with shape [{wanted}], where ... are "
            f"batch dimensions. Received: a value of shape {shape}."
        )
    return shape[: shape.rank - rank]


def common_batch_shape(
    specs: Sequence[ParameterSpec], shapes: Sequence[tf.TensorShape]
) -> tf.TensorShape:
    """The batch dimensions that values of these shapes have together."""
    owns = [batch_shape(spec, shape) for spec, shape in zip(specs, shapes, strict=True)]
    _check_scalars(specs, owns)
    common = tf.TensorShape([])
    for spec, own in zip(specs, owns, strict=True):
        try:
            common = tf.broadcast_static_shape(common, own)
        except ValueError as error:
            raise ParameterError(
                "Expected batch dimensions that broadcast. Received: parameter "
                f"'{spec.name}' with batch dimensions {own}, after {common}."
            ) from error
    return common


def _check_scalars(
    specs: Sequence[ParameterSpec], owns: Sequence[tf.TensorShape]
) -> None:
    """Raise ParameterError for a scalar with batch dimensions `(B, 1)` beside values
    that have `(B,)`, as a layer with one unit gives it: it would broadcast to B x B
    problems."""
    columns = {
        k
        for k, (spec, own) in enumerate(zip(specs, owns, strict=True))
        if not spec.shape and own.rank and own[-1] == 1
    }
    others = [own for k, own in enumerate(owns) if k not in columns and own.rank]
    for k in columns:
        rows = owns[k][:-1]
        if others and all(rows.is_compatible_with(other) for other in others):
            raise ParameterError(
                f"Expected parameter '{specs[k].name}', which is a scalar, with batch "
                f"dimensions {rows} as the other values have. Received: a value of "
                f"shape {owns[k]}, with which each would meet each. Drop its last "
                "axis, with keras.layers.Reshape(()), or declare the parameter as "
                "cp.Parameter(1)."
            )


def flattened(
    specs: Sequence[ParameterSpec], values: Sequence[tf.Tensor]
) -> tuple[list[tf.Tensor], Batch]:
    """The values as `[1 or B, size]`, and the batch they came from."""
    static = common_batch_shape(specs, [value.shape for value in values])
    leading = [
        value.shape.rank - len(spec.shape)
        for spec, value in zip(specs, values, strict=True)
    ]
    if static.is_fully_defined():
        dynamic = tf.constant(static.as_list(), tf.int32)
    else:
        owns = [
            tf.shape(value)[:rank]
            for value, rank in zip(values, leading, strict=True)
            if rank
        ]
        dynamic = functools.reduce(tf.broadcast_dynamic_shape, owns)
    batch = Batch(static, dynamic)
    flat = [
        _flat(spec, value, value.shape[:rank], batch)
        for spec, value, rank in zip(specs, values, leading, strict=True)
    ]
    return flat, batch


def _flat(spec, value, own: tf.TensorShape, batch: Batch) -> tf.Tensor:
    if all(size == 1 for size in own):
        return tf.reshape(value, [1, spec.size])
    if not (own.is_fully_defined() and own == batch.static):
        value = tf.broadcast_to(value, tf.concat([batch.dynamic, spec.shape], axis=0))
    count = batch.static.num_elements()
    rows = tf.reduce_prod(batch.dynamic) if count is None else count
    flat = tf.reshape(value, tf.stack([rows, spec.size]))
    flat.set_shape([count, spec.size])
    return flat
