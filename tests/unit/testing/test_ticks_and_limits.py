"""Periodic jobs and limits in memory: as a daemon and a worker would treat them, by a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jqjobs import App, Concurrency, RateLimit
from jqjobs.errors import DrainedTooLong
from jqjobs.testing import InMemory, in_memory


@pytest.fixture
def jobs(app: App) -> Iterator[InMemory]:
    with in_memory(app) as held:  # its clock stands at 2026-01-01 00:00 UTC
        yield held


def ids(jobs: InMemory) -> list[str]:
    return [record.id for record in jobs.enqueued()]


def minutes(jobs: InMemory) -> list[int]:
    """When the jobs that wait were enqueued, in minutes since the clock stood still."""
    return [(record.enqueued_ms - 1_767_225_600_000) // 60_000 for record in jobs.enqueued()]


def test_each_tick_on_the_way_is_enqueued_once_and_at_its_time(app: App, jobs: InMemory) -> None:
    seen: list[str] = []
    app.periodic("*/20 * * * *", schedule="often", args=("often",))(app.job(name="note")(seen.append))
    app.periodic(every="30m", schedule="rare", args=("rare",))(app.jobs["note"])

    jobs.clock.advance("20m")
    assert minutes(jobs) == [20]
    jobs.clock.advance("45m")
    assert minutes(jobs) == [20, 30, 40, 60, 60]
    assert len(set(ids(jobs))) == 5
    jobs.clock.advance(0)
    assert jobs.run() == 5
    assert seen == ["often", "rare", "often", "often", "rare"]


def test_a_tick_waits_for_no_drain_and_does_not_overlap_unless_its_schedule_lets_it(app: App, jobs: InMemory) -> None:
    @app.periodic(every="1m", overlap=False, max_attempts=9, backoff="10m")
    def fetch() -> None:
        raise ValueError("offline")

    jobs.clock.advance("5m")
    [first] = jobs.enqueued()
    jobs.run()
    assert (first.state, first.failures) == ("scheduled", 1)
    jobs.clock.advance("1m")
    [replaced] = jobs.enqueued()
    assert (replaced.id, replaced.state, replaced.failures) == (first.id, "ready", 1)


@pytest.mark.parametrize(("missed", "ticks"), [("latest", [60]), ("skip", []), ("all", [30, 40, 50, 60])])
def test_after_an_outage_ticks_are_caught_up_on_as_their_schedule_says(
    app: App, jobs: InMemory, missed: str, ticks: list[int]
) -> None:
    app.periodic(every="10m", missed=missed, catch_up="35m", schedule="s")(app.job(name="work")(lambda: None))

    jobs.clock.advance("65m", outage=True)
    jobs.clock.advance("4m", outage=True)
    assert [(int(job_id.removeprefix("s-")) - 1_767_225_600_000) // 60_000 for job_id in ids(jobs)] == ticks


def test_more_ticks_than_a_test_can_mean_are_refused(app: App, jobs: InMemory) -> None:
    app.periodic(every="1s")(app.job(name="work")(lambda: None))
    with pytest.raises(DrainedTooLong, match="10000 ticks"):
        jobs.clock.advance("1d")


def test_a_rate_lets_so_many_start_in_its_window_and_holds_the_others(app: App, jobs: InMemory) -> None:
    seen: list[int] = []
    work = app.job(name="work", rate_limit=RateLimit(2, minutes=1))(seen.append)
    handles = work.enqueue_many([(n,) for n in range(5)])
    work.options(priority=1).enqueue(9)

    assert jobs.run(limits=True) == 2
    jobs.clock.advance("59s")
    assert (jobs.run(limits=True), seen) == (0, [9, 0])
    assert handles[1].state() == "held"
    jobs.clock.advance("1s")
    assert (jobs.run(limits=True), seen) == (2, [9, 0, 1, 2])
    assert (jobs.run(limits=True, delayed=True), seen) == (2, [9, 0, 1, 2, 3, 4])
    assert [record.throttles for record in jobs.all] == [0, 1, 1, 2, 2, 0], "held, and passed by two others"
    assert jobs.clock.now_ms == 1_767_225_600_000 + 120_000


def test_limits_are_of_their_key_and_free_jobs_overtake_what_is_held(app: App, jobs: InMemory) -> None:
    seen: list[str] = []

    @app.job(rate_limit=RateLimit(1, seconds=1, key="mail:{who}"))
    def mail(who: str) -> None:
        seen.append(who)

    mail.enqueue_many([("ann",), ("ann",), ("bob",)])
    assert (jobs.run(limits=True), seen) == (2, ["ann", "bob"])
    assert (jobs.run(), seen) == (1, ["ann", "bob", "ann"]), "without limits nothing is held"


def test_a_place_is_taken_while_its_job_runs(app: App, jobs: InMemory) -> None:
    inner: list[int] = []

    @app.job(concurrency=Concurrency(1))
    def work(depth: int) -> None:
        if depth:
            work.enqueue(depth - 1)
            inner.append(jobs.run(limits=True))

    work.enqueue(1)
    assert (jobs.run(limits=True), inner) == (2, [0])


def test_what_is_held_back_too_often_is_dead(app: App, jobs: InMemory) -> None:
    slow = RateLimit(1, minutes=1, key="k")
    patient = app.job(name="patient", rate_limit=slow)(lambda: None)
    app.job(name="hasty", rate_limit=slow, max_throttles=2)(lambda: None).enqueue()
    app.job(name="counted", rate_limit=slow, throttle_counts=True, max_attempts=1)(lambda: None).enqueue()
    patient.options(priority=2).enqueue()

    assert jobs.run(limits=True) == 1
    [counted] = jobs.dead
    assert (counted.name, counted.reason, counted.failures) == ("counted", "throttled", 1)
    assert "held back too often by the limit k/1m" in counted.error
    patient.options(priority=2).enqueue()
    jobs.clock.advance("1m")
    assert jobs.run(limits=True) == 1
    assert [(record.name, record.throttles) for record in jobs.dead] == [("hasty", 2), ("counted", 1)]
