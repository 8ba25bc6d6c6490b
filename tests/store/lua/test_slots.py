"""Which scripts stay in one slot: a node of a cluster that serves no other one refuses what touches two."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deployments.ports import free_port
from jqjobs.errors import StoreRefused
from jqjobs.store.calls import trips
from servers import REAL_KINDS, Server, start
from store.lua.script_calls import CALLS
from store.lua.test_keys import live_through_everything
from store.queue_system import QueueSystem
from waiting import eventually

#: The tag of what belongs to no queue, that of the queue of all calls, and that of one that gets partitions.
TAGS = ("~", "q", "p")

#: So that one process starts the nodes.
pytestmark = pytest.mark.xdist_group("slots")


@pytest.fixture(scope="module", params=REAL_KINDS)
def node_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str], QueueSystem]]:
    """A system on a node that serves the one slot of a tag."""
    servers = {tag: _node(request.param, tag) for tag in TAGS}
    for server in servers.values():  # each takes two seconds to believe that it is whole
        eventually(lambda: b"cluster_state:ok" in server.call("CLUSTER", "INFO"))  # noqa: B023
    made = {tag: QueueSystem(server.url) for tag, server in servers.items()}
    live_through_everything(made["q"])
    yield made.__getitem__
    for tag, server in servers.items():
        made[tag].close()
        server.stop()


def _node(kind: str, tag: str) -> Server:
    server = start(
        kind, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-require-full-coverage", "no",
        tcp=True,
    )  # fmt: skip
    server.call("CLUSTER", "ADDSLOTS", server.call("CLUSTER", "KEYSLOT", tag))
    return server


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_script_stays_in_one_slot(node_of: Callable[[str], QueueSystem], name: str) -> None:
    call = CALLS[name]
    node_of(call.keys[0].split("{")[1].split("}")[0]).run(call)


def test_a_trip_for_two_queues_does_not(node_of: Callable[[str], QueueSystem]) -> None:
    with pytest.raises(StoreRefused, match="CROSSSLOT"):
        node_of("q").run(trips.exchange(["q", "other"], "w", 1, 1, 30_000))
