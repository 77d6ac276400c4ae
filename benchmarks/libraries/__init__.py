"""Who solves it: a worker for each library, and how each wants a workload stated."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


class Library(NamedTuple):
    """A library that takes part: its worker, and whether it is this package, which has
    an environment of its own."""

    worker: Path
    is_ours: bool = False


#: One more peer is one more line here, one more worker and one more requirement.
LIBRARIES = {
    "tf_cvxlayers": Library(HERE / "worker_ours.py", is_ours=True),
    "cvxpylayers": Library(HERE / "worker_cvxpylayers.py"),
    "qpth": Library(HERE / "worker_qpth.py"),
    "proxsuite": Library(HERE / "worker_proxsuite.py"),
    "moreau": Library(HERE / "worker_moreau.py"),
    "dqp": Library(HERE / "worker_dqp.py"),
}
