"""lua/exchange.lua: trip numbers, fencing, resync after a lost reply, and what the answer says."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind, Status
from jqjobs.store import calls
from store.rig import LEASE_MS, START_MS, Rig, outcome


def test_a_worker_without_a_lease_is_fenced_and_nothing_is_written(rig: Rig) -> None:
    rig.add("a")
    rig.add("due", due="+1")
    rig.clock.advance(5)
    before = rig.everything()

    answer = rig.trip("stranger", 5)
    assert (answer.status, answer.now_ms, answer.jobs) == (Status.FENCED, START_MS + 5, [])
    assert rig.everything() == before


def test_a_worker_fenced_in_one_queue_is_fenced_in_all(rig: Rig) -> None:
    rig.add("x", "y", queue="a")
    [job] = rig.take("w", 1, queues=("a", "b"))
    rig.run(calls.leave("b", "w", "suspect"))
    before = rig.everything()

    assert rig.trip("w", 5, [outcome(job, Kind.DONE)], queues=("a", "b")).status is Status.FENCED
    assert rig.everything() == before


def test_a_worker_that_was_reaped_settles_nothing(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    [job] = rig.take("w")
    rig.outlive_leases()
    assert rig.states("a") == ["ready"]

    assert rig.settle("w", job).status is Status.FENCED
    assert rig.states("a") == ["ready"]


@pytest.mark.parametrize("back", [0, 1, 4])
def test_a_trip_that_was_seen_or_passed_is_late_and_writes_nothing(rig: Rig, back: int) -> None:
    rig.add(*[f"j{i}" for i in range(10)])
    job, *_ = rig.take("w", 2)
    for _ in range(5):
        rig.trip("w", 1)
    before = rig.everything()

    answer = rig.trip("w", 5, [outcome(job, Kind.DONE)], number=rig.trips["w"] - back)
    assert (answer.status, answer.jobs) == (Status.LATE, [])
    assert rig.everything() == before


def test_a_late_resync_does_not_give_back_what_was_taken_after_it(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w")
    rig.trip("w", 1)
    assert rig.trip("w", 0, held=[], number=1).status is Status.LATE

    assert rig.active() == {"w": ["a", "b"]}


def test_trip_numbers_may_skip(rig: Rig) -> None:
    rig.add("a", "b")
    rig.join("w")

    assert len(rig.trip("w", 1, number=2**40).jobs) == 1
    assert rig.trip("w", 1, number=2**40).status is Status.LATE
    assert len(rig.trip("w", 1, number=2**40 + 1).jobs) == 1


def test_a_trip_over_another_queue_does_not_slip_past_a_later_one(rig: Rig) -> None:
    rig.add("x", queue="a")
    rig.join("w", queues=("a", "b"))
    rig.trip("w", 0, queues=("a", "b"), number=5)

    assert rig.trip("w", 1, queues=("b",), number=4).status is Status.LATE


def test_after_a_lost_reply_what_it_carried_goes_back_in_place(rig: Rig) -> None:
    rig.add("a", "b", "c", "d")
    [a] = rig.take("w")
    rig.trip("w", 2)  # b and c: their reply never arrives
    answer = rig.trip("w", 0, held=[a])

    assert (answer.status, answer.stale, answer.lost) == (Status.OK, (), ())
    assert rig.active() == {"w": ["a"]}
    assert rig.ids("ready") == ["b", "c", "d"]
    assert rig.counters("b") == {}


def test_a_resync_settles_again_what_the_lost_trip_had_settled_already(rig: Rig) -> None:
    rig.add("a", "b")
    a, b = rig.take("w", 2)
    rig.trip("w", 0, [outcome(a, Kind.DONE)])  # applied; its reply never arrives
    answer = rig.trip("w", 0, [outcome(a, Kind.DONE), outcome(b, Kind.DONE)], held=[])

    assert answer.stale == ("a",)
    assert rig.meta("done") == 2


def test_a_resync_may_settle_and_take_in_the_same_trip(rig: Rig) -> None:
    rig.add("a", "b")
    [a] = rig.take("w")
    rig.trip("w", 1)
    answer = rig.trip("w", 5, [outcome(a, Kind.DONE)], held=[])

    assert [(job.id, job.attempt) for job in answer.jobs] == [("b", 2)]


def test_a_job_held_under_an_older_attempt_goes_back(rig: Rig) -> None:
    rig.add("a")
    [old] = rig.take("w")
    rig.settle("w", old, Kind.RELEASED)
    rig.take("w")
    answer = rig.trip("w", 0, held=[old])

    assert answer.lost == ("a",)
    assert rig.states("a") == ["ready"]


def test_what_a_worker_holds_and_redis_does_not_is_named_lost(rig: Rig) -> None:
    rig.add("a", "b")
    jobs = rig.take("w", 2)
    rig.settle("w", jobs[1])

    assert rig.trip("w", 0, held=jobs).lost == ("b",)
    assert rig.active() == {"w": ["a"]}


def test_a_resync_speaks_of_all_queues(rig: Rig) -> None:
    rig.add("x", "y", queue="a")
    rig.add("z", queue="b")
    x, _, z = rig.take("w", 3, queues=("a", "b"))

    assert rig.trip("w", 0, held=[x, z], queues=("a", "b")).lost == ()
    assert (rig.states("y", "a"), rig.states("z", "b")) == (["ready"], ["active:w"])


def test_a_trip_promotes_at_most_a_hundred_and_asks_to_be_repeated(rig: Rig) -> None:
    rig.add(*[f"j{i}" for i in range(150)], due="+1")
    rig.join("w")
    rig.clock.advance(1)

    assert rig.trip("w").more is True
    assert len(rig.ids("ready")) == 100
    assert rig.trip("w").more is False
    assert len(rig.ids("ready")) == 150


def test_the_answer_gives_the_time_and_the_wait_for_the_nearest_due_job(rig: Rig) -> None:
    rig.add("x", queue="a", due="+900")
    rig.add("y", queue="b", due="+300")
    rig.join("w", queues=("a", "b", "c"))

    answer = rig.trip("w", 1, queues=("a", "b", "c"))
    assert (answer.now_ms, answer.wait_ms, answer.more) == (START_MS, 300, False)


def test_the_answer_names_queues_with_raw_envelopes(rig: Rig) -> None:
    rig.push({"job": "n"}, queue="b")
    rig.join("w", queues=("a", "b"))

    assert rig.trip("w", 1, queues=("a", "b")).inboxes == ("b",)


def test_a_taken_job_brings_what_the_worker_needs_to_know(rig: Rig) -> None:
    rig.add("a", name="sum", key="k", fields=("timeout", 1500, "keep", 60, "max_attempts", 9))
    rig.round(Kind.FAILED)
    [job] = rig.take("w")

    assert (job.name, job.attempt, job.failures, job.timeout_ms, job.keep_ms, job.key) == ("sum", 2, 1, 1500, 60, "k")


def test_an_expired_job_is_not_taken_but_dead_and_its_key_is_free(rig: Rig) -> None:
    rig.add("old", key="k", fields=("expires", "+100"))
    rig.add("new")
    rig.join("w")
    rig.clock.advance(100)
    answer = rig.trip("w", 1)

    assert [job.id for job in answer.jobs] == ["new"]
    assert rig.states("old") == ["dead"]
    assert rig.job("old")["reason"] == "expired"
    assert rig.add("again", key="k")[0].created


def test_a_job_is_taken_until_the_millisecond_it_expires(rig: Rig) -> None:
    rig.add("a", fields=("expires", "+100"))
    rig.join("w")
    rig.clock.advance(99)

    assert len(rig.trip("w", 1).jobs) == 1


def test_an_exchange_does_not_reap_its_own_caller(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    rig.take("w")
    for _ in range(8):
        rig.clock.advance(LEASE_MS // 4)
        assert rig.trip("w").status is Status.OK

    assert rig.states("a") == ["active:w"]


def test_an_exchange_reaps_another_worker_and_asks_to_be_repeated(rig: Rig) -> None:
    rig.add("a", "b")
    rig.reaping_works_from_now()
    rig.take("gone", 2)
    rig.join("w")
    answers = []
    for _ in range(5):
        rig.clock.advance(LEASE_MS // 4)
        rig.run(calls.renew("q", LEASE_MS, ["w"]))
        answers.append(rig.trip("w"))

    assert [answer.more for answer in answers] == [False, False, False, True, False]
    assert rig.ids("ready") == ["a", "b"]
