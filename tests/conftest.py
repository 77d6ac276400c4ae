"""What every test starts from: quiet logs, one thread a worker, fixed seeds."""

import os

# Read by TensorFlow when it is imported, so set before anything imports it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf

tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def _fixed_seed():
    keras.utils.set_random_seed(0)
