"""How much memory there is."""

import os
import pathlib

# What Linux says of the memory of a container, in its two versions.
_LIMITS = (
    pathlib.Path("/sys/fs/cgroup/memory.max"),
    pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def gibibytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 2**30:.2g} GiB"


def memory_size() -> int | None:
    """The memory of the machine, or of the container, in bytes; None where it does not
    say."""
    try:
        sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):  # no such thing on Windows
        return None
    for limit in _LIMITS:
        try:
            sizes.append(int(limit.read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(sizes)
