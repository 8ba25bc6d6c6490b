"""What is asked of servers, not of queues: of one, or of each primary of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jqjobs.errors import StoreError
from jqjobs.store.nodes import Nodes
from jqjobs.store.sentinels import Place, place_text
from jqjobs.store.store import Store
from jqjobs.store.wire import Argument, raise_first

#: Where a server is that is no node of a cluster: behind the address of the store.
THE_ONE: Place = ("", 0)


def server_name(place: Place) -> str:
    """Return what people call it: "Redis", a node of a cluster with its place."""
    return "Redis" if place == THE_ONE else f"Redis {place_text(place)}"


def servers_of(store: Store) -> Sequence[Place]:
    """Return where all are that hold keys. Raises: StoreError when no node of a cluster tells."""
    return store.wire.primaries() if isinstance(store.wire, Nodes) else (THE_ONE,)


def ping_any(store: Store) -> None:
    """Raise StoreUnavailable (or its kin) unless a server answers."""
    replies = list(ask_servers(store, servers_of(store), "PING").values())
    if all(isinstance(reply, StoreError) for reply in replies):
        raise_first(replies)


def ask_servers(store: Store, places: Sequence[Place], *command: Argument) -> dict[Place, Any]:
    """Return what each replies, a cluster's all at once; an error is the reply of one that refuses or is away."""
    if isinstance(store.wire, Nodes):
        return store.wire.call_at(places, command)
    try:
        return {THE_ONE: store.wire.call(*command)}
    except StoreError as error:
        return {THE_ONE: error}
