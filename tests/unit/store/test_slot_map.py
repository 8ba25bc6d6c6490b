"""Which node has which slot: asked of whoever answers, and those that are connected to another one are told."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.errors import StoreBusy, StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.clusters import SLOTS, Cluster, slot_of
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import SlotMap

ONE, TWO = ("n1", 1), ("n2", 2)


class Nodes:
    """What each of two nodes answers. ``asked``: whom, in order."""

    def __init__(self) -> None:
        self.asked: list[Place] = []
        self.answers: dict[Place, Any] = dict.fromkeys((ONE, TWO), all_at(ONE))

    def __call__(self, place: Place, timeout_s: float) -> Nodes:
        self.asked.append(place)
        return self

    def call(self, *_: str) -> Any:
        answer = self.answers[self.asked[-1]]
        if isinstance(answer, StoreError):
            raise answer
        return answer

    def close(self) -> None: ...


def all_at(place: Place, host: bytes | None = None) -> list[Any]:
    replica = [b"n2", 2, b"id", []]
    return [[0, SLOTS - 1, [place[0].encode() if host is None else host, place[1], b"id", []], replica]]


class Follower:
    """A connection for one queue."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.place: Place | None = None

    def cut(self) -> None:
        self.place = None


@pytest.fixture
def slots() -> SlotMap:
    return SlotMap(Cluster((ONE, TWO)))


def test_who_was_not_reached_is_asked_last(slots: SlotMap) -> None:
    nodes, follower = Nodes(), Follower("emails")
    assert slots.lead(follower, nodes, 1.0) == ONE
    slots.doubt(ONE)
    nodes.answers[TWO] = all_at(TWO)
    assert slots.lead(follower, nodes, 1.0) == TWO
    assert nodes.asked == [ONE, TWO]


def test_a_connection_that_leads_elsewhere_is_cut_when_its_queue_has_moved(slots: SlotMap) -> None:
    nodes, waiting = Nodes(), Follower("emails")
    slots.lead(waiting, nodes, 1.0)
    slots.doubt(None)
    slots.look(nodes, 1.0)
    assert waiting.place == ONE, "it has not"
    nodes.answers = dict.fromkeys((ONE, TWO), all_at(TWO))
    slots.look(nodes, 1.0)
    assert waiting.place is None


def test_while_no_node_can_be_asked_what_was_known_goes_on_to_be_used(slots: SlotMap) -> None:
    nodes = Nodes()
    nodes.answers = dict.fromkeys((ONE, TWO), StoreUnavailable("gone"))
    with pytest.raises(StoreUnavailable, match="gone"):
        slots.look(nodes, 1.0)
    nodes.answers[TWO] = all_at(ONE)
    slots.look(nodes, 1.0)
    nodes.answers[TWO] = StoreUnavailable("gone")
    slots.doubt(None)
    slots.look(nodes, 1.0)
    assert slots.owner(slot_of("emails")) == ONE
    assert slots.is_doubted


def test_a_slot_that_nobody_serves_is_waited_for(slots: SlotMap) -> None:
    nodes = Nodes()
    nodes.answers[ONE] = [[0, 99, [b"n1", 1, b"id"]]]
    slots.look(nodes, 1.0)
    with pytest.raises(StoreBusy, match="no node of the cluster serves slot 16000"):
        slots.owner(16000)
    assert slots.is_doubted


@pytest.mark.parametrize("host", [b"", b"?"])
def test_a_node_that_does_not_know_its_name_is_where_it_was_asked(slots: SlotMap, host: bytes) -> None:
    nodes = Nodes()
    nodes.answers[ONE] = all_at(ONE, host)
    slots.look(nodes, 1.0)
    assert slots.owner(0) == ONE


def test_one_server_is_no_cluster(slots: SlotMap) -> None:
    nodes = Nodes()
    nodes.answers[ONE] = StoreError("ERR This instance has cluster support disabled")
    with pytest.raises(StoreRefused, match="no node of a cluster") as refused:
        slots.look(nodes, 1.0)
    assert "redis://" in refused.value.hint
