"""How templates write values: what they call filters. Everything that is written passes `shown` first.

What came out of Redis may be anything. Jinja escapes it for HTML; here what would hide or reorder text is escaped too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

from jqjobs.base.clock import format_age
from jqjobs.base.escape import visible
from jqjobs.base.sizes import format_size
from jqjobs.base.words import moment

UNKNOWN = "–"


def shown(value: Any) -> Any:
    """Return a value as it may stand in a page: text with nothing in it that hides."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def as_typed(text: str) -> Markup:
    """Return text for a field that somebody edits: exactly as it is, line ends too."""
    return escape(text)


def grouped(count: float | None) -> str:
    """Return a number with its thousands apart: ``84,312``."""
    if count is None:
        return UNKNOWN
    return f"{count:,.1f}" if isinstance(count, float) and count < 100 and count != int(count) else f"{count:,.0f}"


def age(seconds: float | None) -> str:
    """Return a duration in seconds, ``3m05s``."""
    return UNKNOWN if seconds is None else format_age(seconds)


def span(ms: float | None) -> str:
    """Return a duration in ms, ``3m05s``."""
    return UNKNOWN if ms is None else format_age(ms / 1000)


def ago(ms: int | None, now_ms: int) -> str:
    """Return how long ago a moment was, or when it will be: ``3m05s ago``, ``in 12s``."""
    if ms is None:
        return UNKNOWN
    return f"in {format_age((ms - now_ms) / 1000)}" if ms > now_ms else f"{format_age((now_ms - ms) / 1000)} ago"


def size(size_bytes: int | None) -> str:
    """Return a size of bytes, ``12.3 MB``."""
    return UNKNOWN if not size_bytes else format_size(size_bytes)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "as_typed": as_typed, "grouped": grouped, "age": age, "span": span, "ago": ago, "size": size, "moment": moment,
}  # fmt: skip
