"""A round over the nodes of a cluster takes as long as one that stands still, however many do."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator

import pytest

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


@pytest.fixture
def nodes() -> Iterator[list[socket.socket]]:
    """Of which none accepts, but the kernel does."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    yield made
    for node in made:
        node.close()


def wires_to(nodes: list[socket.socket], timeout_s: float = TIMEOUT_S) -> tuple[NodeWires, list[Stop]]:
    stops = [Stop(node.getsockname()) for node in nodes]
    slots = Known(Cluster((("127.0.0.1", 1),)))
    slots.primaries = frozenset(stop.place for stop in stops)
    return NodeWires(parse_url("redis+cluster://127.0.0.1:1"), slots, timeout_s=timeout_s, name="test"), stops


def test_nodes_that_stand_still_take_together_as_long_as_one(nodes: list[socket.socket]) -> None:
    wires, stops = wires_to(nodes)
    began_s = time.monotonic()
    found = wires.ask({stop: [("PING",), ("PING",)] for stop in stops})
    assert time.monotonic() - began_s < 2.5 * TIMEOUT_S
    assert {(len(replies), *map(type, replies)) for replies in found.values()} == {(2, *[StoreUnavailable] * 2)}
    assert wires.to(stops[0].place).waits.step_s == TIMEOUT_S, "the next round has its time again"
    wires.close()


def test_a_node_that_answers_may_take_longer_in_all_than_one_may_be_silent(nodes: list[socket.socket]) -> None:
    wires, [stop] = wires_to(nodes[:1], timeout_s=1.0)

    def answer() -> None:
        line, _ = nodes[0].accept()
        with line, line.makefile("rb") as said:
            for head in said:
                if b"PING" in [said.readline() and said.readline().strip() for _ in range(int(head[1:]))]:
                    time.sleep(0.4)
                line.sendall(b"+OK\r\n")

    node = threading.Thread(target=answer)
    node.start()
    found = wires.ask({stop: [("PING",)] * 5})
    wires.close()
    node.join()
    assert found[stop] == [b"OK"] * 5


def test_while_waits_are_short_a_node_that_was_silent_is_not_asked_again(nodes: list[socket.socket]) -> None:
    wires, stops = wires_to(nodes)
    wires.waits.shorten(0.2)
    began_s = time.monotonic()
    for _ in range(20):
        assert isinstance(wires.ask({stops[0]: [("PING",)]})[stops[0]][0], StoreUnavailable)
        assert wires.unreached is not None
    assert time.monotonic() - began_s < TIMEOUT_S
    wires.waits.shorten(math.inf)
    assert (wires.passed_by, wires.waits.step_s) == ({}, TIMEOUT_S)
    wires.close()
