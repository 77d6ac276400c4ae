"""The thread pool takes contiguous parts side by side, and loses no exception."""

import threading

import numpy as np
import pytest

from tf_cvxlayers.runtime.threads import in_threads


@pytest.mark.parametrize("threads", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_parts_cover_everything_once(count, threads):
    done = np.zeros(count, int)
    lock = threading.Lock()

    def work(start, stop):
        with lock:
            done[start:stop] += 1

    in_threads(work, count, threads)
    np.testing.assert_array_equal(done, np.ones(count))


def test_parts_run_side_by_side():
    barrier = threading.Barrier(2, timeout=20)
    in_threads(lambda start, stop: barrier.wait(), 2, 2)


@pytest.mark.parametrize("failing", [0, 1])
def test_an_exception_in_a_part_is_raised(failing):
    def work(start, stop):
        if start == failing:
            raise ValueError("in a part")

    with pytest.raises(ValueError, match="in a part"):
        in_threads(work, 2, 2)
