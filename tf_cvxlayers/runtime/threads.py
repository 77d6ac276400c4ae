"""The thread pool of the process, on which the elements of a batch are solved; and new
threads, for what must not see where it is called from."""

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")


class _Pool:
    """One thread pool for the process, made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._owner: int | None = None

    def get(self) -> ThreadPoolExecutor:
        with self._lock:
            # Threads do not survive a fork: a child makes a pool of its own.
            if self._executor is None or self._owner != os.getpid():
                self._owner = os.getpid()
                self._executor = ThreadPoolExecutor(
                    os.cpu_count() or 1, thread_name_prefix="tf_cvxlayers"
                )
            return self._executor


_POOL = _Pool()


def in_threads(
    work: Callable[[int, int], None], count: int, threads: int | None
) -> None:
    """Run `work(start, stop)` on contiguous parts of `range(count)`, in parallel.

    The solvers release Python's lock, so that threads run side by side. The calling
    thread takes the first part: with one part there is no pool at all.
    """
    parts = max(1, min(threads or os.cpu_count() or 1, count))
    edges = np.linspace(0, count, parts + 1).astype(int)
    futures = [
        _POOL.get().submit(work, int(start), int(stop))
        for start, stop in itertools.pairwise(edges[1:])
    ]
    work(int(edges[0]), int(edges[1]))
    for future in futures:
        future.result()


def in_new_thread(function: Callable[[], Result]) -> Result:
    """`function()`, in a thread that starts without any of the scopes that are open in
    this one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()
