"""A batch in chunks, two of which are worked on at a time.

The iterations of a method read the same matrices again and again: faster where those of
a chunk stay in the processor's cache. They are also chains of small operations, which
two chunks fill the gaps of for each other. And a chunk of easy elements does not go
through the iterations that a hard one elsewhere needs. Results do not depend on any of
it, since elements do not on one another.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_cvxlayers.linalg.batch_axis import batch_size, dynamic_batch_size
from tf_cvxlayers.runtime.xla import compiled_by_xla

# What the matrices of one chunk may take, and from which batch on there are two.
_BYTES, _TWO = 2_000_000, 64
_AT_A_TIME = 2
# Where ops run one by one, they take their time whatever a chunk is: memory counts.
_OP_BY_OP = 32
# A batch of this size or less is not worth a loop. A larger one of known size is one
# chunk at least, and of unknown size in it: where TensorFlow 2.21 can tell that a graph
# takes more than 200 MB, it accumulates sums in variables, in an order that changes
# from run to run, and in a loop it finds them to exist when the graph runs again.
_SMALL = 100_000


def in_chunks(
    function: Callable[..., Sequence[tf.Tensor]],
    tensors: Sequence[tf.Tensor],
    outputs: Sequence[tf.TensorSpec],
    numbers: int,
) -> list[tf.Tensor]:
    """`function(*tensors)`, chunk by chunk.

    Args:
        function: of tensors `[1 or B, ...]` to tensors `[B, ...]`.
        tensors: those with a batch axis of length 1 go to each chunk as they are.
        outputs: what one element's results are.
        numbers: how many there are in the matrices of one element.
    """
    most = max(2, _BYTES // (8 * max(numbers, 1)))
    known = batch_size(tensors)
    small = known is not None and known < _TWO and 8 * known * numbers <= _SMALL
    if small or compiled_by_xla():
        return list(function(*tensors))
    if tf.executing_eagerly():
        return _one_after_another(function, tensors, _OP_BY_OP * most)
    batch = dynamic_batch_size(tensors)
    count = tf.maximum((batch + most - 1) // most, tf.where(batch < _TWO, 1, 2))
    size = (batch + count - 1) // count

    def chunk(k, *arrays):
        # The last one begins earlier, so that all have one size.
        start = tf.minimum(k * size, batch - size)
        own = [t if t.shape[0] == 1 else t[start : start + size] for t in tensors]
        results = zip(arrays, function(*own), strict=True)
        return (k + 1, *(array.write(k, result) for array, result in results))

    arrays = [
        tf.TensorArray(spec.dtype, count, element_shape=[None, *spec.shape])
        for spec in outputs
    ]
    _, *arrays = tf.while_loop(
        lambda k, *_: k < count, chunk, (0, *arrays), parallel_iterations=_AT_A_TIME
    )
    element = tf.range(batch)
    place = tf.where(
        element < (count - 1) * size, element, element + count * size - batch
    )
    return [
        tf.gather(tf.reshape(array.stack(), [-1, *spec.shape]), place)
        for array, spec in zip(arrays, outputs, strict=True)
    ]


def _one_after_another(
    function: Callable[..., Sequence[tf.Tensor]],
    tensors: Sequence[tf.Tensor],
    size: int,
) -> list[tf.Tensor]:
    """`function(*tensors)` in chunks of this size, outside a graph."""
    batch = int(dynamic_batch_size(tensors))
    if batch <= size:
        return list(function(*tensors))
    parts = [
        function(*(t if t.shape[0] == 1 else t[k : k + size] for t in tensors))
        for k in range(0, batch, size)
    ]
    return [tf.concat(part, axis=0) for part in zip(*parts, strict=True)]
