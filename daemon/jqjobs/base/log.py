"""Log lines: an event name and fields, as text for people or JSON for machines, on stderr.

Entry points call `configure` once; everybody else only calls `event`. Payloads are never logged, and
what came from outside is made visible (no raw control characters). When nobody reads the lines or the
disk is full they are dropped and counted; no line holds up a job for long.
"""

from __future__ import annotations

import logging
import os
import select
import stat
import sys
from collections.abc import Callable
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, TextIO

from jqjobs.base.log_lines import EVENT_LOGGERS, FIELDS, TRACEBACK, JsonFormat, TextFormat, lost_note

#: For who logs; without a level it is INFO.
DEBUG, INFO, WARNING = logging.DEBUG, logging.INFO, logging.WARNING
ERROR, CRITICAL = logging.ERROR, logging.CRITICAL

_log = logging.getLogger(EVENT_LOGGERS[0])
#: For the ends of jobs: what watches loggers, such as Sentry, finds the dead ones here, as errors.
JOBS = logging.getLogger(EVENT_LOGGERS[1])
#: For successes that nobody wants in the log, only in a file of their own (`job_files`).
SUCCESSES_ASIDE = logging.getLogger(EVENT_LOGGERS[2])
SUCCESSES_ASIDE.propagate = False

#: Whose turn it is to write, of the threads of this process.
TURN = RLock()  # a signal handler may print, too
#: Writes a line to its end; False: nobody takes it.
Write = Callable[[bytes], bool]
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def event(
    name: str, /, *, level: int = logging.INFO, logger: logging.Logger = _log, exc_info: _ExcInfo | bool | None = None,
    traceback: str = "", **fields: Any,
) -> None:  # fmt: skip
    """Log one event of `events`, such as ``event("job.done", job=…, ms=…)``; None fields are left out.

    ``traceback``: as it is to be shown, also without ``exc_info`` or instead of what that would give.
    """
    logger.disabled = False  # as dictConfig leaves each logger that an app does not name
    if level >= logger.getEffectiveLevel() and (level > logger.manager.disable or _is_our_process()):
        shown = {key: value for key, value in fields.items() if value is not None}
        told = sys.exc_info() if exc_info is True else exc_info or None
        extra = {FIELDS: shown, TRACEBACK: traceback}
        path, line, function, _ = logger.findCaller(stacklevel=2)
        logger.handle(logger.makeRecord(logger.name, level, path, line, name, (), told, function, extra))


def _is_our_process() -> bool:
    """Whether `configure` was called: where apps and jobs say `logging.disable` there, they mean their own lines."""
    return any(isinstance(handler, CalmHandler) for handler in _log.handlers)


class CalmHandler(logging.StreamHandler[TextIO]):
    """Writes lines to stderr and never raises: what nobody takes is counted, and said as soon as somebody does.

    Waits for nobody; or, with ``patience_ms``, so long for a reader that is known to be slow at most, once.
    """

    def __init__(self, who: str, form: str, patience_ms: int) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonFormat(who) if form == "json" else TextFormat(who))
        self.lost = 0
        #: Who writes instead; False: not now.
        self.write: Write | None = None
        self._note = partial(lost_note, who, form)
        self._patience_ms = patience_ms
        self._is_torn = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            if self.lost:
                line = self._note(self.lost) + line
            with TURN:
                is_taken = (self.write or self._write)(line)
            if is_taken:
                self.lost = 0
                return
        except Exception:
            pass  # closed, the disk is full, a field cannot be shown: counted like a reader that stopped
        self.lost += 1

    def _write(self, line: bytes) -> bool:
        """Write a line, or as much of it as the reader takes; False: that was not all."""
        descriptor = self.stream.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        left = memoryview(b"\n" + line if self._is_torn else line)
        most = self._most_at_once(descriptor)
        while left:
            if not poll.poll(0 if self.lost else self._patience_ms):
                return False
            written = os.write(descriptor, left[:most])
            self._is_torn = left[written - 1] != ord("\n")
            left = left[written:]
        return True

    def _most_at_once(self, descriptor: int) -> int:
        """Return how much is written at once: all, so that nothing gets between, but where that could wait for long.

        A pipe that polls as writable takes PIPE_BUF bytes at once (pipe(7)). Setting O_NONBLOCK instead would change
        the descriptor for every process that shares it, the user's shell included.
        """
        mode = os.fstat(descriptor).st_mode
        is_quick = stat.S_ISREG(mode) or stat.S_ISCHR(mode) or self._patience_ms > 0
        return sys.maxsize if is_quick else select.PIPE_BUF


def configure(who: str, *, form: str = "text", level: str = "info", patience_ms: int = 0) -> None:
    """Send log lines to stderr. ``who`` names the process; ``form`` is text or json."""
    _log.handlers[:] = [CalmHandler(who, form, patience_ms)]
    _log.handlers[0].setLevel(level.upper())  # for lines of jobs, whose logger has a level of its own
    _log.setLevel(level.upper())
    _log.propagate = False


def write_with(write: Write | None) -> None:
    """Have somebody else write the lines from now on, who returns False when that is not possible now; None: nobody."""
    for handler in _log.handlers:
        if isinstance(handler, CalmHandler):
            handler.write = write


class _ToTheApp(logging.Handler):
    """Shows a dead job to what the app has set up on the root logger too: mails, alarms."""

    def emit(self, record: logging.LogRecord) -> None:
        for handler in logging.getLogger().handlers:
            if not isinstance(handler, CalmHandler) and record.levelno >= handler.level:
                try:
                    handler.handle(record)
                except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit):  # the error's own text may exit
                    self.handleError(record)


def take_app_lines(
    who: str, tags: Callable[[], dict[str, Any]], *, form: str = "text", level: str = "info", patience_ms: int = 0
) -> None:  # fmt: skip
    """Send what the app and its libraries log there too, with ``tags`` on each line: which job it is about.

    An app that has set up logging by itself is left alone, and shown only which jobs are dead.
    """
    JOBS.addHandler(_ToTheApp(level=logging.ERROR))
    root = logging.getLogger()
    if root.handlers:
        return

    def tag(record: logging.LogRecord) -> bool:
        setattr(record, FIELDS, tags())
        return True

    handler = CalmHandler(who, form, patience_ms)
    handler.addFilter(tag)
    root.addHandler(handler)
    root.setLevel(level.upper())
