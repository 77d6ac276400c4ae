"""A new process in which an exported file is tried; see `fresh_process`."""

import json
import os
import pathlib
import subprocess
import sys
from typing import IO, Any, Self, cast

import numpy as np

from tf_cvxlayers.errors import ExportError
from tf_cvxlayers.serving import fresh_process


class NewProcess:
    """A process that imports TensorFlow while this one traces what it is to load.

    A context: what is left of the process at its end is killed.

    Args:
        portable: whether it has TensorFlow alone, or this package too.
        folder: where there is room for files of its own.
    """

    def __init__(self, portable: bool, folder: pathlib.Path):
        self._portable, self._folder = portable, folder
        paths = [path or os.getcwd() for path in sys.path if isinstance(path, str)]
        # A file, not a pipe: nobody reads it before the end, and a pipe is soon full.
        self._log = folder / "log.txt"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", fresh_process.__file__, json.dumps(portable)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def load(self, path: pathlib.Path) -> None:
        """Have the file loaded; what comes of it is said by `end` or `answers`."""
        self._tell(str(path))

    def end(self) -> None:
        """Wait for the end of the process.

        Raises:
            ExportError: it failed.
        """
        self._process.communicate()
        if self._process.returncode:
            last = self._log.read_text(errors="replace").splitlines()[-12:]
            raise ExportError(
                "Expected a file that a new process can use"
                f"{', with TensorFlow alone' if self._portable else ''}. Received "
                "there:\n" + "\n".join(last)
            )

    def answers(self, endpoint: str, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
        """The answers of the file that was loaded, by the names of `fresh_process`.

        Args:
            endpoint: what is called.
            inputs: an array for each of its arguments.

        Raises:
            ExportError: the process failed.
        """
        given, found = (self._folder / f"{name}.npz" for name in ("inputs", "outputs"))
        named: dict[str, Any] = {f"a{k}": array for k, array in enumerate(inputs)}
        np.savez(given, **named)
        self._tell({"endpoint": endpoint, "inputs": str(given), "outputs": str(found)})
        self.end()
        with np.load(found, allow_pickle=False) as archive:
            return dict(archive)

    def _tell(self, what: object) -> None:
        stdin = cast(IO[str], self._process.stdin)
        try:
            stdin.write(json.dumps(what) + "\n")
            stdin.flush()
        except BrokenPipeError:
            # It has ended before its time; `end` says why.
            pass
