"""The interpreters of the workers; the peers have an environment of their own.

Other frameworks pin other versions of the same solvers, and two frameworks in one
process compete for its threads. So the peers are never installed next to this
package, and what they pin cannot change what we are measured with.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
CHECKOUT = BENCHMARKS.parent
REQUIREMENTS = BENCHMARKS / "peers-requirements.txt"
VIRTUAL_ENVIRONMENT = BENCHMARKS / ".venv-peers"
#: Written last, so that an interrupted installation is not taken for a whole one.
INSTALLED = VIRTUAL_ENVIRONMENT / "installed.txt"


#: A comment on a pin: what it requires is not installed with it.
ALONE = "# --no-deps"


def requirements() -> list[str]:
    """Return the lines of the pinned peers, in the order of the file."""
    lines = REQUIREMENTS.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pip_arguments(line: str) -> list[str]:
    """Return what pip is told to install one line of the requirements."""
    pin = line.partition("#")[0].strip()
    return ["--no-deps", pin] if ALONE in line else [pin]


def peers_python(existing: str | None = None) -> str:
    """Return the peers' interpreter; make their environment if there is none.

    Installs again when the pins have changed since.
    """
    if existing is not None:
        return existing
    pins = requirements()
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = VIRTUAL_ENVIRONMENT / scripts / "python"
    if not INSTALLED.exists() or INSTALLED.read_text().splitlines() != pins:
        names = ", ".join(pip_arguments(pin)[-1] for pin in pins)
        print(f"Making {VIRTUAL_ENVIRONMENT}: {names}", file=sys.stderr)
        make = [sys.executable, "-m", "venv", "--clear", str(VIRTUAL_ENVIRONMENT)]
        subprocess.run(make, check=True)
        for pin in pins:
            install = [str(python), "-m", "pip", "install", "--quiet"]
            install += pip_arguments(pin)
            subprocess.run(install, check=True, stdout=sys.stderr)
        INSTALLED.write_text("\n".join(pins) + "\n")
    return str(python)


def variables(checkout: Path | None) -> dict[str, str]:
    """Return the environment variables of a worker.

    All find these benchmarks. Ours sees the package of a checkout besides; a peer has
    ``None``, and must not see our ``PYTHONPATH``: packages of another environment may
    be on it.
    """
    result = dict(os.environ)
    parts, path = [str(BENCHMARKS)], result.pop("PYTHONPATH", "")
    if checkout is not None:
        parts += [str(checkout), *filter(None, path.split(os.pathsep))]
    result["PYTHONPATH"] = os.pathsep.join(parts)
    return result
