"""Log lines of a test, kept instead of written: the fixture `logged`."""

from __future__ import annotations

from typing import Any


class Lines(list[dict[str, Any]]):
    """What was logged, one dict a line."""

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of one event."""
        return [line for line in self if line["event"] == name]

    def names(self) -> list[str]:
        """Return the events, in the order they came."""
        return [line["event"] for line in self]
