"""What jobs print: line by line, so that it is there when their worker is killed; and each line by one write.

Else the threads of a worker, its stdout and its stderr, which are one pipe as often as not, got between each other's
lines as soon as these are long.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import sys
from typing import TYPE_CHECKING, Any

from jqjobs.base import log

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Longer lines are written in pieces.
_MOST_BYTES = 1024 * 1024
#: What these would do with a character that the encoding lacks, or half of one, is to raise; without a locale Python
#: takes the second one.
_RAISING = ("strict", "surrogateescape")
#: The first number that a copy of a descriptor may get: it is none of the three that everybody knows.
_FIRST_COPY = 3


class _Whole(io.FileIO):
    """Writes all that it gets before anybody else in this process may; also once a job has closed its descriptor.

    A terminal may go away, as the session ends in which a daemon was started: what is printed then is lost.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_COPY)

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data).cast("B")
        with log.TURN:
            while left:
                try:
                    left = left[super().write(left) or 0 :]
                except OSError as error:
                    if error.errno == errno.EIO:
                        break
                    if error.errno != errno.EBADF or not self.reopen():
                        raise
        return memoryview(data).nbytes

    def reopen(self) -> bool:
        """Open the descriptor again if it is closed, before anything else gets its number; whether it was."""
        try:
            os.fstat(self.fileno())
        except OSError:
            os.dup2(self._copy, self.fileno())
            return True
        return False


class _Buffer(io.BufferedWriter):
    """Stays open, whoever closes it: later jobs print, too."""

    def close(self) -> None:
        self.flush()


class _Lines(io.TextIOWrapper):
    """Stays open and whole, whoever closes it or takes it apart, as other text streams around it do at their end."""

    def __init__(self, file: _Whole, encoding: str, errors: str | None) -> None:
        super().__init__(_Buffer(file), encoding=encoding, errors=errors, line_buffering=True)
        self.file = file

    def close(self) -> None:
        self.flush()

    def detach(self) -> Any:
        self.flush()
        return self.buffer


class Streams:
    """What print and tracebacks are written to, as the app has it after its import."""

    def __init__(self) -> None:
        self._files = [stream.file for stream in (sys.stdout, sys.stderr) if isinstance(stream, _Lines)]
        self.keep()

    def keep(self) -> None:
        """Let jobs find what there is now."""
        self.stdout, self._stderr = sys.stdout, sys.stderr

    def put_back(self, *, always: bool) -> None:
        """Take away what a job has left in their place: ``always``, or where nobody can write to it any more."""
        if sys.stdout is not self.stdout and (always or _is_closed(sys.stdout)):
            sys.stdout = self.stdout
        if sys.stderr is not self._stderr and (always or _is_closed(sys.stderr)):
            sys.stderr = self._stderr
        for file in self._files:
            file.reopen()


def _is_closed(stream: Any) -> bool:
    try:
        return stream is None or bool(stream.closed)
    except ValueError:  # it has been detached from what it wrote to
        return True
    except Exception:  # it is taken apart, or no stream
        return not hasattr(stream, "write")


def print_lines() -> None:
    """Set up stdout and stderr of a worker."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # else it is closed, or somebody else's
            stream.flush()
            setattr(sys, name, _line_by_line(stream))
    turn: Any = log.TURN
    os.register_at_fork(after_in_child=turn._at_fork_reinit)  # as logging does with its own


def _line_by_line(stream: io.TextIOWrapper) -> _Lines:
    errors = "backslashreplace" if stream.errors in _RAISING else stream.errors  # no job fails of what it tells people
    lines = _Lines(_Whole(stream.fileno()), stream.encoding, errors)
    # Or `print` would write a long text first, and its line end when others have had their turn.
    lines._CHUNK_SIZE = _MOST_BYTES  # type: ignore[attr-defined]
    return lines
