"""Runs one line of shell that a person has given: what `jqctl scale` and alerts do when something is to be done."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping

_STDERR = 2

#: Starts a process, like `subprocess.Popen`.
Start = Callable[..., "subprocess.Popen[bytes]"]


def failure_of(
    line: str, patience_s: float, said: bytes = b"", variables: Mapping[str, str] | None = None,
    start: Start = subprocess.Popen,
) -> str:  # fmt: skip
    """Run a line of shell; return why it failed, "" when it did not. What it writes goes to stderr.

    ``said``: what it reads; ``variables``: what its environment has beside ours. What takes longer than
    ``patience_s``, or is interrupted, is killed with all that it has started.
    """
    try:
        process = start(
            line, shell=True, stdin=subprocess.PIPE, stdout=_STDERR, start_new_session=True,
            env={**os.environ, **(variables or {})},
        )  # fmt: skip
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    with process:
        try:
            process.communicate(said, patience_s)
        except BaseException as error:
            _kill(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return f"failed, killed after {patience_s:g} s"
    return f"failed with {process.returncode}" if process.returncode else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
