"""Several slots in one worker: limits, memory, hooks, what jobs say of themselves, and what is held ahead."""

from __future__ import annotations

import pytest

from e2e.concurrent_daemon import HOLDS, holding, start, started, wait_for_starts
from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State
from jqjobs.store.address import parse_url
from proxy import Proxy
from waiting import eventually

pytestmark = pytest.mark.xdist_group("concurrency_limits")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One with a worker of eight slots, for all tests that neither end it nor kill its worker."""
    return start(module_site, 8)


def most_at_once(site: Site, name: str) -> int:
    """Return how many jobs of a name ran at the same time at most, by their own notes."""
    running = most = 0
    for note in [note for note in site.notes() if note.name == name]:
        running += {"start": 1, "end": -1}[note.event]
        most = max(most, running)
    return most


@pytest.mark.usefixtures("daemon")
def test_a_concurrency_limit_holds_for_the_slots_of_a_worker(shared_site: Site) -> None:
    jobs = shared_site.send_many([(name, 0.1) for name in ("guarded", "guarded_async") * 6])
    for job in jobs:
        assert shared_site.wait_for(job, State.KEPT, 60).executions == 1
    for name in ("guarded", "guarded_async"):
        assert most_at_once(shared_site, name) <= 3


@pytest.mark.usefixtures("daemon")
def test_limited_jobs_run_side_by_side_as_far_as_the_limit_goes(shared_site: Site) -> None:
    beside = holding(shared_site, *HOLDS)
    limited = shared_site.send_many([("guarded_hold", str(shared_site.gate()))] * 5)
    eventually(lambda: len(started(shared_site, limited)) == 3, what="three run beside the others")
    eventually(lambda: shared_site.status().held == 2, what="the rest waits for a place")
    assert len(started(shared_site, limited)) == 3
    shared_site.gate().touch()
    for job in (*beside, *limited):
        assert shared_site.wait_for(job, State.KEPT).executions == 1


@pytest.mark.usefixtures("daemon")
def test_a_rate_limit_holds_for_the_slots_of_a_worker(shared_site: Site) -> None:
    jobs = shared_site.send_many([("paced",)] * 25)
    for job in jobs:
        shared_site.wait_for(job, State.KEPT, 60)
    starts = sorted(job.info().started_ms or 0 for job in jobs)
    assert [late - early for early, late in zip(starts, starts[10:], strict=False) if late - early <= 1000] == []


@pytest.mark.usefixtures("daemon")
def test_jobs_that_need_memory_ask_for_it_while_others_run(shared_site: Site) -> None:
    running = holding(shared_site, "large", *HOLDS)
    never = shared_site.send("enormous")
    assert shared_site.wait_for(never, State.DEAD).reason == "oversized"
    assert shared_site.wait_for(shared_site.send("quick"), State.KEPT).executions == 1
    shared_site.gate().touch()
    for job in running:
        assert shared_site.wait_for(job, State.KEPT).executions == 1
    assert not started(shared_site, [never])


@pytest.mark.usefixtures("daemon")
def test_hooks_are_called_while_other_jobs_run(shared_site: Site) -> None:
    running = holding(shared_site, *HOLDS)
    jobs = shared_site.send_many([("with_hook", 0.01), ("with_hook_async", 0.01)] * 10)
    for job in jobs:
        eventually((shared_site.directory / f"told-{job.id}").exists, what=f"the hook of {job.id}")
    assert all((shared_site.directory / f"begun-{job.id}").exists() for job in jobs[1::2])
    shared_site.gate().touch()
    for job in (*running, *jobs):
        assert shared_site.wait_for(job, State.KEPT).executions == 1


def test_each_job_speaks_for_itself(shared_site: Site, daemon: Daemon) -> None:
    jobs = shared_site.send_many(
        [(name, str(shared_site.gate())) for name in ("know_oneself", "know_oneself_async") * 3]
    )
    wait_for_starts(shared_site, jobs)
    shared_site.gate().touch()
    for job in jobs:
        info = shared_site.wait_for(job, State.KEPT)
        assert set(info.result) == {job.id}
        assert info.progress is not None
        assert (info.progress["percent"], info.progress["text"]) == (50, job.id)
        assert [line.text for line in info.log] == [f"I am {job.id}"]
    lines = [line for line in daemon.events("log") if line["logger"] == "app"]
    assert {(line["job"], line["message"]) for line in lines} == {(job.ref, f"here is {job.id}") for job in jobs}


def test_without_prefetch_a_worker_holds_no_more_than_its_slots_run(site: Site) -> None:
    start(site, 2, "--prefetch-ms", "0")
    for job in site.send_many([("quick",)] * 50):
        site.wait_for(job, State.KEPT)
    running = holding(site, *HOLDS)
    behind = site.send_many([("quick",)] * 5)
    eventually(lambda: site.status().ready == 5, what="they wait where others can take them")
    site.gate().touch()
    for job in (*running, *behind):
        assert site.wait_for(job, State.KEPT).executions == 1


def test_what_waits_behind_long_jobs_runs_elsewhere_meanwhile(site: Site) -> None:
    site.start_daemon("--app", "concurrent_jobs:app", "--concurrency", "2", "--processes", "2")
    for job in site.send_many([("quick",)] * 300):  # so that batches have grown
        site.wait_for(job, State.KEPT)
    long = site.send_many([(name, str(site.gate())) for name in (*HOLDS, "hold")])
    wait_for_starts(site, long)
    quick = site.send_many([("quick",)] * 20)
    for job in quick:
        assert site.wait_for(job, State.KEPT).executions == 1
    site.gate().touch()
    for job in long:
        assert site.wait_for(job, State.KEPT).executions == 1


def test_replies_lost_under_load_lose_and_double_nothing(site: Site) -> None:
    proxy = Proxy(parse_url(site.server.url)).start()
    start(site, 8, JQ_REDIS_URL=proxy.url)
    proxy.weather.loss = 0.15
    jobs = site.send_many([("quick",), ("decorated", 1)] * 300)
    for job in jobs:
        assert site.wait_for(job, State.KEPT, 60).executions == 1
    assert proxy.lost > 5
    assert sorted(note.id for note in site.notes("start")) == sorted(job.id for job in jobs[::2])
    site.close()
    proxy.close()
