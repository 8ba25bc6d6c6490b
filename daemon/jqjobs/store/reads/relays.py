"""What daemons tell in the registry of the relay of their app's outbox."""

from __future__ import annotations

from typing import Any, NamedTuple

from jqjobs.store.reply_values import count, integer, json_or_none, string


class RelayInfo(NamedTuple):
    """A relay. ``state``: starting, running, waiting_redis, waiting_database, dead. ``error``: why it waits.

    ``age_s``: since its start. ``rows``: that wait, None: not known; ``oldest_s``: for how long the oldest of them;
    ``old``: how many are so old that a person is to look, see `jqctl outbox run --force`.
    """

    state: str
    error: str = ""
    pid: int | None = None
    age_s: float = 0.0
    rows: int | None = None
    oldest_s: float = 0.0
    old: int = 0


def relay_info(said: Any) -> RelayInfo | None:
    """Return what a daemon said of its relay, None when it has none, or it is nothing that can be read."""
    found = json_or_none(said)
    if not isinstance(found, dict):
        return None
    return RelayInfo(
        string(found.get("state")) or "", string(found.get("error")) or "", integer(found.get("pid")),
        count(found.get("age_ms")) / 1000, integer(found.get("rows")), count(found.get("oldest_ms")) / 1000,
        count(found.get("old")),
    )  # fmt: skip
