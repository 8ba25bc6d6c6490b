"""A node of a cluster that did not answer is passed by for a while, and no other one."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.errors import StoreUnavailable
from jqjobs.store.address import parse_url
from jqjobs.store.call import Call
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.clusters import SLOTS, slot_of
from jqjobs.store.nodes import Nodes
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import NotAsked
from jqjobs.store.store import Store


@pytest.fixture
def store() -> Store:
    """Of two nodes, each with half of the slots."""
    made = Store(parse_url("redis+cluster://silent-nodes-1:1,silent-nodes-2:2"))
    assert isinstance(made.wire, Nodes)
    halves = ((0, SLOTS // 2 - 1, [b"n1", 1]), (SLOTS // 2, SLOTS - 1, [b"n2", 2]))
    made.wire._slots._take(halves, ("n1", 1))
    return made


def test_queues_of_a_node_that_did_not_answer_are_not_asked_and_others_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"q{number}" for number in range(60)]
    down = {name for name in names if slot_of(name) < SLOTS // 2}
    asked = list[str]()

    def run(call: Call[Any]) -> Any:
        name = call.keys[0].partition("}")[0].rpartition("{")[2]
        asked.append(name)
        if name in down:
            raise StoreUnavailable("no answer")

    monkeypatch.setattr(store, "run", run)
    nodes, unasked = SilentNodes(store), 0
    for name in names:
        try:
            nodes.run(partitions(name))
        except NotAsked:
            unasked += 1
        except StoreUnavailable:
            pass
    first = min(down, key=names.index)
    assert asked == [name for name in names if name == first or name not in down]
    assert unasked == len(down) - 1
    monkeypatch.setattr("jqjobs.store.silent_nodes.time.monotonic", lambda: float("inf"))
    with pytest.raises(StoreUnavailable, match="no answer"):
        nodes.run(partitions(first))
