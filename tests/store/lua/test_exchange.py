"""lua/exchange.lua: trip numbers, fencing, resync after a lost reply, and what the answer says."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind, Status
from jqjobs.store.calls import leases
from store.queue_system import LEASE_MS, START_MS, QueueSystem, outcome


def test_a_worker_without_a_lease_is_fenced_and_nothing_is_written(system: QueueSystem) -> None:
    system.add("a")
    system.add("due", due="+1")
    system.clock.advance(5)
    before = system.everything()

    answer = system.trip("stranger", 5)
    assert (answer.status, answer.now_ms, answer.jobs) == (Status.FENCED, START_MS + 5, [])
    assert system.everything() == before


def test_a_worker_fenced_in_one_queue_is_fenced_in_all(system: QueueSystem) -> None:
    system.add("x", "y", queue="a")
    [job] = system.take("w", 1, queues=("a", "b"))
    system.run(leases.leave("b", "w"))
    before = system.everything()

    assert system.trip("w", 5, [outcome(job, Kind.DONE)], queues=("a", "b")).status is Status.FENCED
    assert system.everything() == before


def test_a_worker_that_was_reaped_settles_nothing(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    [job] = system.take("w")
    system.outlive_leases()
    assert system.states("a") == ["ready"]

    assert system.settle("w", job).status is Status.FENCED
    assert system.states("a") == ["ready"]


@pytest.mark.parametrize("back", [0, 1, 4])
def test_a_trip_that_was_seen_or_passed_is_late_and_writes_nothing(system: QueueSystem, back: int) -> None:
    system.add(*[f"j{i}" for i in range(10)])
    job, *_ = system.take("w", 2)
    for _ in range(5):
        system.trip("w", 1)
    before = system.everything()

    answer = system.trip("w", 5, [outcome(job, Kind.DONE)], number=system.trips["w"] - back)
    assert (answer.status, answer.jobs) == (Status.LATE, [])
    assert system.everything() == before


def test_a_late_resync_does_not_give_back_what_was_taken_after_it(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w")
    system.trip("w", 1)
    assert system.trip("w", 0, in_hand=[], number=1).status is Status.LATE

    assert system.active() == {"w": ["a", "b"]}


def test_trip_numbers_may_skip(system: QueueSystem) -> None:
    system.add("a", "b")
    system.join("w")

    assert len(system.trip("w", 1, number=2**40).jobs) == 1
    assert system.trip("w", 1, number=2**40).status is Status.LATE
    assert len(system.trip("w", 1, number=2**40 + 1).jobs) == 1


def test_a_trip_over_another_queue_does_not_slip_past_a_later_one(system: QueueSystem) -> None:
    system.add("x", queue="a")
    system.join("w", queues=("a", "b"))
    system.trip("w", 0, queues=("a", "b"), number=5)

    assert system.trip("w", 1, queues=("b",), number=4).status is Status.LATE


def test_after_a_lost_reply_what_it_carried_goes_back_in_place(system: QueueSystem) -> None:
    system.add("a", "b", "c", "d")
    [a] = system.take("w")
    system.trip("w", 2)  # b and c: their reply never arrives
    answer = system.trip("w", 0, in_hand=[a])

    assert (answer.status, answer.stale, answer.lost) == (Status.OK, (), ())
    assert system.active() == {"w": ["a"]}
    assert system.ids("ready") == ["b", "c", "d"]
    assert system.counters("b") == {}


def test_a_resync_settles_again_what_the_lost_trip_had_settled_already(system: QueueSystem) -> None:
    system.add("a", "b")
    a, b = system.take("w", 2)
    system.trip("w", 0, [outcome(a, Kind.DONE)])  # applied; its reply never arrives
    answer = system.trip("w", 0, [outcome(a, Kind.DONE), outcome(b, Kind.DONE)], in_hand=[])

    assert answer.stale == ("a",)
    assert system.meta("done") == 2


def test_a_resync_may_settle_and_take_in_the_same_trip(system: QueueSystem) -> None:
    system.add("a", "b")
    [a] = system.take("w")
    system.trip("w", 1)
    answer = system.trip("w", 5, [outcome(a, Kind.DONE)], in_hand=[])

    assert [(job.id, job.attempt) for job in answer.jobs] == [("b", 2)]


def test_a_job_held_under_an_older_attempt_goes_back(system: QueueSystem) -> None:
    system.add("a")
    [old] = system.take("w")
    system.settle("w", old, Kind.RELEASED)
    system.take("w")
    answer = system.trip("w", 0, in_hand=[old])

    assert answer.lost == ("a",)
    assert system.states("a") == ["ready"]


def test_what_a_worker_holds_and_redis_does_not_is_named_lost(system: QueueSystem) -> None:
    system.add("a", "b")
    jobs = system.take("w", 2)
    system.settle("w", jobs[1])

    assert system.trip("w", 0, in_hand=jobs).lost == ("b",)
    assert system.active() == {"w": ["a"]}


def test_a_resync_speaks_of_all_queues(system: QueueSystem) -> None:
    system.add("x", "y", queue="a")
    system.add("z", queue="b")
    x, _, z = system.take("w", 3, queues=("a", "b"))

    assert system.trip("w", 0, in_hand=[x, z], queues=("a", "b")).lost == ()
    assert (system.states("y", "a"), system.states("z", "b")) == (["ready"], ["active:w"])


def test_a_trip_promotes_at_most_a_hundred_and_asks_to_be_repeated(system: QueueSystem) -> None:
    system.add(*[f"j{i}" for i in range(150)], due="+1")
    system.join("w")
    system.clock.advance(1)

    assert system.trip("w").more is True
    assert len(system.ids("ready")) == 100
    assert system.trip("w").more is False
    assert len(system.ids("ready")) == 150


def test_the_answer_gives_the_time_and_the_wait_for_the_nearest_due_job(system: QueueSystem) -> None:
    system.add("x", queue="a", due="+900")
    system.add("y", queue="b", due="+300")
    system.join("w", queues=("a", "b", "c"))

    answer = system.trip("w", 1, queues=("a", "b", "c"))
    assert (answer.now_ms, answer.wait_ms, answer.more) == (START_MS, 300, False)


def test_the_answer_names_queues_with_raw_envelopes(system: QueueSystem) -> None:
    system.push({"job": "n"}, queue="b")
    system.join("w", queues=("a", "b"))

    assert system.trip("w", 1, queues=("a", "b")).inboxes == ("b",)


def test_a_taken_job_brings_what_the_worker_needs_to_know(system: QueueSystem) -> None:
    system.add("a", name="sum", key="k", fields=("timeout", 1500, "keep", 60, "max_attempts", 9))
    system.round(Kind.FAILED)
    [job] = system.take("w")

    assert (job.name, job.attempt, job.failures, job.timeout_ms, job.keep_ms, job.key) == ("sum", 2, 1, 1500, 60, "k")


def test_an_expired_job_is_not_taken_but_dead_and_its_key_is_free(system: QueueSystem) -> None:
    system.add("old", key="k", fields=("expires", "+100"))
    system.add("new")
    system.join("w")
    system.clock.advance(100)
    answer = system.trip("w", 1)

    assert [job.id for job in answer.jobs] == ["new"]
    assert system.states("old") == ["dead"]
    assert system.job("old")["reason"] == "expired"
    assert system.add("again", key="k")[0].created


def test_a_job_is_taken_until_the_millisecond_it_expires(system: QueueSystem) -> None:
    system.add("a", fields=("expires", "+100"))
    system.join("w")
    system.clock.advance(99)

    assert len(system.trip("w", 1).jobs) == 1


def test_an_exchange_does_not_reap_its_own_caller(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    system.take("w")
    for _ in range(8):
        system.clock.advance(LEASE_MS // 4)
        assert system.trip("w").status is Status.OK

    assert system.states("a") == ["active:w"]


def test_an_exchange_reaps_another_worker_and_asks_to_be_repeated(system: QueueSystem) -> None:
    system.add("a", "b")
    system.reaping_works_from_now()
    system.take("gone", 2)
    system.join("w")
    answers = []
    for _ in range(5):
        system.clock.advance(LEASE_MS // 4)
        system.run(leases.renew(["q"], LEASE_MS, ["w"]))
        answers.append(system.trip("w"))

    assert [answer.more for answer in answers] == [False, False, False, True, False]
    assert system.ids("ready") == ["a", "b"]
