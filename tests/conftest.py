"""What every test starts from: quiet logs, one thread a worker, fixed seeds."""

import contextlib
import ctypes
import gc
import os
import subprocess
import sys

# Read by TensorFlow when it is imported, so set before anything imports it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import psutil
import pytest
import tensorflow as tf

from tests.problems import Case
from tf_cvxlayers.runtime.graphs import Graphs

# Graphs are millions of small objects; looking through them for garbage again and again
# would take most of the time. It is looked for when memory has grown by this much.
gc.set_threshold(200_000, 50, 1000)
_GROWN = 100 * 2**20
tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.threading.set_intra_op_parallelism_threads(1)


def pytest_sessionstart(session):
    """Where tests run in several processes, machine code is compiled before, once: it
    takes a minute, and some 700 MB of a process as long as that lives."""
    config = session.config
    is_worker = hasattr(config, "workerinput")
    if not is_worker and getattr(config.option, "numprocesses", None):
        command = [sys.executable, "-m", "tests.machine_code"]
        # Where it fails, tests say why.
        subprocess.run(
            command, cwd=config.rootpath, stderr=subprocess.DEVNULL, check=False
        )


@pytest.fixture(autouse=True)
def _fixed_seed():
    keras.utils.set_random_seed(0)


def _place(item):
    """What tests share layers with: those of a row of the catalogue, or of a module."""
    group = item.get_closest_marker("xdist_group")
    return group.args[0] if group else item.module.__name__


def pytest_collection_finish():
    # What was there before the first test is no garbage, and not looked through.
    gc.collect()
    gc.freeze()


class _Memory:
    """Of this process, as it was after garbage had been collected last."""

    def __init__(self):
        self._process = psutil.Process()
        self._last = self._now()

    def _now(self):
        return self._process.memory_info().rss

    def has_grown(self):
        """Whether it has grown much since then."""
        return self._now() > self._last + _GROWN

    def freed(self):
        """Garbage is collected; what the C library kept goes back to the system."""
        gc.collect()
        with contextlib.suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)
        self._last = self._now()


_MEMORY = _Memory()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Frees the layers that no later test uses, and what is garbage."""
    last = nextitem is None or _place(nextitem) != _place(item)
    if last:
        Case.layer.cache_clear()
        keras.backend.clear_session()
    if last or _MEMORY.has_grown():
        _MEMORY.freed()


@pytest.fixture
def steady(monkeypatch):
    """All eager calls of a test run op by op, or none: what is compared in every bit
    must not have been traced in between, which rounds differently."""
    decide, decided = Graphs.is_op_by_op, {}

    def as_before(self, name, values, shapes, *first_calls):
        answer = decide(self, name, values, shapes, *first_calls)
        key = self, name, tuple(shapes), tf.executing_eagerly()
        return decided.setdefault(key, answer)

    monkeypatch.setattr(Graphs, "is_op_by_op", as_before)


@pytest.fixture
def uncompared(monkeypatch):
    """Exports without the new process, where the file itself is looked at."""
    monkeypatch.setattr("tf_cvxlayers.serving.saved_model.compare", lambda *_args: True)
