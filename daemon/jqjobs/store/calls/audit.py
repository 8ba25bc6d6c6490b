"""Who did what: a bounded list of the acts of people, on queues, jobs, schedules and daemons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from jqjobs.base.escape import visible
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import integer, json_or_none, string, text
from jqjobs.store.scripts import script
from jqjobs.store.store import Store

#: So many notes are kept, and so many characters of each thing that was given.
_MOST_NOTES, _MOST_GIVEN = 1000, 200
#: Of a list that was given (ids), so many are noted.
_MOST_LISTED = 20


class Note(NamedTuple):
    """One act. ``act``: the command, such as ``queue pause``; ``given``: what it was told; ``error``: its code."""

    at_ms: int | None
    who: str
    act: str
    given: Mapping[str, Any]
    error: str | None


def note_act(who: str, act: str, given: Mapping[str, Any], error: str | None = None) -> Call[str]:
    """Note an act that is about to be done; return the note, for `note_failure`. ``error``: it has failed already."""
    note = {"who": visible(who, limit=_MOST_GIVEN), "act": act, "given": {k: _short(v) for k, v in given.items()}}
    if error:
        note["error"] = error
    return Call(script("audit"), (keys.AUDIT,), ("", _MOST_NOTES, json.dumps(note), ""), text)


def note_failure(note: str, error: str) -> Call[str]:
    """Note that an act has failed, in the note that was made of it. ``error``: its code."""
    failed = f'{note[:-1]},"error":{json.dumps(error)}}}'
    return Call(script("audit"), (keys.AUDIT,), ("", _MOST_NOTES, failed, note), text)


def note_count(note: str, n: int) -> Call[str]:
    """Note on how many jobs an act was done, in the note that was made of it."""
    found = json.loads(note)
    counted = found | {"given": {**found["given"], "n": n}}
    return Call(script("audit"), (keys.AUDIT,), ("", _MOST_NOTES, json.dumps(counted), note), text)


def _short(value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        more = [f"… {len(value) - _MOST_LISTED} more"] if len(value) > _MOST_LISTED else []
        return [_short(each) for each in value[:_MOST_LISTED]] + more
    return visible(str(value), limit=_MOST_GIVEN)


def read_notes(store: Store, most: int) -> list[Note]:
    """Return the latest notes, the newest first; what cannot be read is left out."""
    found = [json_or_none(raw) for raw in store.wire.call("LRANGE", store.address.key(keys.AUDIT), 0, most - 1)]
    return [_note(each) for each in found if isinstance(each, dict)]


def _note(found: Mapping[str, Any]) -> Note:
    given = found.get("given")
    return Note(
        integer(found.get("at_ms")), string(found.get("who")) or "", string(found.get("act")) or "",
        given if isinstance(given, dict) else {}, string(found.get("error")),
    )  # fmt: skip
