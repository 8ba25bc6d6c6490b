"""What goes on in a queue, told to who listens: saying that one does, telling, hearing (docs/protocol.md, "Tail")."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import integer, json_or_none, string
from jqjobs.store.scripts import script

#: So long workers go on telling after somebody last said that he listens.
LISTEN_MS = 10_000


class TailEvent(NamedTuple):
    """An attempt began or ended. Of one that began there is no ``outcome`` and no ``run_ms``.

    ``outcome``: a word of `jobs.statistics.Ended`. ``run_ms`` None: nobody has measured. ``at_ms``: since the epoch.
    """

    event: str
    id: str
    queue: str
    name: str
    attempt: int | None
    outcome: str | None
    run_ms: int | None
    at_ms: int | None


class Told(NamedTuple):
    """A message. ``sender``: a worker, "" for a script; ``first``: the number that it gave the first of its events."""

    sender: str
    first: int
    events: tuple[TailEvent, ...]


def listen(queue: str) -> Call[int]:
    """Have workers tell for a while; returns until when, ms."""
    return Call(script("listen"), (keys.meta(queue),), ("", LISTEN_MS), int, repeatable=True)


def tell(queue: str, sender: str, first: int, events: Sequence[TailEvent]) -> Call[int]:
    """Tell who listens; returns how many do. A sender numbers its events in a queue, those too that it leaves out."""
    message = {"v": 1, "from": sender, "first": first, "events": [event._asdict() for event in events]}
    return Call(script("tell"), (keys.meta(queue),), ("", json.dumps(message)), int)


def heard(queue: str, message: Any) -> Told:
    """Return what a message tells; what cannot be read of it is left out."""
    found = json_or_none(message)
    told = found if isinstance(found, dict) else {}
    listed = told.get("events")
    events = [event for event in listed if isinstance(event, dict)] if isinstance(listed, list) else []
    return Told(
        string(told.get("from")) or "", integer(told.get("first")) or 0, tuple(_event(queue, each) for each in events)
    )  # fmt: skip


def _event(queue: str, told: dict[str, Any]) -> TailEvent:
    return TailEvent(
        string(told.get("event")) or "", string(told.get("id")) or "", queue, string(told.get("name")) or "",
        integer(told.get("attempt")), string(told.get("outcome")), integer(told.get("run_ms")),
        integer(told.get("at_ms")),
    )  # fmt: skip
