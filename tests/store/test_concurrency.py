"""Concurrency limits: a place belongs to a job in a worker's hands, and is free however it leaves them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jqjobs.job import Kind, TakenJob
from jqjobs.limits import Concurrency, RateLimit
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from store.rig import LEASE_MS, START_MS, Rig, outcome

ONE = Concurrency(1).text("db")
TWO = Concurrency(2).text("db")


def running(rig: Rig, name: str = "db/running") -> list[str]:
    return [member.split(" ")[0] for member in rig.ids(f"limit:{name}")]


def start_one(rig: Rig, *ids: str, limits: str = ONE) -> TakenJob:
    """Let worker w start the first of these; the others are held."""
    rig.add_limited(*ids, limits=limits)
    [job] = rig.take("w", 5)
    assert rig.take("v", 5) == []
    assert rig.ids("held") == [job_id for job_id in ids if job_id != job.id]
    return job


def test_at_most_so_many_run_at_once_and_the_rest_is_held(rig: Rig) -> None:
    rig.add_limited("a", "b", "c", "d", limits=TWO)

    assert [job.id for n in range(4) for job in rig.take(f"w{n}", 5)] == ["a", "b"]
    assert (running(rig), rig.ids("held")) == (["a", "b"], ["c", "d"])


def test_who_finishes_takes_the_next_one_in_the_same_trip(rig: Rig) -> None:
    job = start_one(rig, "a", "b", "c")

    assert [job.id for job in rig.trip("w", 5, [outcome(job, Kind.DONE)]).jobs] == ["b"]
    assert (running(rig), rig.ids("held")) == (["b"], ["c"])


def leave(mode: str, state: str = "running") -> Callable[[Rig, TakenJob], object]:
    return lambda rig, job: rig.run(calls.leave("q", "w", mode, "x", [BoardEntry(job.id, job.attempt, state)]))


def settle(kind: Kind) -> Callable[[Rig, TakenJob], object]:
    return lambda rig, job: rig.settle("w", job, kind, 1000)


def reap(rig: Rig, job: TakenJob) -> None:
    rig.reaping_works_from_now()
    rig.outlive_leases(renewing=["v"])


ENDS = [
    *[
        pytest.param(settle(kind), id=kind.value)
        for kind in (Kind.DONE, Kind.KEPT, Kind.FAILED, Kind.HUNG, Kind.DISCARDED, Kind.MALFORMED, Kind.UNKNOWN)
    ],
    pytest.param(leave("hung"), id="killed for its time limit"),
    pytest.param(leave("crash", "succeeded"), id="succeeded and its worker died"),
    pytest.param(leave("crash", "failed"), id="failed and its worker died"),
]


@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_a_job_its_place_goes_to_the_best_that_waits(
    rig: Rig, end: Callable[[Rig, TakenJob], object]
) -> None:
    job = start_one(rig, "a", "b", "c")
    rig.use_up_token()
    end(rig, job)

    assert running(rig) == []
    assert rig.wakes()
    assert [job.id for job in rig.take("v", 5)] == ["b"]
    assert "throttles" not in rig.counters("a")


BACK = [
    pytest.param(settle(Kind.RELEASED), id="released"),
    pytest.param(settle(Kind.INTERRUPTED), id="interrupted"),
    pytest.param(leave("crash"), id="crashed"),
    pytest.param(leave("suspect"), id="suspect"),
    pytest.param(leave("interrupt"), id="stopped"),
    pytest.param(leave("crash", "held"), id="not started when its worker died"),
    pytest.param(reap, id="reaped"),
    pytest.param(lambda rig, job: rig.trip("w", held=[]), id="lost with the trip"),
]


@pytest.mark.parametrize("go_back", BACK)
def test_a_job_that_goes_back_in_place_is_the_next_to_have_the_place(
    rig: Rig, go_back: Callable[[Rig, TakenJob], object]
) -> None:
    job = start_one(rig, "a", "b", "c")
    go_back(rig, job)
    assert running(rig) == []
    assert rig.wakes()

    assert [job.id for job in rig.take("v", 5)] == ["a"]
    assert rig.take("x", 5) == []
    assert rig.ids("held") == ["b", "c"]
    assert rig.counters("b")["throttles"] == 1


def test_a_retry_later_leaves_the_place_to_others(rig: Rig) -> None:
    job = start_one(rig, "a", "b")
    rig.settle("w", job, Kind.FAILED, 5000)

    assert [job.id for job in rig.take("w", 5)] == ["b"]
    rig.clock.advance(5000)
    assert rig.take("v", 5) == []
    assert rig.ids("held") == ["a"]


def test_an_outcome_that_comes_too_late_frees_nobodys_place(rig: Rig) -> None:
    job = start_one(rig, "a", "b")
    leave("crash")(rig, job)
    [again] = rig.take("v", 5)
    rig.join("w2")

    assert rig.trip("w2", 0, [outcome(job, Kind.DONE)]).stale == ("a",)
    assert (again.id, running(rig)) == ("a", ["a"])


def test_a_place_whose_job_is_gone_is_free_again_within_a_minute(rig: Rig) -> None:
    start_one(rig, "a", "b")
    rig.redis("DEL", rig.key("active:w"), rig.key("job:a"))  # as no script leaves it
    rig.clock.advance(60_000)
    rig.tend()

    assert running(rig) == []
    assert rig.states("b") == ["ready"]


def test_a_place_whose_job_is_elsewhere_is_free_again_too(rig: Rig) -> None:
    rig.settle("w", start_one(rig, "a", "b"), Kind.FAILED, 100_000)
    rig.redis("ZADD", rig.key("limit:db/running"), START_MS, "a 1")
    assert rig.take("v", 5) == []
    rig.clock.advance(60_000)
    rig.tend()

    assert [job.id for job in rig.take("v", 5)] == ["b"]


def test_a_leak_behind_many_places_that_are_in_use_is_found(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(26)], limits=Concurrency(26).text("db"))
    rig.redis("ZADD", rig.key("limit:db/running"), START_MS + 1, "ghost 1")
    jobs = [job.id for n in range(26) for job in rig.take(f"w{n}", 5)]
    assert (len(jobs), rig.ids("held")) == (25, ["j25"])
    for _ in range(4):
        rig.clock.advance(30_000)
        rig.tend()

    assert rig.ids("ready") == ["j25"]


def test_a_place_whose_job_runs_is_never_taken_away(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(30)], limits=Concurrency(25).text("db"))
    jobs = [job.id for n in range(30) for job in rig.take(f"w{n}", 5)]
    for _ in range(10):
        rig.clock.advance(LEASE_MS)
        rig.run(calls.renew("q", LEASE_MS, [f"w{n}" for n in range(30)]))
        rig.tend()

    assert len(jobs) == 25
    assert sorted(running(rig)) == sorted(jobs)
    assert len(rig.ids("held")) == 5


def test_many_leaked_places_are_all_found_in_the_end(rig: Rig) -> None:
    rig.add_limited("a", limits=Concurrency(50).text("db"))
    for n in range(50):
        rig.redis("ZADD", rig.key("limit:db/running"), START_MS, f"ghost{n} 1")
    assert rig.take("w", 5) == []
    for _ in range(4):
        rig.clock.advance(30_000)
        rig.tend()

    assert rig.states("a") == ["ready"]


def test_a_worker_that_gives_up_its_last_limited_job_wakes_an_idle_one(rig: Rig) -> None:
    job = start_one(rig, "a", "b")
    rig.use_up_token()
    rig.settle("w", job, Kind.DISCARDED)

    assert rig.wakes()
    assert rig.ids("ready") == ["b"]


def test_only_one_is_sent_to_ready_at_a_time(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(6)], limits=Concurrency(3).text("db"))
    jobs = [job for n in range(4) for job in rig.take(f"w{n}", 5)]
    for n, job in enumerate(jobs):
        rig.settle(f"w{n}", job, Kind.DISCARDED)

    assert (rig.ids("ready"), rig.ids("held")) == (["j3"], ["j4", "j5"])
    assert [job.id for n in range(4) for job in rig.take(f"w{n}", 5)] == ["j3", "j4", "j5"]


def test_a_job_with_two_limits_waits_for_the_one_that_holds_it_back(rig: Rig) -> None:
    both = f"{RateLimit(5, seconds=1).text('api')} {ONE}"
    rig.add_limited("a", "b", "c", limits=both)
    [job] = rig.take("w", 5)
    rig.take("v", 5)
    assert rig.ids("held:db/running") == ["b", "c"]

    rig.trip("w", 0, [outcome(job, Kind.DONE)])
    assert [job.id for job in rig.take("v", 5)] == ["b"]
    assert rig.redis("LLEN", rig.key("limit:api/1s")) == 2


def test_a_job_that_the_other_limit_holds_back_waits_for_that_one(rig: Rig) -> None:
    """Everyone may do one thing at a time, and all together two a second: who is busy does not stop the others."""
    rate = RateLimit(2, seconds=1).text("api")
    jobs = {"u1": "ann", "u2": "ann", "u3": "ann", "u4": "ben"}
    for job_id, user in jobs.items():
        rig.add_limited(job_id, limits=f"{rate} {Concurrency(1).text(user)}")
    rig.add_limited("x", limits=rate, priority=1)
    started = [job.id for n in range(4) for job in rig.take(f"w{n}", 5)]
    assert started == ["x", "u1"]
    assert rig.ids("held:api/1s") == ["u2", "u3", "u4"]
    rig.clock.advance(1005)

    assert [job.id for job in rig.take("w9", 5)] == ["u4"]
    assert rig.ids("held:ann/running") == ["u2", "u3"]
    assert rig.ids("held") == ["u2", "u3"]
    assert rig.counters("u2")["throttles"] == 1


def test_when_another_limit_holds_back_the_one_on_its_way_the_next_one_goes(rig: Rig) -> None:
    rate = RateLimit(1, seconds=1).text("api")
    rig.add_limited("first", "both", limits=f"{rate} {ONE}")
    rig.add_limited("other", limits=rate)
    rig.settle("w", rig.take("w", 5)[0])
    assert rig.take("w", 5) == []
    rig.clock.advance(1005)
    rig.tend()
    assert rig.states("both") == ["ready"]
    rig.add_limited("urgent", limits=ONE, priority=1)

    assert [job.id for job in rig.take("w", 5)] == ["urgent"]
    assert [job.id for job in rig.take("v", 5)] == ["other"]
    assert rig.ids("held:db/running") == ["both"]


def test_jobs_with_two_limits_that_take_turns_in_closing_are_all_run(rig: Rig) -> None:
    both = f"{RateLimit(3, seconds=1).text('api')} {Concurrency(2).text('db')}"
    rig.add_limited(*[f"j{n}" for n in range(20)], limits=both)
    held: dict[str, list[TakenJob]] = {}
    done: list[str] = []
    for step in range(400):
        worker = f"w{step % 4}"
        jobs = held.pop(worker, [])
        done += [job.id for job in jobs]
        new = rig.take(worker, 3, outcomes=[outcome(job, Kind.DONE) for job in jobs])
        if new:
            held[worker] = new
        assert sum(map(len, held.values())) <= 2
        rig.clock.advance(70)

    assert sorted(done) == sorted(f"j{n}" for n in range(20))
    assert rig.ids("held") == rig.ids("scheduled") == []
    assert rig.redis("EXISTS", rig.key("gates"), rig.key("limit:db/running")) == 0
