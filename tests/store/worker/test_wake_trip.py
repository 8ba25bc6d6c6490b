"""The trip that stands behind the wait of an idle worker: made with the token, or not; heard of, or left."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.base.wakeup import Wakeup
from jqjobs.link.board_layout import PLACES
from jqjobs.link.channel import Channel
from jqjobs.store.calls import leases
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire
from jqjobs.worker.trips.answers import Fenced
from jqjobs.worker.trips.token_line import Heard, TokenLine
from jqjobs.worker.trips.wake_trip import WakeTrip
from jqjobs.worker.trips.wake_wait import WakeWait
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker
from waiting import eventually

#: Longer than any test.
_LONG_S = 20.0


class Idler:
    """A worker that waits. In hand is what has come to it."""

    def __init__(self, worker: ProcesslessWorker, address: Store, channel: Channel) -> None:
        self.worker = worker
        self.exchanger = worker.exchanger
        self.trip = WakeTrip(worker.exchanger)
        self.line = TokenLine(Wire(address.address), lambda: worker.exchanger.order.queues, (), Heard(), self.trip)
        self.wakeup = Wakeup()
        self.wake_wait = WakeWait([self.line], channel, self.wakeup)

    def begin(self, want: int = 1, block_s: float = _LONG_S) -> None:
        """Wait, and go on when Redis knows of it."""
        self.trip.ask(want, 0, block_s)
        assert self.line.ask(frozenset())
        eventually(lambda: b"cmd=bzpopmin" in self.worker.system.redis("CLIENT", "LIST"), what="it waits")

    def is_woken(self) -> bool:
        return self.wake_wait.wait(_LONG_S)

    def is_made(self) -> bool:
        """Whether Redis has made the trip, of which nobody here knows yet."""
        return self.worker.system.active() != {}

    @property
    def in_hand(self) -> list[str]:
        return [job.id for job in self.worker.batch.in_hand()]

    def receive(self) -> list[str]:
        return [job.id for job in self.exchanger.receive().jobs]


@pytest.fixture
def idler(real_system: QueueSystem, connect: Callable[..., Store], tmp_path: Path) -> Iterator[Idler]:
    system = real_system  # a worker of a cluster has no such trip
    worker = ProcesslessWorker(system, connect(system.url), tmp_path)
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    worker.exchanger.trip(1)
    made = Idler(worker, system.store, channel)
    yield made
    made.line._wire.close()
    made.wakeup.close()
    channel.close()
    theirs.close()
    worker.board.close()


def test_jobs_come_with_the_token_that_wakes_for_them(idler: Idler) -> None:
    idler.begin(want=2)
    idler.worker.system.add("a")
    assert idler.is_woken()
    assert (idler.receive(), idler.in_hand) == (["a"], ["a"])
    idler.worker.finish(idler.worker.start())
    idler.exchanger.trip(1)
    assert idler.worker.system.active() == {}


def test_a_wait_that_ends_without_a_token_is_a_look_that_asks_nothing_more(
    idler: Idler, monkeypatch: pytest.MonkeyPatch
) -> None:
    idler.begin(block_s=0.05)
    assert not idler.is_woken()
    with monkeypatch.context() as patch:
        patch.setattr(idler.exchanger.news._store.wire, "call", None)
        assert not idler.exchanger.has_news()
    idler.worker.system.add("a")
    assert idler.exchanger.has_news(), "it holds once only"


def test_while_redis_is_to_look_nobody_else_asks_it(idler: Idler, monkeypatch: pytest.MonkeyPatch) -> None:
    idler.begin()
    with monkeypatch.context() as patch:
        patch.setattr(idler.exchanger.news._store.wire, "call", None)
        assert not idler.exchanger.has_news()
    idler.worker.system.redis("RPUSH", idler.worker.system.key("inbox"), "{}")
    assert idler.exchanger.standing is not None
    idler.exchanger.standing.stands_until_ms = 0.0
    assert idler.exchanger.has_news(), "Redis should have looked by now"


@pytest.mark.parametrize(("others", "wait_s"), [(0, 2), (19, 2), (99, 10), (799, 10)])
def test_where_many_wait_each_does_it_for_longer_so_that_all_look_no_more_often(
    idler: Idler, others: int, wait_s: float
) -> None:
    for n in range(others):
        idler.worker.system.redis("ZADD", idler.worker.system.key("leases"), 2**50, f"w{n}")
    idler.begin(block_s=0.05)
    assert not idler.is_woken()
    idler.trip.ask(1, 0, 2)
    assert idler.trip.block_s == wait_s


def test_a_token_that_was_lost_is_found_out_when_the_wait_ends(idler: Idler) -> None:
    idler.worker.system.add("a")
    idler.worker.system.use_up_token()
    idler.trip.ask(1, 0, 0.05)
    assert idler.is_woken()
    assert idler.receive() == ["a"]


def test_a_token_without_a_job_is_a_reason_for_a_trip_since_somebody_may_have_to_watch(idler: Idler) -> None:
    idler.begin()
    idler.worker.system.redis("ZADD", idler.worker.system.key("wake"), 0, "1")
    assert idler.is_woken()
    assert not idler.exchanger.under_way


def test_who_leaves_the_wait_gets_what_had_come_with_the_next_trip(idler: Idler) -> None:
    idler.begin()
    idler.worker.system.add("a")
    eventually(idler.is_made, what="the trip was made")
    idler.wake_wait.cancel()
    assert idler.exchanger.has_news()
    assert [job.id for job in idler.exchanger.trip(1).jobs] == ["a"]
    assert (idler.worker.system.active(), idler.in_hand) == ({"w": ["a"]}, ["a"])


def test_what_had_come_to_who_left_the_wait_does_not_wait_behind_its_long_job(idler: Idler) -> None:
    idler.begin()
    idler.worker.system.add("a")
    eventually(idler.is_made, what="the trip was made")
    idler.worker.system.add("long")
    idler.exchanger.trip(1)
    idler.wake_wait.cancel()
    idler.worker.start()
    assert idler.exchanger.report(gives_back=False), "as the monitor does, beside the job"
    assert (idler.worker.system.active(), idler.worker.system.ids("ready")) == ({"w": ["long"]}, ["a"])


def test_after_another_trip_it_only_wakes(idler: Idler) -> None:
    idler.begin()
    idler.exchanger.trip(1)
    idler.worker.system.add("a")
    assert idler.is_woken()
    assert not idler.exchanger.under_way
    assert [job.id for job in idler.exchanger.trip(1).jobs] == ["a"]


def test_beside_another_trip_both_bring_what_they_took_and_no_more_than_there_is_place_for(idler: Idler) -> None:
    idler.begin(want=PLACES - 100)
    idler.worker.system.add(*map(str, range(2 * PLACES)))
    eventually(idler.is_made, what="the trip was made")
    assert len(idler.exchanger.trip(PLACES).jobs) == 100
    assert idler.is_woken()
    assert len(idler.receive()) == PLACES - 100
    assert sorted(idler.in_hand) == sorted(idler.worker.system.active()["w"])


def test_what_a_resync_has_put_back_is_not_heard_of_any_more(idler: Idler) -> None:
    idler.begin()
    idler.worker.system.add("a", "b")
    eventually(idler.is_made, what="the trip was made")
    idler.exchanger.resyncs = True
    assert [job.id for job in idler.exchanger.trip(2).jobs] == ["a", "b"]
    assert idler.is_woken()
    assert (idler.exchanger.under_way, idler.in_hand) == (False, ["a", "b"])


def test_while_something_is_to_be_reported_or_sorted_out_first_it_is_not_asked_for(idler: Idler) -> None:
    idler.trip.ask(1, 0, _LONG_S)
    idler.exchanger.resyncs = True
    assert idler.trip.command() is None
    idler.worker.system.add("a")
    idler.exchanger.trip(1)
    idler.worker.finish(idler.worker.start())
    assert idler.trip.command() is None


def test_who_is_fenced_hears_it(idler: Idler) -> None:
    idler.begin()
    idler.worker.system.run(leases.leave("q", "w"))
    idler.worker.system.add("a")
    assert idler.is_woken()
    with pytest.raises(Fenced):
        idler.exchanger.receive()


def test_where_redis_does_not_know_the_script_it_only_wakes(idler: Idler) -> None:
    idler.begin()
    idler.worker.system.redis("SCRIPT", "FLUSH")
    idler.worker.system.add("a")
    assert idler.is_woken()
    assert [job.id for job in idler.exchanger.trip(1).jobs] == ["a"]
