"""At maxmemory only new jobs are refused; everything that lets a full server drain and obey works.

The fake server has no memory limit, so this is about the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jqjobs.errors import StoreFull
from jqjobs.jobs.records import Kind, NewJob, Status
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import daemons, enqueueing, leases, upkeep
from jqjobs.store.calls.daemons import SignOfLife
from jqjobs.store.calls.recalls import recall
from store.queue_system import LEASE_MS, QueueSystem, outcome

#: What is refused at its limit is for each server to say.
pytestmark = pytest.mark.each_kind


@pytest.fixture
def system(real_system: QueueSystem) -> Iterator[QueueSystem]:
    yield real_system
    lift(real_system)


def fill_up(system: QueueSystem) -> None:
    """Put the limit below what is in use."""
    system.redis("CONFIG", "SET", "maxmemory", 1)


def lift(system: QueueSystem) -> None:
    system.redis("CONFIG", "SET", "maxmemory", 0)


def test_enqueue_is_refused_and_changes_nothing(system: QueueSystem) -> None:
    system.add("a")
    fill_up(system)
    before = system.everything()
    for jobs in (["b"], ["c", "d"]):
        with pytest.raises(StoreFull) as raised:
            system.run(enqueueing.enqueue("q", [NewJob("n", b"{}", id=job_id, key="k") for job_id in jobs]))
        assert "maxmemory" in str(raised.value)

    assert system.everything() == before


def test_ingest_is_refused_and_the_inbox_stays_as_it_is(system: QueueSystem) -> None:
    system.push({"job": "n"}, "no", {"job": "n", "id": "x"})
    fill_up(system)
    before = system.everything()
    with pytest.raises(StoreFull):
        system.ingest()

    assert system.everything() == before
    lift(system)
    assert system.ingest() == (2, 1, 0, 0)


def test_ingesting_an_empty_inbox_is_no_error(system: QueueSystem) -> None:
    fill_up(system)

    assert system.ingest() == (0, 0, 0, 0)


def test_a_refused_job_can_be_enqueued_when_there_is_room(system: QueueSystem) -> None:
    fill_up(system)
    with pytest.raises(StoreFull):
        system.add("a")
    lift(system)

    assert system.add("a")[0].created


@pytest.mark.parametrize("kind", list(Kind))
def test_workers_take_and_settle(system: QueueSystem, kind: Kind) -> None:
    system.add("a", "b", key="")
    fill_up(system)
    system.join("w")
    [a] = system.trip("w", 1).jobs
    answer = system.trip("w", 1, [outcome(a, kind, 1000)])

    assert (answer.status, answer.stale) == (Status.OK, ())
    is_back = kind in (Kind.RELEASED, Kind.INTERRUPTED, Kind.THROTTLED)
    assert [job.id for job in answer.jobs] == (["a"] if is_back else ["b"])


def test_the_whole_queue_drains(system: QueueSystem) -> None:
    system.add(*[f"j{i}" for i in range(50)])
    fill_up(system)
    system.join("w")
    jobs = system.trip("w", 10).jobs
    while jobs:
        jobs = system.trip("w", 10, [outcome(job, Kind.DONE) for job in jobs]).jobs

    assert system.meta("done") == 50
    assert system.redis("KEYS", system.key("job:*")) == []


def test_a_trip_that_only_moves_things_works(system: QueueSystem) -> None:
    system.join("w")
    system.add("due", due="+10")
    system.add("expired", fields=("expires", "+10"))
    fill_up(system)
    system.clock.advance(10)
    system.trip("w", 5)

    assert (system.states("due"), system.states("expired")) == (["active:w"], ["dead"])


def test_a_resync_works(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)
    fill_up(system)

    assert system.trip("w", 0, in_hand=[]).status is Status.OK
    assert system.ids("ready") == ["a", "b"]


def test_a_recall_works(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)
    fill_up(system)

    assert system.run(recall("q", "w", [("a", 1), ("b", 1)])) == 2
    assert system.ids("ready") == ["a", "b"]


def test_leases_are_given_renewed_and_reaped(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    fill_up(system)
    system.join("w", "gone")
    system.trip("gone", 1)
    system.clock.advance(1000)
    digest = system.offer("name")
    assert system.run(leases.renew(["q"], LEASE_MS, ["w"], [digest])) == [leases.Renewed([True], set())]
    assert system.score("leases", "w") == system.clock.now_ms + LEASE_MS
    system.outlive_leases(renewing=["w"])

    assert system.ids("leases") == ["w"]
    assert system.states("a") == ["ready"]


@pytest.mark.parametrize(
    ("word", "state"), [("crashed", "scheduled"), ("suspect 1 1", "suspects"), ("interrupted", "ready")]
)
def test_workers_leave_and_dead_ones_are_ended(system: QueueSystem, word: str, state: str) -> None:
    system.add("a", "b", "c")
    system.take("w", 3)
    fill_up(system)
    board = [BoardEntry("a", 1, word), BoardEntry("b", 1, "succeeded")]

    assert system.run(leases.leave("q", "w", "killed", board)) == 3
    assert [system.states(job_id) for job_id in "abc"] == [[state], [], ["ready"]]


def test_housekeeping_works(system: QueueSystem) -> None:
    system.add("parked", name="mail")
    system.round(Kind.UNKNOWN)
    system.add("kept", "dead")
    system.round(Kind.KEPT, 10)
    system.round(Kind.DISCARDED)
    system.add("due", due="+10")
    fill_up(system)
    system.clock.advance(10)
    system.run(leases.publish("q", LEASE_MS, {"mail": {}}))
    system.tend(max_dead=0)

    assert system.ids("ready") == ["parked", "due"]
    assert system.states("kept") == system.states("dead") == []


def test_pause_resume_and_retry_work(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.DISCARDED)
    fill_up(system)

    assert system.run(upkeep.pause("q")) is True
    assert system.run(upkeep.resume("q")) is True
    assert system.run(upkeep.retry("q", ["a"])) == [1]
    assert system.states("a") == ["ready"]


def test_publishing_and_the_registry_work(system: QueueSystem) -> None:
    fill_up(system)

    assert system.run(upkeep.add_queues(["new-queue"])) == 1
    assert system.run(leases.publish("q", LEASE_MS, {"n": {}})) == 1
    assert system.run(daemons.register("d", 5000, {"pid": 1, "said": 1}, {"w": {"pid": 2}})) is SignOfLife.YES
    assert system.redis("EXISTS", "jq:{~}:worker:w") == 1


def test_orders_and_answers_of_remote_control_work(system: QueueSystem) -> None:
    fill_up(system)

    assert system.run(daemons.post_order("d", '{"v":1}')) == 1
    assert system.run(daemons.post_answer("nonce", '{"v":1}')) == 1
    assert system.redis("BLPOP", "jq:{~}:control:d", 1) == [
        b"jq:{~}:control:d",
        b'{"v":1,"at_ms":%d}' % system.clock.now_ms,
    ]
