"""Rate and concurrency limits with real workers and producers. A start is when Redis handed the job out."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from statistics import median

import pytest

from e2e import limited_jobs
from e2e.daemon import Daemon, Site
from e2e.limited_jobs import USERS
from jqjobs.jobs.records import State
from jqjobs.store.reads.jobs import JobInfo, job_info
from waiting import eventually

pytestmark = pytest.mark.xdist_group("job_limits")
APP = ("--app", "limited_jobs:app", "--poll", "1")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One for all tests that neither kill its workers nor want none of its time taken."""
    return module_site.start_daemon(*APP, "--processes", "4")


@pytest.fixture
def shared_site(shared_site: Site) -> Iterator[Site]:
    """What is over is forgotten after each test: they count it."""
    yield shared_site
    shared_site.server.call("DEL", "jq:{default}:kept", "jq:{default}:dead")


def produce(site: Site, name: str, count: int) -> list[str]:
    """Enqueue so many jobs from two processes at once; return their ids."""
    half = count // 2
    processes = [site.start_script("limited_jobs.py", name, str(first), str(half)) for first in (0, half)]
    assert [process.wait(60) for process in processes] == [0, 0]
    return [f"{name}{n}" for n in range(count)]


def send(site: Site, name: str, count: int, *arguments: object) -> list[str]:
    """Enqueue calls of a job as its app does, with its limits."""
    job = limited_jobs.app.jobs[name]
    new = [job._new(arguments, {}) for _ in range(count)]
    return [made.id for made in site.client.enqueue("default", new)]


def wait_for_all(site: Site, ids: Sequence[str], timeout_s: float = 90) -> list[JobInfo]:
    """Wait until all of these jobs are kept or dead; return what is known of them."""

    def are_over() -> bool:
        status = site.status()
        return status.kept + status.dead == len(ids)

    eventually(are_over, timeout_s, f"{len(ids)} jobs are over")
    return [info for job_id in ids if (info := site.client.run(job_info("default", job_id))) is not None]


def too_close_ms(starts_ms: Sequence[int], most: int) -> list[int]:
    """Return how long each interval is that sees more than ``most`` starts and is no longer than a second."""
    starts = sorted(starts_ms)
    return [late - early for early, late in zip(starts, starts[most:], strict=False) if late - early <= 1000]


@pytest.mark.usefixtures("daemon")
def test_no_second_ever_sees_more_starts_than_the_limit(shared_site: Site) -> None:
    seen = wait_for_all(shared_site, produce(shared_site, "paced", 60))

    assert too_close_ms([info.started_ms or 0 for info in seen], 10) == []
    assert {(info.executions, info.failures) for info in seen} == {(1, 0)}


@pytest.mark.usefixtures("daemon")
def test_every_user_has_a_limit_of_their_own(shared_site: Site) -> None:
    seen = wait_for_all(shared_site, produce(shared_site, "personal", 50))

    for user in range(USERS):
        starts = [info.started_ms or 0 for info in seen if info.args == [0, user] or info.args == [2, user]]
        assert len(starts) == 10
        assert too_close_ms(starts, 2) == []


@pytest.mark.usefixtures("daemon")
def test_raw_envelopes_are_limited_like_calls_from_python(shared_site: Site) -> None:
    with shared_site.server.connect() as plain:
        for n in range(10):
            plain.sendall(b"*3\r\n$5\r\nLPUSH\r\n$18\r\njq:{default}:inbox\r\n")
            envelope = b'{"job":"free_of_charge","id":"raw%d"}' % n
            plain.sendall(b"$%d\r\n%b\r\n" % (len(envelope), envelope))
            assert plain.recv(64).startswith(b":")
    seen = wait_for_all(shared_site, [f"raw{n}" for n in range(10)])

    assert too_close_ms([info.started_ms or 0 for info in seen], 2) == []
    assert {(info.executions, info.failures, info.interrupts) for info in seen} == {(1, 0, 0)}


@pytest.mark.usefixtures("daemon")
def test_of_ten_jobs_at_two_a_second_all_run_when_throttles_are_free(shared_site: Site) -> None:
    seen = wait_for_all(shared_site, send(shared_site, "free_of_charge", 10))

    assert [info.state for info in seen] == ["kept"] * 10
    assert all(info.throttles > 0 for info in seen[2:])


@pytest.mark.usefixtures("daemon")
def test_of_ten_jobs_at_two_a_second_six_run_when_throttles_cost_attempts(shared_site: Site) -> None:
    seen = wait_for_all(shared_site, send(shared_site, "costly", 10))

    assert [info.state for info in seen] == ["kept"] * 6 + ["dead"] * 4
    assert {info.reason for info in seen[6:]} == {"throttled"}


def test_a_limit_is_used_to_the_full_while_workers_are_free(site: Site) -> None:
    site.start_daemon(*APP, "--processes", "2")
    rates = []
    for _ in range(3):  # another process on the machine may spoil one
        seen = wait_for_all(site, send(site, "fast", 1000))
        starts = sorted(info.started_ms or 0 for info in seen)
        assert too_close_ms(starts, 100) == []
        rates.append(100_000 / median(late - early for early, late in zip(starts, starts[100:], strict=False)))
        if rates[-1] >= 90:
            return
        site.server.flush()
    raise AssertionError(f"starts per second: {rates}")


def kill_workers(daemon: Daemon, stop: threading.Event, rng: random.Random) -> int:
    """Kill workers at random, now and then, until told to stop; return how many."""
    killed = 0
    while not stop.wait(rng.uniform(0.2, 0.8)):
        workers = daemon.workers()
        if workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
            killed += 1
        if killed == 12:
            break
    return killed


def test_never_more_run_at_once_than_the_limit_whoever_is_killed(site: Site) -> None:
    daemon = site.start_daemon(*APP, "--processes", "6")
    ids = send(site, "guarded", 200, 0.1)
    stop, killed = threading.Event(), []
    killer = threading.Thread(target=lambda: killed.append(kill_workers(daemon, stop, random.Random(3))))
    killer.start()
    try:
        seen = wait_for_all(site, ids, 120)
    finally:
        stop.set()
        killer.join()
    counts = [int(word) for word in (site.directory / "journal.counts").read_text().split()]

    assert killed[0] >= 5
    assert max(counts) == 3
    assert {info.state for info in seen} == {State.KEPT}
