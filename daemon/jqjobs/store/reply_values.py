"""Reads values that may be anything: others write to the same Redis, and versions differ.

Owns the ways from a reply to a value that a reader can rely on. Called by all that reads
answers, and by jqctl for JSON that a person types.
"""

from __future__ import annotations

import json
import math
from typing import Any

#: Containers inside containers; far from Python's recursion limit, so what was read can be printed too.
_MOST_DEPTH = 500


def text(value: Any) -> str:
    """Return a reply as text; what is not UTF-8 is shown escaped, never raised."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def number(value: Any) -> int | None:
    """Return a reply as an integer, None when the field is absent."""
    return None if value is None else int(float(value))


def truth(reply: Any) -> bool:
    """Return whether a reply is 1."""
    return int(reply) == 1


def integer(value: Any) -> int | None:
    """Return a reply or a JSON value as an integer, None when it is not one."""
    try:
        return None if isinstance(value, bool) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def moment(value: Any) -> int:
    """Return a reply as a moment, ms; 0 when it is absent, or can be none."""
    found = integer(value) or 0
    return found if 0 <= found < 2**53 else 0


def count(value: Any) -> int:
    """Return a reply as a number of things: 0 when it is absent or not a number."""
    return max(0, integer(value) or 0)


def seconds_since(moment_ms: Any, now_ms: int) -> float | None:
    """Return the seconds from a stored moment to now, at least 0; None when it is absent."""
    since_ms = integer(moment_ms)
    return None if since_ms is None else max(0, now_ms - since_ms) / 1000


def fields(reply: Any) -> dict[str, Any]:
    """Return a flat reply (HGETALL) as a dictionary with text keys; empty for an error reply."""
    if not isinstance(reply, list):
        return {}
    return {text(reply[i]): reply[i + 1] for i in range(0, len(reply) - 1, 2)}


def string(value: Any) -> str | None:
    """Return a reply or a JSON value as text, None when it is absent or not text."""
    return text(value) if isinstance(value, (bytes, str)) else None


def words(value: Any) -> tuple[str, ...]:
    """Return the words of a text that has one space between them; none of what is absent."""
    return tuple(text(value).split()) if isinstance(value, bytes) else ()


def strict_json(source: str | bytes) -> Any:
    """Return the value of a JSON text, by the letter of RFC 8259.

    Raises: ValueError for anything else: NaN, numbers a float cannot hold, bytes that are not UTF-8, nesting
    deeper than 500.
    """
    try:
        plain = source.decode("utf-8") if isinstance(source, bytes) else source
        value = json.loads(plain, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def json_or_none(source: Any) -> Any:
    """Return the value of a JSON text, None when it is absent or not JSON."""
    try:
        return None if source is None else strict_json(source)
    except (ValueError, AttributeError, TypeError):
        return None


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is out of range")
    return value
