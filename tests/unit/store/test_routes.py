"""Where commands go in a cluster, and what becomes of them when a node sends them on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.crc import key_slot

from jqjobs.errors import StoreBusy, StoreError
from jqjobs.store.address import parse_url
from jqjobs.store.async_nodes import AsyncNodes
from jqjobs.store.calls.enqueueing import ingest
from jqjobs.store.clusters import SLOTS, Cluster, slot_of
from jqjobs.store.error_replies import error_of
from jqjobs.store.nodes import Nodes
from jqjobs.store.routes import Batch, Command, Stop, guarded, hops, tag_of
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import SlotMap

ONE, TWO, THREE = ("n1", 1), ("n2", 2), ("n3", 3)
#: Says what a node answers to a command.
Answer = Callable[[Stop, Command], Any]


class Told:
    """A node that tells which slots each has: the first half is of one, the others of two."""

    def __init__(self, *_: Any) -> None: ...

    def call(self, *_: str) -> Any:
        def server(place: Place) -> list[Any]:
            return [place[0].encode(), place[1], b"id", []]

        return [[0, SLOTS // 2 - 1, server(ONE)], [SLOTS // 2, SLOTS - 1, server(TWO)]]

    def close(self) -> None: ...


@pytest.fixture
def slots() -> SlotMap:
    made = SlotMap(Cluster((ONE,)))
    made.look(Told, 1.0)
    return made


def queue_of(place: Place) -> str:
    """Return the name of a queue that a node has."""
    is_first = place == ONE
    return next(name for name in map(str, range(100)) if (slot_of(name) < SLOTS // 2) is is_first)


def go(commands: Sequence[Command], slots: SlotMap, answer: Answer) -> tuple[list[Batch], list[Any]]:
    """Return what was sent, and the replies."""
    steps, found, sent = hops(commands, slots), None, list[Batch]()
    while True:
        try:
            batch = steps.send(found)  # type: ignore[arg-type]
        except StopIteration as end:
            return sent, end.value
        sent.append(batch)
        found = {stop: [answer(stop, command) for command in there] for stop, there in batch.items()}


def error(text: str) -> StoreError:
    found = error_of(Exception(text))
    assert isinstance(found, StoreError)
    return found


def test_a_slot_is_that_of_redis() -> None:
    names = ["~", "emails", "é", *map(str, range(100))]
    assert [slot_of(name) for name in names] == [key_slot(name.encode()) for name in names]


def test_commands_go_where_their_queue_is_and_one_without_a_key_where_the_one_before_it_goes(slots: SlotMap) -> None:
    first, second = queue_of(ONE), queue_of(TWO)
    commands = [("TIME",), ("GET", f"jq:{{{second}}}:a"), ("WAIT", 1, 100), ("GET", f"jq:{{{first}}}:a")]
    sent, replies = go(commands, slots, lambda stop, command: (stop.place, command[0]))
    nowhere = slots.owner(slot_of("~"))
    assert replies == [(nowhere, "TIME"), (TWO, "GET"), (TWO, "WAIT"), (ONE, "GET")]
    assert len(sent) == 1, "all in one round"


def test_what_a_node_sends_on_is_asked_there_and_others_are_not_asked_again(slots: SlotMap) -> None:
    queue, other = queue_of(ONE), queue_of(TWO)

    def answer(stop: Stop, command: Command) -> Any:
        return stop.place if stop.place != ONE else error(f"MOVED {slot_of(queue)} n3:3")

    commands = [("GET", f"jq:{{{queue}}}:a"), ("GET", f"jq:{{{other}}}:a")]
    sent, replies = go(commands, slots, answer)
    assert (replies, list(sent[1])) == ([THREE, TWO], [Stop(THREE)])
    assert slots.is_doubted, "others may have moved too"


def test_a_slot_that_no_node_serves_keeps_nobody_from_the_others(slots: SlotMap) -> None:
    queue, other = queue_of(ONE), queue_of(TWO)
    slots._owners[slot_of(queue)] = None
    commands = [("GET", f"jq:{{{queue}}}:a"), ("WAIT", 1, 100), ("GET", f"jq:{{{other}}}:a")]
    sent, replies = go(commands, slots, lambda stop, _: stop.place)
    assert ([type(reply) for reply in replies[:2]], replies[2]) == ([StoreBusy] * 2, TWO)
    assert len(sent) == 1


def test_a_pipeline_with_a_slot_that_no_node_serves_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, other = queue_of(ONE), queue_of(TWO)
    commands = [("GET", f"jq:{{{gone}}}:a"), ("GET", f"jq:{{{other}}}:a")]
    address = parse_url("redis+cluster://unserved-1:1")
    nodes, loop = Nodes(address), AsyncNodes(address)
    nodes._slots.look(Told, 1.0)
    nodes._slots._owners[slot_of(gone)] = None
    monkeypatch.setattr(SlotMap, "look", lambda *_: None)
    monkeypatch.setattr(nodes._wires, "ask", lambda batch: {stop: [b"x"] for stop in batch})
    assert [type(reply) for reply in nodes.pipeline_in_parts(commands)] == [StoreBusy, bytes]
    with pytest.raises(StoreBusy):
        nodes.pipeline(commands)

    async def answer(batch: Batch) -> dict[Stop, list[Any]]:
        return {stop: [b"x"] for stop in batch}

    monkeypatch.setattr(loop, "_ask", answer)
    with pytest.raises(StoreBusy):
        asyncio.run(loop.pipeline(commands))


def test_a_node_that_names_no_host_means_its_own(slots: SlotMap) -> None:
    queue = queue_of(ONE)
    _, replies = go(
        [("GET", f"jq:{{{queue}}}:a")], slots,
        lambda stop, _: stop.place if stop.place[1] == 9 else error(f"MOVED {slot_of(queue)} :9"),
    )  # fmt: skip
    assert replies == [("n1", 9)]


def test_nodes_that_send_on_to_each_other_for_ever_are_busy(slots: SlotMap) -> None:
    queue = queue_of(ONE)
    sent, replies = go([("GET", f"jq:{{{queue}}}:a")], slots, lambda *_: error(f"MOVED {slot_of(queue)} n1:1"))
    assert isinstance(replies[0], StoreBusy)
    assert len(sent) == 5


def test_while_a_slot_is_on_its_way_a_key_is_looked_for_at_both_places_and_scripts_wait(slots: SlotMap) -> None:
    queue = queue_of(ONE)

    def answer(stop: Stop, command: Command) -> Any:
        return command[0] if stop.is_for_once else error(f"ASK {slot_of(queue)} n2:2")

    commands: list[Command] = [("GET", f"jq:{{{queue}}}:a"), ingest(queue, "x").command("jq")]
    sent, replies = go(commands, slots, answer)
    assert replies[0] == "GET"
    assert isinstance(replies[1], StoreBusy)
    assert list(sent[1]) == [Stop(TWO, is_for_once=True)]
    assert slots.owner(slot_of(queue)) == ONE, "it has not moved yet"


def test_a_script_has_one_key_more_that_nobody_makes() -> None:
    verb, sha, count, *rest = guarded(ingest("emails", "x").command("shop"))
    assert (verb, count, rest) == ("EVALSHA", 2, ["shop:{emails}:meta", "shop:{emails}:~", "", "x"])
    assert sha != ingest("emails", "x").script.sha
    assert tag_of(["EVALSHA", sha, count, *rest]) == "emails"
