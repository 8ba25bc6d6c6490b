"""Whole trips of a worker whose queues are at several nodes of a cluster: a leg to each queue that has something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.errors import StoreBusy, StoreError, StoreUnavailable
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.limits import Concurrency
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.link.board_layout import Word
from jqjobs.store.call import Call
from jqjobs.store.calls import leases
from jqjobs.store.calls.trips import Trip
from jqjobs.store.clusters import slot_of
from jqjobs.store.keys import meta
from jqjobs.store.nodes import Nodes
from jqjobs.store.steps import NotAsked
from jqjobs.store.store import Store
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker

pytestmark = pytest.mark.xdist_group("cluster")

QUEUES = tuple(f"q{i}" for i in range(12))


@pytest.fixture
def worker(cluster_system: QueueSystem, connect: Callable[..., Store], tmp_path: Path) -> Iterator[ProcesslessWorker]:
    cluster_system.store._now_ms = None
    made = ProcesslessWorker(cluster_system, connect(cluster_system.url), tmp_path, QUEUES)
    yield made
    made.board.close()


@pytest.fixture
def legs(worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that trips go to from here on."""
    visited: list[str] = []
    send = worker.store.send

    def noting(call: Call[object]) -> None:
        visited.append(call.keys[0].split("}")[0].removeprefix("{"))
        send(call)

    monkeypatch.setattr(worker.store, "send", noting)
    return visited


def taken(worker: ProcesslessWorker, want: int) -> list[str]:
    worker.exchanger.fast.begin_anew()  # else a trip within 20 ms of the one before is a fast one, to one queue
    return [f"{job.queue}/{job.id}" for job in worker.exchanger.trip(want).jobs]


def test_queues_are_served_in_their_order_until_there_is_enough_and_those_without_anything_are_left_out(
    worker: ProcesslessWorker, legs: list[str]
) -> None:
    for queue in ("q7", "q2", "q11"):
        worker.system.add("a", "b", queue=queue)
    assert taken(worker, 3) == ["q2/a", "q2/b", "q7/a"]
    assert legs == ["q0", "q2", "q7"]
    assert taken(worker, 9) == ["q7/b", "q11/a", "q11/b"]


def test_outcomes_of_all_queues_are_recorded_also_when_nothing_is_asked_for(
    worker: ProcesslessWorker, legs: list[str]
) -> None:
    for queue in ("q1", "q9"):
        worker.system.add("a", "b", queue=queue)
    assert len(taken(worker, 4)) == 4
    legs.clear()
    worker.finish(worker.start())
    worker.finish(worker.start(), Kind.DISCARDED)
    worker.finish(worker.start())
    worker.exchanger.trip(0)
    assert legs == ["q1", "q9"]
    assert [worker.system.states(job, queue) for queue in ("q1", "q9") for job in "ab"] == [
        [], ["dead"], [], ["active:w"]
    ]  # fmt: skip
    assert worker.on_board() == {"b": "in_hand"}


