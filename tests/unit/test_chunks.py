"""A batch that is worked on in chunks gives what the whole batch gives."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.runtime.chunks import in_chunks


@pytest.mark.parametrize("is_known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("batch", [0, 1, 2, 63, 64, 65, 130])
def test_a_batch_in_chunks_is_the_batch(batch, is_known):
    x = tf.constant(np.random.default_rng(0).normal(size=(batch, 4)))
    shared = tf.constant([[1.0, 2.0, 3.0, 4.0]], tf.float64)

    @tf.function(
        input_signature=[
            tf.TensorSpec([batch if is_known else None, 4], tf.float64),
            tf.TensorSpec([1, 4], tf.float64),
        ]
    )
    def chunked(x, shared):
        specs = [tf.TensorSpec([4], tf.float64), tf.TensorSpec([], tf.float64)]
        return in_chunks(
            lambda x, shared: (x * shared, tf.reduce_sum(x, axis=1)),
            [x, shared],
            specs,
            numbers=20_000,
        )

    product, total = chunked(x, shared)
    np.testing.assert_array_equal(product, x * shared)
    np.testing.assert_array_equal(total, tf.reduce_sum(x, axis=1))
