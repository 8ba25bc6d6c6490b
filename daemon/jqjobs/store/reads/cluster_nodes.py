"""The nodes of a cluster: which there are, and which queues are on their way from one to another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jqjobs.errors import StoreError
from jqjobs.store.clusters import OF_NO_QUEUE, slot_of
from jqjobs.store.reads.servers import ask_servers, servers_of
from jqjobs.store.reply_values import text
from jqjobs.store.store import Store

#: Of a slot that leaves a node key by key; only that node tells.
_LEAVES = re.compile(r"\[(\d+)->-")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?$")


class ClusterNode(NamedTuple):
    """``primary``: the place of the one that it follows, "" when it is one. ``slots``: how many it serves."""

    place: str
    primary: str
    slots: int
    is_down: bool


class ClusterNodes(NamedTuple):
    """All of them, and the queues whose keys are on their way: they stand still; "~" is what all daemons share."""

    nodes: tuple[ClusterNode, ...] = ()
    migrating: tuple[str, ...] = ()


def read_nodes(store: Store, queues: Iterable[str]) -> ClusterNodes:
    """Return what the primaries tell; nothing for one server, or where our user may not ask."""
    if store.address.cluster is None:
        return ClusterNodes()
    replies = ask_servers(store, servers_of(store), "CLUSTER", "NODES").values()
    told = [text(reply) for reply in replies if not isinstance(reply, StoreError)]
    if not told:
        return ClusterNodes()
    leaving = {int(slot) for reply in told for slot in _LEAVES.findall(reply)}
    migrating = tuple(queue for queue in sorted({*queues, OF_NO_QUEUE}) if slot_of(queue) in leaving)
    return ClusterNodes(nodes_of(told[0].splitlines()), migrating)


def nodes_of(lines: Sequence[str]) -> tuple[ClusterNode, ...]:
    """Return the nodes that `CLUSTER NODES` lists, primaries first, each with its replicas."""
    rows = [line.split(" ") for line in lines if "noaddr" not in line and "handshake" not in line]
    places = {row[0]: row[1].partition("@")[0] for row in rows}
    nodes = [
        ClusterNode(
            places[row[0]], places.get(row[3], ""), sum(map(_count, row[8:])),
            "fail" in row[2].split(","),
        )
        for row in rows
    ]  # fmt: skip
    return tuple(sorted(nodes, key=lambda node: (node.primary or node.place, node.primary != "", node.place)))


def _count(word: str) -> int:
    found = _RANGE.match(word)
    return int(found[2] or found[1]) - int(found[1]) + 1 if found else 0