@pytest.mark.parametrize("lost", ["q0", "q3"], ids=["the first one", "a later one"])
def test_a_queue_that_cannot_be_served_holds_up_no_other_and_its_outcomes_are_kept(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    exchanger, reports, asked = worker.exchanger, worker.batch.reports, list[str]()
    worker.system.add("a", queue=lost)
    assert taken(worker, 1) == [f"{lost}/a"]
    worker.finish(worker.start(), Kind.DISCARDED)
    worker.system.add("b", queue="q8")
    send, is_away = worker.store.send, True

    def sending(call: Call[object]) -> None:
        if is_away and f"{{{lost}}}" in call.keys[0]:
            asked.append(lost)
            raise StoreBusy("its node takes no writes")
        send(call)

    monkeypatch.setattr(worker.store, "send", sending)
    exchanger.send(1)
    assert [job.id for job in exchanger.receive().jobs] == ["b"], "q8 was served all the same"
    assert str(exchanger.unserved.why) == "its node takes no writes"
    assert (exchanger.resyncs, reports.pending) == (False, False), "nothing else is kept waiting"
    with pytest.raises(NotAsked):
        exchanger.trip(0)
    assert asked == [lost], "not at once again"
    exchanger.unserved._again_s.clear()  # it would be passed by for a moment
    is_away = False
    exchanger.trip(0)
    assert worker.system.states("a", lost) == ["dead"]
    assert exchanger.unserved.why is None


def test_what_a_lost_answer_brought_goes_back_in_its_queue_and_nothing_in_others(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = worker.store.wire
    assert isinstance(nodes, Nodes)
    away = nodes.place_of(("EXISTS", meta("q3")))
    other = next(queue for queue in QUEUES if nodes.place_of(("EXISTS", meta(queue))) != away)
    jobs = (("a", "q3"), ("b", other))
    for job_id, queue in jobs:
        worker.system.add(job_id, queue=queue)
    receive, is_away = worker.store.receive, True

    def receiving(call: Call[Trip]) -> Trip:
        answer = receive(call)
        if is_away and "{q3}" in call.keys[0]:
            raise StoreUnavailable("its answer is lost")
        return answer

    monkeypatch.setattr(worker.store, "receive", receiving)
    with pytest.raises(StoreError, match="its answer is lost"):
        taken(worker, 2)
    assert [worker.system.states(*job) for job in jobs] == [["active:w"]] * 2
    is_away = False
    worker.exchanger.nodes._until_s.clear()  # it would be passed by for some seconds
    worker.exchanger.trip(0)
    assert [worker.system.states(*job) for job in jobs] == [["ready"], ["active:w"]]


def test_a_node_that_is_silent_has_one_leg_to_be_silent_in(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = worker.store.wire
    assert isinstance(nodes, Nodes)
    places = {queue: nodes.place_of(("EXISTS", meta(queue))) for queue in QUEUES}
    away, _ = Counter(place for place in places.values() if place != places["q0"]).most_common(1)[0]
    send, tried = worker.store.send, list[str]()

    def sending(call: Call[object]) -> None:
        queue = call.keys[0].partition("{")[2].partition("}")[0]
        if places[queue] == away:
            tried.append(queue)
            raise StoreUnavailable("its node is silent")
        send(call)

    for queue in QUEUES:
        worker.system.add("a", queue=queue)
    monkeypatch.setattr(worker.store, "send", sending)
    with pytest.raises(StoreError, match="its node is silent"):
        worker.exchanger.trip(len(QUEUES))
    with pytest.raises(NotAsked):
        worker.exchanger.trip(0)
    assert len(tried) == 1
    assert sorted(job.queue for job in worker.batch.in_hand()) == sorted(q for q in QUEUES if places[q] != away)


def test_a_token_that_was_had_is_put_back_when_another_queue_gave_enough(worker: ProcesslessWorker) -> None:
    worker.system.add("a", queue="q0")
    worker.system.add("b", queue="q5")
    worker.system.use_up_token("q5")
    worker.woken.add("q5")
    assert taken(worker, 1) == ["q0/a"]
    assert worker.system.wakes("q5")


def test_who_gets_busy_watches_no_more_for_what_comes_in_queues_that_it_has_passed(worker: ProcesslessWorker) -> None:
    worker.system.add("later", queue="q1", due="+60000")
    assert 50_000 < (worker.exchanger.trip(1).wait_ms or 0) <= 60_000
    worker.system.use_up_token("q1")
    worker.system.add("now", queue="q4")
    assert taken(worker, 1) == ["q4/now"]
    assert worker.system.wakes("q1"), "an idle one shall watch"


def test_limited_jobs_of_several_queues_are_taken_together_where_all_have_started_in_a_moment(
    worker: ProcesslessWorker,
) -> None:
    for queue in ("q2", "q5", "q9"):
        worker.system.add_limited("a", "b", limits=Concurrency(9).text("db"), queue=queue)
    worker.exchanger.packer.soon = 3
    assert taken(worker, 9) == ["q2/a", "q2/b", "q5/a"]


def test_a_limited_job_is_not_taken_beside_one_of_another_queue_that_it_would_wait_for(
    worker: ProcesslessWorker,
) -> None:
    worker.system.add("a", queue="q0")
    worker.system.add_limited("b", limits=Concurrency(2).text("db"), queue="q6")
    assert taken(worker, 2) == ["q0/a"]
    worker.finish(worker.start())
    assert taken(worker, 2) == ["q6/b"]


def test_suspects_come_before_all_else_and_nothing_of_another_queue_comes_beside_them(
    worker: ProcesslessWorker,
) -> None:
    system = worker.system
    system.add("s", queue="q11")
    system.take("dead", queues=("q11",))
    system.run(leases.leave("q11", "dead", "died", [BoardEntry("s", 1, "suspect 2 1")]))
    system.add("a", queue="q1")
    worker.board.set_word(Word.SUSPECTS, Scope.WORKER)
    assert taken(worker, 2) == ["q11/s"]


def test_one_node_has_only_some_of_the_queues(worker: ProcesslessWorker) -> None:
    nodes = {worker.system.store.wire._slots.owner(slot_of(queue)) for queue in QUEUES}  # type: ignore[union-attr]
    assert len(nodes) == 3, "else these tests show nothing"
