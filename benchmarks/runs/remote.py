"""The driver's end of the line: one long-lived process per library."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType


class WorkerError(RuntimeError):
    """A worker could not do what it was told; the text is the worker's own."""


class RemoteWorker:
    """A worker process. Between commands it waits, and costs nothing.

    It lives as long as the comparison, since starting up, importing and tracing are
    not what is compared.
    """

    def __init__(self, python: str, script: Path, env: dict[str, str]) -> None:
        """Start the process; what it prints besides answers goes to a log."""
        self._script = script
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=env,
            text=True,
        )

    def ask(self, command: str, **arguments: object) -> dict:
        """Send one command and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        message = json.dumps({"command": command, **arguments})
        try:
            print(message, file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self._script.name} ended early:\n{self._tail()}")
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def _tail(self, lines: int = 15) -> str:
        self._log.seek(0)
        return "".join(self._log.readlines()[-lines:])

    def __enter__(self) -> RemoteWorker:
        """Return the worker, which is running already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the line, at which the worker leaves its loop; insist if it stays."""
        try:
            self._process.communicate(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._log.close()
