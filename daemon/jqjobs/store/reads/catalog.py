"""Reads what workers have published: which jobs there are, in which queue each is at home, and what they take.

A worker can run any job of its app, so each queue that it serves has an entry of every job; the parameters are only in
the queue that the job is registered for. Nothing here is trusted: what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jqjobs.jobs.records import is_name
from jqjobs.jobs.schemas import sound
from jqjobs.store import keys
from jqjobs.store.reads.queues import known_queues, server_now_ms
from jqjobs.store.reads.rosters import are_offered
from jqjobs.store.reply_values import fields, json_or_none, string
from jqjobs.store.store import Store

_PARAMETERS = "params:"


class Offer(NamedTuple):
    """A job that workers have registered. ``queue``: where it is at home. ``entry``: how it is set up.

    ``parameters``: the JSON Schema of a call, or True for any; None: not known. ``is_live``: a worker of that queue
    offers it now.
    """

    name: str
    queue: str
    entry: dict[str, Any]
    parameters: Any
    is_live: bool


def read_offers(store: Store) -> list[Offer]:
    """Read all jobs that are registered for any queue; by name and queue."""
    queues, key = known_queues(store), store.address.key
    replies = store.wire.pipeline([("HGETALL", key(keys.queue(queue, "catalog"))) for queue in queues])
    found = [(name, queue, raw) for queue, reply in zip(queues, replies, strict=True)
             for name, raw in fields(reply).items() if is_name(name)]  # fmt: skip
    return _offers(store, found)


def offers_of(store: Store, name: str) -> list[Offer]:
    """Read for which queues a job of that name is registered."""
    queues, key = known_queues(store), store.address.key
    replies = store.wire.pipeline([("HGET", key(keys.queue(queue, "catalog")), name) for queue in queues])
    return _offers(store, [(name, queue, raw) for queue, raw in zip(queues, replies, strict=True)])


def offer_in(store: Store, queue: str, name: str) -> Offer | None:
    """Read what a queue knows of a job of that name, wherever it is at home; None when nobody has offered it there."""
    raw = store.wire.call("HGET", store.address.key(keys.queue(queue, "catalog")), name)
    return next(iter(_offers(store, [(name, queue, raw)])), None)


def _offers(store: Store, published: Iterable[tuple[str, str, Any]]) -> list[Offer]:
    """Make offers of catalog entries: name, the queue it was found in, and its JSON."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, queue, raw in published:
        entry = json_or_none(raw)
        if isinstance(entry, dict):
            found.setdefault((name, _home(entry, queue)), entry)
    places = sorted(found)
    told = zip(places, _at_home(store, places), strict=True)
    return [Offer(*place, found[place], parameters, is_live) for place, (parameters, is_live) in told]


def _home(entry: dict[str, Any], queue: str) -> str:
    named = string(entry.get("queue")) or ""
    return named if is_name(named) else queue


def _at_home(store: Store, places: Sequence[tuple[str, str]]) -> list[tuple[Any, bool]]:
    """Return for each (name, queue) the parameters that are published there, and whether it is offered now."""
    if not places:
        return []
    key = store.address.key
    published = [("HGET", key(keys.queue(queue, "catalog")), f"{_PARAMETERS}{name}") for name, queue in places]
    are_live = are_offered(store, places, server_now_ms(store))
    told = zip(store.wire.pipeline(published), are_live, strict=True)
    return [(sound(json_or_none(raw)), is_live) for raw, is_live in told]
