"""Log lines: an event name and fields, as text for people or JSON for machines, on stderr.

Entry points call `configure` once; everybody else only calls `event`. Payloads are never logged, and
what came from outside is made visible (no raw control characters). When nobody reads the lines or the
disk is full they are dropped and counted; no line ever holds up a job.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from jqjobs.base.escape import visible

#: For who logs; without a level it is INFO.
DEBUG, WARNING, ERROR, CRITICAL = logging.DEBUG, logging.WARNING, logging.ERROR, logging.CRITICAL

_FIELDS, _TRACEBACK = "jq_fields", "jq_traceback"
_log = logging.getLogger("jqjobs")
#: For failures of jobs: what watches loggers, such as Sentry, finds the dead ones here, as errors.
JOBS = logging.getLogger("jqjobs.job")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def event(
    name: str, /, *, level: int = logging.INFO, logger: logging.Logger = _log, exc_info: _ExcInfo | bool | None = None,
    traceback: str = "", **fields: Any,
) -> None:  # fmt: skip
    """Log one event of `events`, such as ``event("job.done", job=…, ms=…)``; None fields are left out.

    ``traceback``: as it is to be shown, also without ``exc_info`` or instead of what that would give.
    """
    logger.disabled = False  # as dictConfig leaves each logger that an app does not name
    if logger.isEnabledFor(level):
        shown = {key: value for key, value in fields.items() if value is not None}
        logger.log(level, name, exc_info=exc_info, extra={_FIELDS: shown, _TRACEBACK: traceback})


class TextFormat(logging.Formatter):
    """``2026-05-01 12:00:00.123 INFO  worker:4711 job.failed job=… error=…``"""

    def __init__(self, who: str) -> None:
        super().__init__()
        self._who = who

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = "".join(f" {key}={_plain(value)}" for key, value in getattr(record, _FIELDS, {}).items())
        head = f"{moment}.{int(record.msecs):03d} {record.levelname:<7} {self._who}"
        source = "" if _is_ours(record) else f"{visible(record.name)}: "
        return f"{head} {source}{visible(record.getMessage())}{fields}{_below(_traceback(record))}"


class JsonFormat(logging.Formatter):
    """One JSON object a line: ``ts``, ``level``, ``who``, ``event``, then the fields.

    A line that is not ours has the event ``log``, its ``logger`` and its ``message``.
    """

    def __init__(self, who: str) -> None:
        super().__init__()
        self._who = who

    def format(self, record: logging.LogRecord) -> str:
        found = {"ts": round(record.created, 3), "level": record.levelname.lower(), "who": self._who}
        if _is_ours(record):
            found["event"] = record.getMessage()
        else:
            found |= {"event": "log", "logger": record.name, "message": record.getMessage()}
        found |= getattr(record, _FIELDS, {})
        if traceback := _traceback(record):
            found["exception"] = traceback
        return json.dumps(found, default=str)


class CalmHandler(logging.StreamHandler[TextIO]):
    """Writes lines and never raises or waits: what nobody takes is counted, and said as soon as somebody does."""

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + "\n"
            if self.lost:
                line = f"({self.lost} log lines were lost)\n{line}"
            if _write_at_once(self.stream.fileno(), line.encode("utf-8", "backslashreplace")):
                self.lost = 0
                return
        except Exception:
            pass  # closed, the disk is full, a field cannot be shown: counted like a reader that stopped
        self.lost += 1


def _write_at_once(descriptor: int, data: bytes) -> bool:
    """Write without waiting; False when the reader does not take it.

    A pipe that polls as writable takes PIPE_BUF bytes at once (pipe(7)). Setting O_NONBLOCK instead would
    change the descriptor for every process that shares it, the user's shell included.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    for at in range(0, len(data), select.PIPE_BUF):
        if not poll.poll(0):
            return False
        os.write(descriptor, data[at : at + select.PIPE_BUF])
    return True


def configure(who: str, *, form: str = "text", level: str = "info") -> None:
    """Send log lines to stderr. ``who`` names the process; ``form`` is text or json."""
    _log.handlers[:] = [_handler(who, form)]
    _log.setLevel(level.upper())
    _log.propagate = False


class _ToTheApp(logging.Handler):
    """Shows a dead job to what the app has set up on the root logger too: mails, alarms."""

    def emit(self, record: logging.LogRecord) -> None:
        for handler in logging.getLogger().handlers:
            if not isinstance(handler, CalmHandler) and record.levelno >= handler.level:
                try:
                    handler.handle(record)
                except Exception:
                    self.handleError(record)


def take_app_lines(who: str, tags: Callable[[], dict[str, Any]], *, form: str = "text", level: str = "info") -> None:
    """Send what the app and its libraries log there too, with ``tags`` on each line: which job it is about.

    An app that has set up logging by itself is left alone, and shown only which jobs are dead.
    """
    JOBS.handlers[:] = [_ToTheApp(level=logging.ERROR)]
    root = logging.getLogger()
    if root.handlers:
        return

    def tag(record: logging.LogRecord) -> bool:
        setattr(record, _FIELDS, tags())
        return True

    handler = _handler(who, form)
    handler.addFilter(tag)
    root.addHandler(handler)
    root.setLevel(level.upper())


def _handler(who: str, form: str) -> CalmHandler:
    handler = CalmHandler(sys.stderr)
    handler.setFormatter(JsonFormat(who) if form == "json" else TextFormat(who))
    return handler


def _plain(value: Any) -> str:
    text = visible(str(value), limit=500)
    return json.dumps(text, ensure_ascii=False) if " " in text or "=" in text or not text else text


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name in (_log.name, JOBS.name)


def _traceback(record: logging.LogRecord) -> str:
    given: str = getattr(record, _TRACEBACK, "")
    if given or not record.exc_info:
        return given
    return logging.Formatter().formatException(record.exc_info)


def _below(traceback: str) -> str:
    # Indented: no message can pass for a line of its own.
    return "".join(f"\n    {visible(line)}" for line in traceback.splitlines())
