"""Reads which release of the code began to run when, for marks on charts. Writes nothing."""

from __future__ import annotations

from typing import NamedTuple

from jqjobs.store import keys
from jqjobs.store.reply_values import integer, text
from jqjobs.store.store import Store


class Deploy(NamedTuple):
    """A release, and when its first worker was ready."""

    at_ms: int
    release: str


def read_deploys(store: Store) -> list[Deploy]:
    """Return the last deploys, the latest first; what cannot be read is left out. Raises: StoreError."""
    notes = [text(note).partition(" ") for note in store.wire.call("LRANGE", store.address.key(keys.DEPLOYS), 0, -1)]
    return [Deploy(at_ms, release) for at, _, release in notes if release and (at_ms := integer(at)) is not None]
