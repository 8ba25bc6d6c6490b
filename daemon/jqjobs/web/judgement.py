"""What may be shown of a job's arguments, result and envelope, by what workers have published of jobs of its name.

A job that nobody has published cannot be judged: what it hides itself is not known, nor which parameter a position is.
Then names are shown, and no values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reply_values import json_or_none
from jqjobs.web.redaction import HIDDEN, Redaction, masked

#: Patterns of one job; more of them are not heeded, and then nothing is shown.
_MOST_PATTERNS = 200
#: Fields of an envelope that are no arguments (docs/protocol.md).
_PLAIN = (
    "job", "id", "priority", "delay_ms", "due_ms", "key", "max_attempts", "max_crashes", "timeout_ms", "expires_ms",
    "keep_ms",
)  # fmt: skip
#: What in a schema is no description, but a value.
_VALUES = {"default", "examples", "const"}
#: Envelopes come fifty a page; judging one that takes more is not worth the wait.
_MOST_TEXT = 16 * 1024
_TOO_LONG = f"{HIDDEN}: {{}} characters, too many to judge them here; jqctl shows them"
_NOT_JSON = f"{HIDDEN}: {{}} characters that are no JSON, so no name says what may be seen; jqctl shows them"


class Judge(NamedTuple):
    """Judges values of jobs of one name. ``usual``: what is hidden of any. ``redaction``: of these; None: not known.

    ``names``: of the parameters by position. ``has_rest``: more than these may be given, without a name.
    """

    usual: Redaction
    redaction: Redaction | None = None
    names: Sequence[str] = ()
    has_rest: bool = False

    @property
    def knows(self) -> bool:
        """Whether workers have published what is hidden."""
        return self.redaction is not None

    def value(self, value: Any) -> Any:
        """Return what is shown of a result, or of arguments by name."""
        return masked(value) if self.redaction is None else self.redaction.of(value)

    def args(self, args: Sequence[Any]) -> list[Any]:
        """Return what is shown of arguments by position."""
        if self.redaction is None:
            return [masked(value) for value in args]
        named = [self.redaction.of(value, name) for value, name in zip(args, self.names, strict=False)]
        rest = args[len(self.names) :]
        return named + [self.redaction.of(value) if self.has_rest else masked(value) for value in rest]

    def envelope(self, found: Any) -> Any:
        """Return what is shown of an envelope, or of a payload that is no job's."""
        return (
            {key: self._part(key, value) for key, value in found.items()} if isinstance(found, dict) else masked(found)
        )

    def _part(self, key: str, value: Any) -> Any:
        if key == "args" and isinstance(value, list):
            return self.args(value)
        if key == "kwargs" and isinstance(value, dict):
            return self.value(value)
        if key in _PLAIN and not isinstance(value, (list, dict)):
            return self.usual.of(value)
        return masked(value) if self.redaction is None or key in ("args", "kwargs") else self.redaction.of(value, key)

    def text(self, text: str) -> str:
        """Return what is shown of the text of an envelope."""
        if len(text) > _MOST_TEXT:
            return _TOO_LONG.format(len(text))
        found = json_or_none(text)
        if found is None:
            return _NOT_JSON.format(len(text))
        return json.dumps(self.envelope(found), ensure_ascii=False)

    def job(self, job: JobInfo) -> JobInfo:
        """Return a job with what may be shown of it."""
        return job._replace(
            args=None if job.args is None else self.args(job.args),
            kwargs=None if job.kwargs is None else self.value(job.kwargs),
            payload=None if job.payload is None else self.text(job.payload),
            result=None if job.result is None else self.value(job.result),
            progress=None if job.progress is None else self.value(job.progress),
        )


def judge_of(offers: Sequence[Offer], usual: Redaction) -> Judge:
    """Return who judges jobs of a name, by what was published of it: in several queues, what each of them hides."""
    patterns = [_patterns(offer.entry.get("redact")) for offer in offers]
    own = [pattern for found in patterns for pattern in found or ()]
    if not offers or None in patterns or len(own) > _MOST_PATTERNS:
        return Judge(usual)
    positions = {
        tuple(offer.parameters.get("x-positional", ())) for offer in offers if isinstance(offer.parameters, dict)
    }
    names = positions.pop() if len(positions) == 1 else ()
    has_rest = not own and any("x-rest" in offer.parameters for offer in offers if isinstance(offer.parameters, dict))
    return Judge(usual, usual.and_also(own), names, has_rest)


def _patterns(said: Any) -> list[str] | None:
    """Return the patterns that a catalog entry says, None when it says something else."""
    if said is None:
        return []
    return said if isinstance(said, list) and all(isinstance(each, str) for each in said) else None


def without_secrets(offer: Offer, usual: Redaction) -> Offer:
    """Return an offer whose defaults are hidden as values under their names are."""
    redaction = judge_of([offer], usual).redaction
    return offer._replace(parameters=_schema(offer.parameters, redaction))


def _schema(schema: Any, redaction: Redaction | None, name: str = "") -> Any:
    """Return a JSON Schema, ``name``: of what it describes, with what may be shown of its values."""
    if isinstance(schema, list):
        return [_schema(each, redaction, name) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {key: _schema(each, redaction, name) for key, each in schema.items() if key != "properties"}
    for key in _VALUES & schema.keys():
        found[key] = masked(schema[key]) if redaction is None else redaction.of(schema[key], name)
    if isinstance(schema.get("properties"), Mapping):
        found["properties"] = {key: _schema(each, redaction, key) for key, each in schema["properties"].items()}
    return found
