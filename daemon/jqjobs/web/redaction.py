"""Hides what nobody is to see of arguments and results: values under names that match, at any depth.

A pattern is as of `fnmatch`, whatever the case: ``*card*``. What a job itself names is published in the catalog.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any

from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reply_values import json_or_none

#: Hidden unless somebody says otherwise.
USUAL = ("*password*", "*token*", "*secret*", "*authorization*", "*api_key*")
HIDDEN = "[redacted]"
#: What may be a name in text that is no JSON, perhaps since it was cut off.
_NAMES = re.compile(r"([\w.-]+)[\"']?\s*[:=]")

#: Returns what is shown instead of a value; gets its name and the value.
Redactor = Callable[[str, Any], Any]


class Redaction:
    """Knows the patterns, or asks a function of the user."""

    def __init__(self, patterns: Iterable[str] = (), ask: Redactor | None = None) -> None:
        self._patterns = tuple(dict.fromkeys((*USUAL, *patterns)))
        self._matches = re.compile("|".join(map(translate, self._patterns)), re.IGNORECASE).match
        self._ask = ask

    def and_also(self, patterns: Iterable[str]) -> Redaction:
        """Return one that hides more."""
        more = tuple(patterns)
        return Redaction((*self._patterns, *more), self._ask) if more else self

    def hides(self, name: str) -> bool:
        """Whether a value of that name is hidden."""
        return bool(self._matches(name))

    def of(self, value: Any, name: str = "") -> Any:
        """Return a JSON value without what is hidden; ``name``: that of the value itself."""
        if name and self.hides(name):
            return HIDDEN
        if isinstance(value, Mapping):
            return {str(key): self.of(each, str(key)) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(each) for each in value]
        return self._ask(name, value) if self._ask is not None and name else value

    def of_text(self, text: str) -> str:
        """Return JSON text without what is hidden. Of what is no JSON: all, or nothing with a hidden name in it."""
        found = json_or_none(text)
        if found is not None:
            return json.dumps(self.of(found), ensure_ascii=False)
        is_suspicious = "\\" in text or any(map(self.hides, _NAMES.findall(text)))
        return f"{HIDDEN}: {len(text)} characters, no JSON" if is_suspicious else text

    def of_positional(self, args: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Return arguments by position without what is hidden; ``names``: of the parameters, as far as known."""
        known = [*names, *[""] * len(args)]
        return [self.of(value, name) for value, name in zip(args, known, strict=False)]


def redacted(job: JobInfo, offer: Offer | None, redaction: Redaction) -> JobInfo:
    """Return a job without what is hidden. ``offer``: tells what the job itself hides, and names what has none."""
    entry, schema = (offer.entry, offer.parameters) if offer else ({}, None)
    redaction = redaction.and_also(_words(entry.get("redact")))
    names = _words(schema.get("x-positional")) if isinstance(schema, dict) else []
    return job._replace(
        args=None if job.args is None else redaction.of_positional(job.args, names),
        kwargs=None if job.kwargs is None else redaction.of(job.kwargs),
        payload=None if job.payload is None else redaction.of_text(job.payload),
        result=redaction.of(job.result),
        progress=redaction.of(job.progress),
    )


def _words(value: Any) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
