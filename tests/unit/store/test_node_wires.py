"""A round over the nodes of a cluster takes as long as one that stands still, however many do."""

from __future__ import annotations

import socket
import time

from jqjobs.errors import StoreUnavailable
from jqjobs.store.address import parse_url
from jqjobs.store.clusters import Cluster
from jqjobs.store.node_wires import NodeWires
from jqjobs.store.routes import Stop
from jqjobs.store.slot_map import SlotMap

TIMEOUT_S = 2.0


class Known(SlotMap):
    """Which nothing can change."""

    def look(self, *_: object) -> None: ...


def test_nodes_that_stand_still_take_together_as_long_as_one() -> None:
    nodes = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]  # nobody accepts, the kernel does
    stops = [Stop(node.getsockname()) for node in nodes]
    slots = Known(Cluster((("127.0.0.1", 1),)))
    slots.primaries = frozenset(stop.place for stop in stops)
    wires = NodeWires(parse_url("redis+cluster://127.0.0.1:1"), slots, timeout_s=TIMEOUT_S, name="test")
    began_s = time.monotonic()
    found = wires.ask({stop: [("PING",), ("PING",)] for stop in stops})
    assert time.monotonic() - began_s < 2.5 * TIMEOUT_S
    assert {(len(replies), *map(type, replies)) for replies in found.values()} == {(2, *[StoreUnavailable] * 2)}
    assert wires.to(stops[0].place).waits.step_s == TIMEOUT_S, "the next round has its time again"
    wires.close()
    for node in nodes:
        node.close()
