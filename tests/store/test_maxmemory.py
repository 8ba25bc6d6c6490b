"""At maxmemory only new jobs are refused; everything that lets a full server drain and obey works.

The fake server has no memory limit, so this is about the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jqjobs.errors import StoreFull
from jqjobs.job import Kind, NewJob, Status
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from jqjobs.store.recalls import recall
from store.rig import LEASE_MS, Rig, outcome


@pytest.fixture
def rig(real_rig: Rig) -> Iterator[Rig]:
    yield real_rig
    lift(real_rig)


def fill_up(rig: Rig) -> None:
    """Put the limit below what is in use."""
    rig.redis("CONFIG", "SET", "maxmemory", 1)


def lift(rig: Rig) -> None:
    rig.redis("CONFIG", "SET", "maxmemory", 0)


def test_enqueue_is_refused_and_changes_nothing(rig: Rig) -> None:
    rig.add("a")
    fill_up(rig)
    before = rig.everything()
    for jobs in (["b"], ["c", "d"]):
        with pytest.raises(StoreFull) as raised:
            rig.run(calls.enqueue("q", [NewJob("n", b"{}", id=job_id, key="k") for job_id in jobs]))
        assert "maxmemory" in str(raised.value)

    assert rig.everything() == before


def test_ingest_is_refused_and_the_inbox_stays_as_it_is(rig: Rig) -> None:
    rig.push({"job": "n"}, "no", {"job": "n", "id": "x"})
    fill_up(rig)
    before = rig.everything()
    with pytest.raises(StoreFull):
        rig.ingest()

    assert rig.everything() == before
    lift(rig)
    assert rig.ingest() == (2, 1, 0, 0)


def test_ingesting_an_empty_inbox_is_no_error(rig: Rig) -> None:
    fill_up(rig)

    assert rig.ingest() == (0, 0, 0, 0)


def test_a_refused_job_can_be_enqueued_when_there_is_room(rig: Rig) -> None:
    fill_up(rig)
    with pytest.raises(StoreFull):
        rig.add("a")
    lift(rig)

    assert rig.add("a")[0].created


@pytest.mark.parametrize("kind", list(Kind))
def test_workers_take_and_settle(rig: Rig, kind: Kind) -> None:
    rig.add("a", "b", key="")
    fill_up(rig)
    rig.join("w")
    [a] = rig.trip("w", 1).jobs
    answer = rig.trip("w", 1, [outcome(a, kind, 1000)])

    assert (answer.status, answer.stale) == (Status.OK, ())
    is_back = kind in (Kind.RELEASED, Kind.INTERRUPTED, Kind.THROTTLED)
    assert [job.id for job in answer.jobs] == (["a"] if is_back else ["b"])


def test_the_whole_queue_drains(rig: Rig) -> None:
    rig.add(*[f"j{i}" for i in range(50)])
    fill_up(rig)
    rig.join("w")
    jobs = rig.trip("w", 10).jobs
    while jobs:
        jobs = rig.trip("w", 10, [outcome(job, Kind.DONE) for job in jobs]).jobs

    assert rig.meta("done") == 50
    assert rig.redis("KEYS", rig.key("job:*")) == []


def test_a_trip_that_only_moves_things_works(rig: Rig) -> None:
    rig.join("w")
    rig.add("due", due="+10")
    rig.add("expired", fields=("expires", "+10"))
    fill_up(rig)
    rig.clock.advance(10)
    rig.trip("w", 5)

    assert (rig.states("due"), rig.states("expired")) == (["active:w"], ["dead"])


def test_a_resync_works(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w", 2)
    fill_up(rig)

    assert rig.trip("w", 0, held=[]).status is Status.OK
    assert rig.ids("ready") == ["a", "b"]


def test_a_recall_works(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w", 2)
    fill_up(rig)

    assert rig.run(recall("q", "w", [("a", 1), ("b", 1)])) == 2
    assert rig.ids("ready") == ["a", "b"]


def test_leases_are_given_renewed_and_reaped(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    fill_up(rig)
    rig.join("w", "gone")
    rig.trip("gone", 1)
    rig.clock.advance(1000)
    assert rig.run(calls.renew("q", LEASE_MS, ["w"], ["name"])) == [0]
    assert rig.score("leases", "w") == rig.clock.now_ms + LEASE_MS
    rig.outlive_leases(renewing=["w"])

    assert rig.ids("leases") == ["w"]
    assert rig.states("a") == ["ready"]


@pytest.mark.parametrize("mode", ["crash", "suspect", "interrupt"])
def test_workers_leave_and_are_buried(rig: Rig, mode: str) -> None:
    rig.add("a", "b", "c")
    rig.take("w", 3)
    fill_up(rig)
    board = [BoardEntry("a", 1, "running"), BoardEntry("b", 1, "succeeded")]

    assert rig.run(calls.leave("q", "w", mode, "killed", board)) == 3
    assert rig.ids("ready") == ["a", "c"]


def test_housekeeping_works(rig: Rig) -> None:
    rig.add("parked", name="mail")
    rig.round(Kind.UNKNOWN)
    rig.add("kept", "dead")
    rig.round(Kind.KEPT, 10)
    rig.round(Kind.DISCARDED)
    rig.add("due", due="+10")
    fill_up(rig)
    rig.clock.advance(10)
    rig.run(calls.publish("q", LEASE_MS, {"mail": {}}))
    rig.tend(max_dead=0)

    assert rig.ids("ready") == ["parked", "due"]
    assert rig.states("kept") == rig.states("dead") == []


def test_pause_resume_and_retry_work(rig: Rig) -> None:
    rig.add("a", key="k")
    rig.round(Kind.DISCARDED)
    fill_up(rig)

    assert rig.run(calls.pause("q")) is True
    assert rig.run(calls.pause("q", resume=True)) is True
    assert rig.run(calls.retry("q", ["a"])) == [1]
    assert rig.states("a") == ["ready"]


def test_publishing_and_the_registry_work(rig: Rig) -> None:
    fill_up(rig)

    assert rig.run(calls.know(["new-queue"])) == 1
    assert rig.run(calls.publish("q", LEASE_MS, {"n": {}})) == 1
    assert rig.run(calls.beat("d", 5000, {"pid": 1}, {"w": {"pid": 2}})) is True
    assert rig.redis("EXISTS", "jq:worker:w") == 1


def test_orders_and_answers_of_remote_control_work(rig: Rig) -> None:
    fill_up(rig)

    assert rig.run(calls.post_order("d", '{"v":1}')) == 1
    assert rig.run(calls.post_answer("nonce", '{"v":1}')) == 1
    assert rig.redis("BLPOP", "jq:control:d", 1) == [b"jq:control:d", b'{"v":1,"at_ms":%d}' % rig.clock.now_ms]
