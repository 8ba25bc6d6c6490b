"""Hides what nobody is to see of arguments and results: values under names that match, at any depth.

A pattern is as of `fnmatch`, whatever the case, and however a name is put together: ``*api_key*`` is ``apiKey`` and
``X-Api-Key`` too. Called with what workers have published by `judgement`, which knows what a job itself hides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any

from jqjobs.base import log

#: Hidden unless somebody says otherwise.
USUAL = (
    "*password*", "*passwd*", "*passphrase*", "pwd", "*token*", "*secret*", "*authorization*", "auth", "*cookie*",
    "*credential*", "*api_key*", "*access_key*", "*private_key*",
)  # fmt: skip
HIDDEN = "[redacted]"
#: What is nested deeper is not looked at, and not shown.
MOST_DEPTH = 100
_BETWEEN_WORDS = re.compile(r"[-_.\s]")

#: Returns what is shown instead of a value; gets its name ("" where it has none) and the value.
Redactor = Callable[[str, Any], Any]


class Redaction:
    """Knows the patterns, and asks a function of the user about what they do not hide."""

    def __init__(self, patterns: Iterable[str] = (), ask: Redactor | None = None) -> None:
        self._patterns = tuple(dict.fromkeys((*USUAL, *patterns)))
        forms = dict.fromkeys(form for pattern in self._patterns for form in (pattern, _joined(pattern)))
        self._matches = re.compile("|".join(map(translate, forms)), re.IGNORECASE).match
        self._ask = ask

    def and_also(self, patterns: Iterable[str]) -> Redaction:
        """Return one that hides more."""
        more = tuple(patterns)
        return Redaction((*self._patterns, *more), self._ask) if more else self

    def hides(self, name: str) -> bool:
        """Whether a value of that name is hidden."""
        return bool(self._matches(name) or self._matches(_joined(name)))

    def of(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Return a JSON value without what is hidden; ``name``: that of the value itself, or of the list it is in."""
        if depth > MOST_DEPTH or (name and self.hides(name)):
            return HIDDEN
        value = self._asked(name, value)
        if isinstance(value, Mapping):
            return {str(key): self.of(each, str(key), depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return self._pair(value) or [self.of(each, name, depth + 1) for each in value]
        return value if isinstance(value, (str, int, float, type(None))) else str(value)

    def _pair(self, found: Sequence[Any]) -> list[Any] | None:
        """Return a name with its hidden value, as headers are listed: ``["Cookie", "…"]``."""
        is_hidden = len(found) == 2 and isinstance(found[0], str) and self.hides(found[0])
        return [found[0], HIDDEN] if is_hidden else None

    def _asked(self, name: str, value: Any) -> Any:
        if self._ask is None:
            return value
        try:
            return self._ask(name, value)
        except Exception:  # what it cannot judge is not shown
            if isinstance(value, (Mapping, list)):
                return value  # it is asked about all that is in there
            log.event("web.unredacted", level=log.ERROR, name=name, exc_info=True)
            return HIDDEN


def _joined(name: str) -> str:
    """Return a name, or a pattern, as one word; a set of characters in a pattern stays what it is."""
    return name if "[" in name else _BETWEEN_WORDS.sub("", name)


def masked(value: Any, depth: int = 0) -> Any:
    """Return a JSON value with its names alone: of what nobody can judge."""
    if isinstance(value, Mapping) and depth <= MOST_DEPTH:
        return {str(key): masked(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)) and depth <= MOST_DEPTH:
        return [masked(each, depth + 1) for each in value]
    return HIDDEN
