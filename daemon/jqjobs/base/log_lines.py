"""What lines of the log look like: as text for people, as JSON objects for machines.

What came from outside is made visible (no raw control characters), so that each is one line.
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any

from jqjobs.base.escape import visible

#: Attributes of a record: the fields of an event, and a traceback that is shown instead of its ``exc_info``.
FIELDS, TRACEBACK = "jq_fields", "jq_traceback"
#: How what may be half a character is escaped in JSON.
_SURROGATE = "\\ud"
_HALF = re.compile("[\ud800-\udfff]")
#: The loggers whose messages are names of events.
EVENT_LOGGERS = ("jqjobs", "jqjobs.job", "jqjobs.job.aside")


class TextFormat(logging.Formatter):
    """``2026-05-01 12:00:00.123 INFO  worker:4711 job.failed job=… error=…``"""

    def __init__(self, who: str) -> None:
        super().__init__()
        self._who = who

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = "".join(f" {key}={_plain(value)}" for key, value in getattr(record, FIELDS, {}).items())
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
        found |= getattr(record, FIELDS, {})
        if traceback := _traceback(record):
            found["exception"] = traceback
        line = json.dumps(found, default=str)
        return _without_halves(found) if _SURROGATE in line else line


def _without_halves(fields: dict[str, Any]) -> str:
    """Return JSON with half characters as the text of their escapes, wherever they are: no strict parser reads them."""
    line = json.dumps(fields, default=str, ensure_ascii=False)
    return json.dumps(json.loads(_HALF.sub(lambda half: rf"\\u{ord(half[0]):x}", line)))


def lost_note(who: str, form: str, count: int) -> bytes:
    """Return the line that says how many lines nobody took."""
    text = f"({count} log lines were lost)"
    return _object(who, "warning", "log.lost", lines=count, message=text) if form == "json" else f"{text}\n".encode()


def printed_line(who: str, line: bytes) -> bytes:
    """Return what a process has printed as a line of the log, in JSON."""
    return _object(who, "info", "output", message=line.decode("utf-8", "backslashreplace"))


def _object(who: str, level: str, event: str, **fields: Any) -> bytes:
    found = {"ts": round(time.time(), 3), "level": level, "who": who, "event": event, **fields}
    return json.dumps(found).encode() + b"\n"


def _plain(value: Any) -> str:
    text = visible(str(value), limit=500)
    return json.dumps(text, ensure_ascii=False) if " " in text or "=" in text or not text else text


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name in EVENT_LOGGERS


def _traceback(record: logging.LogRecord) -> str:
    given: str = getattr(record, TRACEBACK, "")
    if given or not record.exc_info:
        return given
    return logging.Formatter().formatException(record.exc_info)


def _below(traceback: str) -> str:
    # Indented: no message can pass for a line of its own.
    return "".join(f"\n    {visible(line)}" for line in traceback.splitlines())
