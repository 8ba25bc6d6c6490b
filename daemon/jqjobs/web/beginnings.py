"""The beginning of a large value: what a page shows of it, cut off before anything else is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

#: What a number, a name or a bracket counts, beside the characters of a text.
_EACH = 4
_MOST_DEPTH = 50


class Beginning:
    """``value``: as much of a JSON value as takes about so many characters; ``is_whole``: that was all."""

    def __init__(self, value: Any, most: int) -> None:
        self._left = most
        self.is_whole = True
        self.value = self._of(value)

    def _of(self, value: Any, depth: int = 0) -> Any:
        self._left -= _EACH
        if depth > _MOST_DEPTH:
            self.is_whole = False
            return "…"
        if isinstance(value, str):
            return self._of_text(value)
        if isinstance(value, dict):
            return {name: self._of(each, depth + 1) for name, each in self._while_there_is_room(value.items())}
        if isinstance(value, list):
            return [self._of(each, depth + 1) for _, each in self._while_there_is_room(("", each) for each in value)]
        return value

    def _of_text(self, text: str) -> str:
        room = max(0, self._left)
        self._left -= len(text)
        self.is_whole = self.is_whole and len(text) <= room
        return text if len(text) <= room else f"{text[:room]}…"

    def _while_there_is_room(self, items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        for name, value in items:
            if self._left <= 0:
                self.is_whole = False
                return
            self._left -= len(name)  # it stays whole: by it the value is judged
            yield name, value
