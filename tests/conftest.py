"""What every test starts from: quiet logs, one thread a worker, fixed seeds."""

import gc
import os

# Read by TensorFlow when it is imported, so set before anything imports it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf

from tests.problems import Case
from tf_cvxlayers.pipeline.pipeline import Pipeline

try:
    from tensorflow.python.framework.ops import gradient_registry
except ImportError:  # another TensorFlow: workers grow until they end
    gradient_registry = None

# Graphs are millions of small objects; looking through them for garbage again and again
# would take most of the time.
gc.set_threshold(200_000, 50, 1000)
tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def _fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _one_op_at_a_time(request, monkeypatch):
    """In tests marked `stepwise`, eager calls run their ops one by one.

    A layer traces a graph for its eager calls, which takes seconds and pays after some
    twenty calls: more than most tests make. What is about that graph is not marked.
    """
    if request.node.get_closest_marker("stepwise"):
        monkeypatch.setattr(
            Pipeline, "_at_once", lambda self, stages, values: stages(*values)
        )


def _place(item):
    """What tests share layers with: those of a row of the catalogue, or of a module."""
    group = item.get_closest_marker("xdist_group")
    return group.args[0] if group else item.module.__name__


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Frees what no later test uses.

    TensorFlow's registry of gradients keeps each rule that was ever traced, whose
    closure holds the graphs of its layer: without this a worker grows by 20 MB a test.
    """
    if nextitem is not None and _place(nextitem) == _place(item):
        return
    rules = getattr(gradient_registry, "_registry", {})
    traced = [name for name in rules if name.startswith("CustomGradient-")]
    if traced:
        Case.layer.cache_clear()
        for name in traced:
            del rules[name]
        keras.backend.clear_session()  # and collects garbage


@pytest.fixture
def uncompared(monkeypatch):
    """Exports without the new process, where the file itself is looked at."""
    monkeypatch.setattr("tf_cvxlayers.serving.saved_model.compare", lambda *_args: True)
