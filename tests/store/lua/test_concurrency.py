"""Concurrency limits: a place belongs to a job in a worker's hands, and is free however it leaves them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jqjobs.jobs.limits import Concurrency, RateLimit
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.calls.cancels import cancel
from store.queue_system import LEASE_MS, START_MS, QueueSystem, outcome

ONE = Concurrency(1).text("db")
TWO = Concurrency(2).text("db")


def running(system: QueueSystem, name: str = "db/running") -> list[str]:
    return [member.split(" ")[0] for member in system.ids(f"limit:{name}")]


def start_one(system: QueueSystem, *ids: str, limits: str = ONE) -> TakenJob:
    """Let worker w start the first of these; the others are held."""
    system.add_limited(*ids, limits=limits)
    [job] = system.take("w", 5)
    assert system.take("v", 5) == []
    assert system.ids("held") == [job_id for job_id in ids if job_id != job.id]
    return job


def test_at_most_so_many_run_at_once_and_the_rest_is_held(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", "d", limits=TWO)

    assert [job.id for n in range(4) for job in system.take(f"w{n}", 5)] == ["a", "b"]
    assert (running(system), system.ids("held")) == (["a", "b"], ["c", "d"])


def test_who_finishes_takes_the_next_one_in_the_same_trip(system: QueueSystem) -> None:
    job = start_one(system, "a", "b", "c")

    assert [job.id for job in system.trip("w", 5, [outcome(job, Kind.DONE)]).jobs] == ["b"]
    assert (running(system), system.ids("held")) == (["b"], ["c"])


@pytest.mark.parametrize("order", ["abc", "cab"])
def test_successes_reported_together_free_their_places_and_what_is_not_in_hand_frees_none(
    system: QueueSystem, order: str
) -> None:
    for job_id in "abc":
        system.add_limited(job_id, limits=Concurrency(1).text(job_id))
    jobs = {job.id: job for job in system.take("w", 3, free=3)}
    system.add_limited("other", limits=Concurrency(1).text("d"))
    [other] = system.take("v")
    report = [outcome(job, Kind.DONE) for job in (jobs[order[0]], other, jobs[order[1]])]

    assert system.trip("w", 0, report).stale == ("other",)
    assert (system.active(), running(system, "d/running")) == ({"v": ["other"], "w": [order[2]]}, ["other"])
    assert [running(system, f"{job_id}/running") for job_id in order] == [[], [], [order[2]]]
    assert system.trip("w", 0, [outcome(jobs[order[2]], Kind.DONE)]).stale == ()
    assert (running(system, f"{order[2]}/running"), system.redis("KEYS", system.key("job:*"))) == (
        [],
        [system.key("job:other").encode()],
    )


def test_a_success_of_a_job_that_somebody_cancels_meanwhile_leaves_no_mark(system: QueueSystem) -> None:
    system.add_limited("a", limits=ONE)
    [job] = system.take("w")
    system.run(cancel("q", ["a"]))

    assert system.ids("cancels") == ["w a 1"]
    system.settle("w", job, Kind.DONE)
    assert (system.ids("cancels"), running(system)) == ([], [])


def leave(word: str) -> Callable[[QueueSystem, TakenJob], object]:
    return lambda system, job: system.run(leases.leave("q", "w", "x", [BoardEntry(job.id, job.attempt, word)]))


def settle(kind: Kind) -> Callable[[QueueSystem, TakenJob], object]:
    return lambda system, job: system.settle("w", job, kind, 1000)


def reap(system: QueueSystem, job: TakenJob) -> None:
    system.reaping_works_from_now()
    system.outlive_leases(renewing=["v"])


ENDS = [
    *[
        pytest.param(settle(kind), id=kind.value)
        for kind in (Kind.DONE, Kind.KEPT, Kind.FAILED, Kind.HUNG, Kind.DISCARDED, Kind.MALFORMED, Kind.UNKNOWN)
    ],
    pytest.param(leave("hung"), id="killed for its time limit"),
    pytest.param(leave("succeeded"), id="succeeded and its worker died"),
    pytest.param(leave("failed"), id="failed and its worker died"),
]


@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_a_job_its_place_goes_to_the_best_that_waits(
    system: QueueSystem, end: Callable[[QueueSystem, TakenJob], object]
) -> None:
    job = start_one(system, "a", "b", "c")
    system.use_up_token()
    end(system, job)

    assert running(system) == []
    assert system.wakes()
    assert [job.id for job in system.take("v", 5)] == ["b"]
    assert "throttles" not in system.counters("a")


BACK = [
    pytest.param(settle(Kind.RELEASED), id="released"),
    pytest.param(settle(Kind.INTERRUPTED), id="interrupted"),
    pytest.param(leave("interrupted"), id="stopped"),
    pytest.param(leave("unstarted"), id="not started when its worker died"),
    pytest.param(reap, id="reaped"),
    pytest.param(lambda system, job: system.trip("w", in_hand=[]), id="lost with the trip"),
]


@pytest.mark.parametrize("go_back", BACK)
def test_a_job_that_goes_back_in_place_is_the_next_to_have_the_place(
    system: QueueSystem, go_back: Callable[[QueueSystem, TakenJob], object]
) -> None:
    job = start_one(system, "a", "b", "c")
    go_back(system, job)
    assert running(system) == []
    assert system.wakes()

    assert [job.id for job in system.take("v", 5)] == ["a"]
    assert system.take("x", 5) == []
    assert system.ids("held") == ["b", "c"]
    assert system.counters("b")["throttles"] == 1


@pytest.mark.parametrize("word", ["crashed", "suspect 1 1"])
def test_what_may_have_killed_its_worker_leaves_the_place_to_others(system: QueueSystem, word: str) -> None:
    job = start_one(system, "a", "b")
    leave(word)(system, job)

    assert [job.id for job in system.take("v", 5)] == ["b"]


def test_a_retry_later_leaves_the_place_to_others(system: QueueSystem) -> None:
    job = start_one(system, "a", "b")
    system.settle("w", job, Kind.FAILED, 5000)

    assert [job.id for job in system.take("w", 5)] == ["b"]
    system.clock.advance(5000)
    assert system.take("v", 5) == []
    assert system.ids("held") == ["a"]


def test_an_outcome_that_comes_too_late_frees_nobodys_place(system: QueueSystem) -> None:
    job = start_one(system, "a", "b")
    leave("interrupted")(system, job)
    [again] = system.take("v", 5)
    system.join("w2")

    assert system.trip("w2", 0, [outcome(job, Kind.DONE)]).stale == ("a",)
    assert (again.id, running(system)) == ("a", ["a"])


def test_a_place_whose_job_is_gone_is_free_again_within_a_minute(system: QueueSystem) -> None:
    start_one(system, "a", "b")
    system.redis("DEL", system.key("active:w"), system.key("job:a"))  # as no script leaves it
    system.clock.advance(60_000)
    system.tend()

    assert running(system) == []
    assert system.states("b") == ["ready"]


def test_a_place_whose_job_is_elsewhere_is_free_again_too(system: QueueSystem) -> None:
    system.settle("w", start_one(system, "a", "b"), Kind.FAILED, 100_000)
    system.redis("ZADD", system.key("limit:db/running"), START_MS, "a 1")
    assert system.take("v", 5) == []
    system.clock.advance(60_000)
    system.tend()

    assert [job.id for job in system.take("v", 5)] == ["b"]


def test_a_leak_behind_many_places_that_are_in_use_is_found(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(26)], limits=Concurrency(26).text("db"))
    system.redis("ZADD", system.key("limit:db/running"), START_MS + 1, "ghost 1")
    jobs = [job.id for n in range(26) for job in system.take(f"w{n}", 5)]
    assert (len(jobs), system.ids("held")) == (25, ["j25"])
    for _ in range(4):
        system.clock.advance(30_000)
        system.tend()

    assert system.ids("ready") == ["j25"]


def test_a_place_whose_job_runs_is_never_taken_away(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(30)], limits=Concurrency(25).text("db"))
    jobs = [job.id for n in range(30) for job in system.take(f"w{n}", 5)]
    for _ in range(10):
        system.clock.advance(LEASE_MS)
        system.run(leases.renew(["q"], LEASE_MS, [f"w{n}" for n in range(30)]))
        system.tend()

    assert len(jobs) == 25
    assert sorted(running(system)) == sorted(jobs)
    assert len(system.ids("held")) == 5


def test_many_leaked_places_are_all_found_in_the_end(system: QueueSystem) -> None:
    system.add_limited("a", limits=Concurrency(50).text("db"))
    for n in range(50):
        system.redis("ZADD", system.key("limit:db/running"), START_MS, f"ghost{n} 1")
    assert system.take("w", 5) == []
    for _ in range(4):
        system.clock.advance(30_000)
        system.tend()

    assert system.states("a") == ["ready"]


def test_a_worker_that_gives_up_its_last_limited_job_wakes_an_idle_one(system: QueueSystem) -> None:
    job = start_one(system, "a", "b")
    system.use_up_token()
    system.settle("w", job, Kind.DISCARDED)

    assert system.wakes()
    assert system.ids("ready") == ["b"]


def test_only_one_is_sent_to_ready_at_a_time(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(6)], limits=Concurrency(3).text("db"))
    jobs = [job for n in range(4) for job in system.take(f"w{n}", 5)]
    for n, job in enumerate(jobs):
        system.settle(f"w{n}", job, Kind.DISCARDED)

    assert (system.ids("ready"), system.ids("held")) == (["j3"], ["j4", "j5"])
    assert [job.id for n in range(4) for job in system.take(f"w{n}", 5)] == ["j3", "j4", "j5"]


def test_a_job_with_two_limits_waits_for_the_one_that_holds_it_back(system: QueueSystem) -> None:
    both = f"{RateLimit(5, seconds=1).text('api')} {ONE}"
    system.add_limited("a", "b", "c", limits=both)
    [job] = system.take("w", 5)
    system.take("v", 5)
    assert system.ids("held:db/running") == ["b", "c"]

    system.trip("w", 0, [outcome(job, Kind.DONE)])
    assert [job.id for job in system.take("v", 5)] == ["b"]
    assert system.redis("LLEN", system.key("limit:api/1s")) == 2


def test_a_job_that_the_other_limit_holds_back_waits_for_that_one(system: QueueSystem) -> None:
    """Everyone may do one thing at a time, and all together two a second: who is busy does not stop the others."""
    rate = RateLimit(2, seconds=1).text("api")
    jobs = {"u1": "ann", "u2": "ann", "u3": "ann", "u4": "ben"}
    for job_id, user in jobs.items():
        system.add_limited(job_id, limits=f"{rate} {Concurrency(1).text(user)}")
    system.add_limited("x", limits=rate, priority=1)
    started = [job.id for n in range(4) for job in system.take(f"w{n}", 5)]
    assert started == ["x", "u1"]
    assert system.ids("held:api/1s") == ["u2", "u3", "u4"]
    system.clock.advance(1005)

    assert [job.id for job in system.take("w9", 5)] == ["u4"]
    assert system.ids("held:ann/running") == ["u2", "u3"]
    assert system.ids("held") == ["u2", "u3"]
    assert system.counters("u2")["throttles"] == 1


def test_when_another_limit_holds_back_the_one_on_its_way_the_next_one_goes(system: QueueSystem) -> None:
    rate = RateLimit(1, seconds=1).text("api")
    system.add_limited("first", "both", limits=f"{rate} {ONE}")
    system.add_limited("other", limits=rate)
    system.settle("w", system.take("w", 5)[0])
    assert system.take("w", 5) == []
    system.clock.advance(1005)
    system.tend()
    assert system.states("both") == ["ready"]
    system.add_limited("urgent", limits=ONE, priority=1)

    assert [job.id for job in system.take("w", 5)] == ["urgent"]
    assert [job.id for job in system.take("v", 5)] == ["other"]
    assert system.ids("held:db/running") == ["both"]


def test_jobs_with_two_limits_that_take_turns_in_closing_are_all_run(system: QueueSystem) -> None:
    both = f"{RateLimit(3, seconds=1).text('api')} {Concurrency(2).text('db')}"
    system.add_limited(*[f"j{n}" for n in range(20)], limits=both)
    in_hand: dict[str, list[TakenJob]] = {}
    done: list[str] = []
    for step in range(400):
        worker = f"w{step % 4}"
        jobs = in_hand.pop(worker, [])
        done += [job.id for job in jobs]
        new = system.take(worker, 3, outcomes=[outcome(job, Kind.DONE) for job in jobs])
        if new:
            in_hand[worker] = new
        assert sum(map(len, in_hand.values())) <= 2
        system.clock.advance(70)

    assert sorted(done) == sorted(f"j{n}" for n in range(20))
    assert system.ids("held") == system.ids("scheduled") == []
    assert system.redis("EXISTS", system.key("gates"), system.key("limit:db/running")) == 0


def test_what_comes_back_with_other_limits_leaves_its_place_to_the_next_one(system: QueueSystem) -> None:
    job = start_one(system, "a", "b")
    system.trip("w", 0, [outcome(job, Kind.THROTTLED, text=RateLimit(9, seconds=1).text("api"))])

    assert [job.id for n in range(2) for job in system.take(f"v{n}", 5)] == ["a", "b"]
