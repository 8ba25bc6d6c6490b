"""What one job does to its surroundings, the next one does not meet; and what is shared stays usable."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State
from jqjobs.store.reads.registry import read_registry
from waiting import eventually

pytestmark = pytest.mark.xdist_group("surroundings")


def start(site: Site, *flags: str) -> Daemon:
    return site.start_daemon("--app", "surrounded_jobs:app", *flags)


@pytest.fixture(scope="module", params=[1, 4])
def slots(request: pytest.FixtureRequest) -> int:
    """One slot, in the main thread; several."""
    return int(request.param)


@pytest.fixture(scope="module")
def daemon(slots: int, module_site: Site) -> Iterator[Daemon]:
    """One for all tests with so many slots: none of them ends it, or kills its worker."""
    made = start(module_site, "--concurrency", str(slots), "--kill-after", "6")
    yield made
    assert made.events("worker.died") == []
    made.kill()


ONE_SLOT = pytest.mark.parametrize("slots", [1], indirect=True)


def results(site: Site, *calls: tuple[Any, ...]) -> list[object]:
    """Run jobs one after the other; return what each has returned."""
    return [site.wait_for(site.send(*call), State.KEPT).result for call in calls]


@pytest.mark.usefixtures("daemon")
def test_a_client_made_at_module_level_works_in_all_async_jobs_and_hooks_since_there_is_one_event_loop(
    shared_site: Site,
) -> None:
    hooks = shared_site.directory / "journal-hooks"
    hooks.unlink(missing_ok=True)
    loops = results(shared_site, *[("ping_shared_client",)] * 3)
    eventually(lambda: hooks.exists() and hooks.read_text().count("\n") == 3, what="all hooks were called")
    assert {*map(str, loops), *hooks.read_text().split()} == {str(loops[0])}


@pytest.mark.usefixtures("daemon")
def test_no_job_sees_context_variables_or_decimal_precision_of_another(shared_site: Site) -> None:
    calls = [(name, f"tenant {number}") for name in ("act_as", "act_as_async") for number in range(3)]
    assert results(shared_site, *calls) == [["", 28]] * 6


def test_a_time_limit_is_not_swallowed_by_except_exception(shared_site: Site, daemon: Daemon) -> None:
    [attempt] = shared_site.wait_for(shared_site.send("skip_errors", 30, timeout=0.3), State.DEAD).history
    assert (attempt.reason, len(daemon.events("worker.died"))) == ("hung", 0)
    assert "JobTimeout" in (attempt.error or "")


def test_a_time_limit_that_was_swallowed_is_raised_again_before_the_worker_is_killed(
    shared_site: Site, daemon: Daemon, slots: int
) -> None:
    # Without waiting in C: a thread hears of it between two bytecodes.
    calls = [("swallow_once", 2 if slots > 1 else 60), ("swallow_once_async", 60)]
    for job in shared_site.send_many(calls, timeout=0.3):
        [attempt] = shared_site.wait_for(job, State.DEAD).history
        assert len(shared_site.notes("swallowed", job)) == 1
        assert attempt.reason == "hung"
        assert "JobTimeout" in (attempt.error or "")
    assert daemon.events("worker.died") == []


@ONE_SLOT
@pytest.mark.usefixtures("daemon")
def test_a_plain_job_finds_an_event_loop_of_use_whoever_ran_or_closed_one_before(shared_site: Site) -> None:
    ways = ("get", "get", "run", "get", "close", "get", "close", "run", "get")
    assert results(shared_site, *[("turn_a_loop", how) for how in ways]) == [True] * 9


# Signals

WAYS = pytest.mark.parametrize("way", ["exit", "ignore", "default", "block"])


def drains_in_order(site: Site, daemon: Daemon) -> None:
    """End a daemon while a job runs: it may end, costs nothing, and no other is begun."""
    running = site.send("hold", str(site.gate()))
    site.wait_for_start(running)
    waiting = site.send("quick")
    daemon.send(signal.SIGTERM)
    eventually(lambda: are_stopping(site), what="the worker was told to end")
    site.gate().touch()
    assert daemon.wait() == 0
    info = site.wait_for(running, State.KEPT)
    assert (info.failures, info.crashes, info.interrupts) == (0, 0, 0)
    assert (site.wait_for(waiting, State.READY).executions, daemon.events("worker.died")) == (0, [])


def are_stopping(site: Site) -> bool:
    with site.client.store() as store:
        return {worker.state for daemon in read_registry(store).daemons for worker in daemon.workers} == {"stopping"}


@WAYS
def test_whatever_an_app_does_to_signals_when_it_is_imported_a_reload_and_a_drain_are_in_order(
    site: Site, way: str
) -> None:
    daemon = site.start_daemon("--app", "surrounded_jobs:app", JQ_TEST_AT_IMPORT=way)
    [before] = daemon.workers()
    daemon.send(signal.SIGHUP)
    eventually(lambda: len(daemon.workers()) == 1 and daemon.workers() != [before], what="a new one")
    drains_in_order(site, daemon)


@WAYS
def test_whatever_a_job_does_to_signals_a_later_one_has_its_time_limit_and_a_drain_is_in_order(
    site: Site, way: str
) -> None:
    daemon = start(site)
    touched, late = site.send_many([("touch_signals", way), ("nap", 60)], timeout=0.3)
    site.wait_for(touched, State.KEPT)
    [attempt] = site.wait_for(late, State.DEAD).history
    assert (attempt.reason, daemon.events("worker.died")) == ("hung", [])
    site.wait_for(site.send("touch_signals", way), State.KEPT)
    drains_in_order(site, daemon)


def test_who_is_made_to_exit_by_the_end_of_its_worker_is_charged_nothing(site: Site) -> None:
    daemon = start(site)
    job = site.send("hold_and_exit_at_term", str(site.gate()))
    site.wait_for_start(job)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    info = site.wait_for(job, State.READY)
    assert (info.failures, info.crashes, info.interrupts) == (0, 0, 1)


@ONE_SLOT
def test_an_alarm_that_a_job_leaves_behind_hits_no_later_job_and_no_idle_worker(
    shared_site: Site, daemon: Daemon
) -> None:
    site = shared_site
    left, later = site.send_many([("leave_alarm", 0.3), ("nap", 0.6)])
    assert site.wait_for(later, State.KEPT).failures == 0
    site.wait_for(site.send("leave_alarm", 0.3), State.KEPT)
    time.sleep(0.6)  # in which it would come
    assert site.wait_for(site.send("quick"), State.KEPT).failures == 0
    assert (site.wait_for(left, State.KEPT).failures, daemon.events("worker.died")) == (0, [])


REMAINS = (
    "pipe", "child", "user signal", "profiler", "virtual alarm", "watchdog", "mask", "directory", "memory", "depth",
    "closed output", "closed descriptors", "wrapped output", "caught output", "no output",
)  # fmt: skip


@ONE_SLOT
def test_what_a_job_leaves_set_armed_or_deleted_no_later_job_finds(shared_site: Site, daemon: Daemon) -> None:
    site = shared_site
    jobs = site.send_many([("leave", what) for what in ("", *REMAINS, "")])
    found = [site.wait_for(job, State.KEPT).result for job in jobs]
    assert found == [found[0]] * len(jobs)
    assert daemon.events("worker.died") == []
    eventually(lambda: daemon.log_text().count("printed by a job") == 2 * len(jobs), what="all lines are in the log")


@pytest.mark.usefixtures("daemon")
def test_output_that_a_job_has_closed_is_there_for_those_on_other_threads(shared_site: Site) -> None:
    site = shared_site
    for what in ("closed output", "no output", ""):
        site.wait_for(site.send("leave", what), State.KEPT)


# Descriptors, processes, text


def test_a_job_that_uses_up_descriptors_fails_no_later_one(site: Site) -> None:
    daemon = start(site)
    for replaced, how in enumerate(("soft limit", "hard limit", "leak")):  # the first one is put right
        before = daemon.workers()
        assert site.wait_for(site.send("use_up_descriptors", how), State.KEPT).failures == 0
        for _ in range(3):
            assert site.wait_for(site.send("quick"), State.KEPT).failures == 0
        if replaced:
            assert daemon.wait_for_event("worker.recycle", replaced)["reason"] == "limits"
            eventually(lambda old=before: len(daemon.workers()) == 1 and daemon.workers() != old, what="replaced")
    assert len(daemon.events("worker.recycle")) == 2


@ONE_SLOT
def test_a_job_that_is_ended_from_outside_leaves_no_process_running_or_unwaited(
    shared_site: Site, daemon: Daemon
) -> None:
    site = shared_site
    [worker] = map(psutil.Process, daemon.workers())
    for name in ("wait_for_process", "wait_for_process_plainly"):
        job = site.send(name)
        site.wait_for_start(job)
        assert len(worker.children()) == 1
        job.cancel()
        site.wait_for(job, State.DEAD)
        assert worker.children() == []
    assert (worker.is_running(), daemon.events("worker.died")) == (True, [])


def test_a_line_that_was_printed_before_a_kill_is_in_the_log(site: Site) -> None:
    daemon = site.start_daemon("--app", "surrounded_jobs:app", PYTHONUNBUFFERED="")
    site.send("print_and_die", '{"event": "log", "text": "the last words of it"}', max_crashes=1)
    daemon.wait_for_event("worker.died")
    assert "the last words of it" in daemon.log_text()
