"""``--job-log`` and ``--error-log``: lines about jobs in files of their own, beside the log.

All workers of all daemons may write into one file: it is appended to, a line by one call. A file that was moved away,
by logrotate say, is made anew with the next line.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time

from jqjobs.base import log
from jqjobs.base.log_lines import JsonFormat, TextFormat, lost_note
from jqjobs.errors import ConfigError

#: A line that has no end after this long, ms, never will: its process was killed, or the disk was full.
_WRITTEN_WITHIN_MS = 500
#: The ends of attempts in which something went wrong, which is what ``--error-log`` is about.
FAILURES = frozenset({
    "job.crashed", "job.discarded", "job.failed", "job.hung", "job.killed", "job.malformed", "job.oversized",
})  # fmt: skip


class JobFile(logging.Handler):
    """Appends lines to one file. What it cannot write is counted, and said as soon as it can."""

    def __init__(self, path: str, who: str, form: str) -> None:
        super().__init__()
        self.setFormatter(JsonFormat(who) if form == "json" else TextFormat(who))
        self._path = path
        self._who, self._form = who, form
        self._descriptor = -1
        self._lost = 0

    def open(self) -> None:
        """Open the file, and make it if it is not there. Raises: OSError."""
        # To read, too: whether the last line has an end. Without waiting: it may be a pipe.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, 0o644)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            if self._lost:
                line = lost_note(self._who, self._form, self._lost) + line
            start = b"\n" if self._ends_in_half_a_line() else b""
            if os.write(self._descriptor, start + line) == len(start + line):
                self._lost = 0
                return
        except Exception:
            pass  # the disk is full, the directory is gone, a field cannot be shown
        self._lost += 1

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _ends_in_half_a_line(self) -> bool:
        """Have the file open that is there now; whether it ends in what somebody could not write to its end."""
        for _ in range(_WRITTEN_WITHIN_MS):
            about = self._find()
            is_empty = not stat.S_ISREG(about.st_mode) or not about.st_size
            if is_empty or os.pread(self._descriptor, 1, about.st_size - 1) in (b"\n", b""):
                return False
            time.sleep(0.001)  # somebody may be about to
        return True

    def _find(self) -> os.stat_result:
        with contextlib.suppress(OSError):
            about = os.stat(self._path)
            if self._descriptor >= 0 and os.path.samestat(about, os.fstat(self._descriptor)):
                return about
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.open()
        return os.fstat(self._descriptor)


def write_jobs(who: str, *, form: str, job_log: str, error_log: str) -> None:
    """Write what is logged of jobs into these files too; "": not. Raises: ConfigError."""
    for flag, path, only in (("--job-log", job_log, None), ("--error-log", error_log, FAILURES)):
        if path:
            _add(JobFile(path, who, form), only, f"{flag} {path}")


def _add(file: JobFile, only: frozenset[str] | None, what: str) -> None:
    try:
        file.open()
    except OSError as error:
        hint = "name a file in a directory that is there, and that this user may write"
        raise ConfigError(f"{what} cannot be written: {error.strerror}", hint=hint) from error
    if only is not None:
        file.addFilter(lambda record: record.getMessage() in only)
    log.JOBS.addHandler(file)
    log.JOBS.setLevel(logging.INFO)  # files have them all, whatever --log-level says
    if only is None:
        log.SUCCESSES_ASIDE.addHandler(file)
