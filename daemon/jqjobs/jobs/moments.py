"""When a call is due, as people write it: ``"2 days"``, ``"+1 minute"``, ``"tomorrow 9am Europe/Paris"``.

A span is so many seconds, whatever the clock does. All other text is a moment, which another module reads
(`jobs.moment_words`), loaded with the first one.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any, TypeGuard

from jqjobs.base.clock import LONGEST_MS, Duration, duration_ms, span_ms
from jqjobs.errors import InvalidOption

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_AROUND_SPAN = re.compile(r"(?:now\s*\+|\+|in\s)?\s*(.+?)(?:\s+(?:from now|later))?", re.IGNORECASE)


def is_moment(value: object) -> TypeGuard[str]:
    """Whether a delay is text that means another wait each time it is read: neither a number nor a span."""
    return isinstance(value, str) and _plain_span(value) is None


def wait_ms(value: Duration, what: str, now_ms: int) -> int:
    """Return for how long to wait: a span as `duration_ms` returns it, or until a moment.

    Raises: InvalidOption, ConfigError.
    """
    if is_moment(value):
        return moment_ms(value, what, now_ms) - now_ms
    return duration_ms(_plain_span(value), what)


def due_text(value: Duration | datetime, what: str, now_ms: int) -> str:
    """Return when a call is due, as `NewJob.due` wants it. A naive datetime means local time.

    Raises: InvalidOption, ConfigError.
    """
    if isinstance(value, datetime):
        return str(max(0, round(value.timestamp() * 1000)))
    if is_moment(value):
        return str(moment_ms(value, what, now_ms))
    return f"+{span}" if (span := duration_ms(_plain_span(value), what)) else ""


def end_ms(value: Duration | datetime, what: str, now_ms: int) -> int:
    """Return the end that somebody names, as with `due_text`, in ms since the epoch.

    Raises: InvalidOption, also for what has come already; ConfigError.
    """
    text = due_text(value, what, now_ms)
    found_ms = now_ms + int(text or 0) if text[:1] in ("", "+") else int(text)
    if found_ms <= now_ms:
        raise InvalidOption(f"{what} {value!r} is not to come", hint="such as 'in 3 months'")
    return found_ms


def moment_ms(text: str, what: str, now_ms: int) -> int:
    """Return the moment that a text means, in ms since the epoch. Raises: InvalidOption, ConfigError."""
    from jqjobs.jobs.moment_words import shown, understood

    found = understood(text, what, now_ms)
    found_ms = round(found.timestamp() * 1000)
    if found_ms <= now_ms:
        raise InvalidOption(f"{what} {text!r} is past: it was understood as {shown(found)}")
    if found_ms - now_ms > LONGEST_MS:
        raise InvalidOption(f"{what} {text!r} is more than ten years ahead: it was understood as {shown(found)}")
    return found_ms


def check_delay(value: Duration, what: str = "delay") -> None:
    """Raise InvalidOption for what can be no delay. A moment may be past by now, and in time at the next call."""
    if is_moment(value):
        _check_words(value, what)
    else:
        duration_ms(_plain_span(value), what)


def check_due(value: object) -> None:
    """Raise InvalidOption unless this is a datetime, or text that is no bare number."""
    if isinstance(value, datetime):
        return
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        raise InvalidOption(f"due {value!r} is neither a datetime nor a moment in words", hint="such as 'tomorrow 9am'")
    if is_moment(value):
        _check_words(value, "due")


def _check_words(text: str, what: str) -> None:
    from jqjobs.jobs.moment_words import understood

    understood(text, what, time.time_ns() // 1_000_000)


def _plain_span(value: Any) -> Any:
    """Return what `duration_ms` is to be asked about, None for text that is neither a number nor a span."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    words = " ".join(value.split())  # whatever spaces there are
    if words.lower() == "now":
        return 0
    inner = _AROUND_SPAN.fullmatch(words)
    return inner[1] if inner and span_ms(inner[1]) is not None else None
