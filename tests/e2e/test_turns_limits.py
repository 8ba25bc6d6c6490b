"""Limits in queues by pattern: each queue has its own, and what it holds starts as soon as it may."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from cluster_server import KINDS
from e2e import tenant_jobs
from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State
from jqjobs.store.reads.jobs import job_info
from servers import Server, start_cluster
from waiting import eventually

FLAGS = ("--app", "tenant_jobs:app", "--queues", "tenant-*", "--processes", "3", "--lease", "20")
QUEUES = ("tenant-1", "tenant-2", "tenant-3")
#: Wide: an idle machine needs a second.
SOON_S = 60.0


def start(site: Site) -> Daemon:
    daemon = site.start_daemon(*FLAGS, wait=False)
    daemon.wait_for_event("worker.ready", 3, 120)
    return daemon


SHARED = pytest.mark.xdist_group("turns_limits")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One for all tests on one server."""
    return start(module_site)


def call(site: Site, queue: str, name: str, *calls: tuple[object, ...]) -> list[str]:
    """Enqueue calls of a job as its app does, with its limits."""
    job = tenant_jobs.app.jobs[name]
    return [made.id for made in site.client.enqueue(queue, [job._new(arguments, {}) for arguments in calls])]


def running(site: Site, queue: str) -> list[str]:
    """The jobs of a queue that have begun and not ended, oldest first."""
    ended = [note.id for note in site.notes("end")]
    return [note.id for note in site.notes("start") if note.queue == queue and note.id not in ended]


@SHARED
@pytest.mark.usefixtures("daemon")
def test_a_concurrency_holds_in_each_queue_for_itself(shared_site: Site) -> None:
    gate = str(shared_site.gate())
    sent = {queue: call(shared_site, queue, "alone", *[(gate,)] * 3) for queue in QUEUES}
    eventually(lambda: all(running(shared_site, queue) for queue in QUEUES), SOON_S, "one of each queue runs")
    assert [len(running(shared_site, queue)) for queue in QUEUES] == [1, 1, 1]
    shared_site.gate().touch()
    eventually(lambda: len(shared_site.notes("end")) == 9, SOON_S, "what was held has run")
    for queue, ids in sent.items():
        notes = [note for note in shared_site.notes() if note.queue == queue]
        assert [note.id for note in notes] == [job_id for job_id in ids for _ in ("start", "end")], queue


@SHARED
@pytest.mark.usefixtures("daemon")
def test_a_key_has_a_limit_of_its_own_there_too(shared_site: Site) -> None:
    gate = str(shared_site.gate())
    first, _, other = call(shared_site, "tenant-1", "alone_by_user", (gate, 1), (gate, 1), (gate, 2))
    [elsewhere] = call(shared_site, "tenant-2", "alone_by_user", (gate, 1))
    eventually(lambda: len(shared_site.notes("start")) >= 3, SOON_S, "all three workers have one")
    assert {note.id for note in shared_site.notes("start")} == {first, other, elsewhere}
    shared_site.gate().touch()
    eventually(lambda: len(shared_site.notes("end")) == 4, SOON_S, "the held one has run")


@SHARED
def test_the_place_of_a_killed_worker_is_free_for_what_is_held(shared_site: Site, daemon: Daemon) -> None:
    gate = str(shared_site.gate())
    sent = shared_site.send_many([("alone", gate)] * 2, queue="tenant-1")  # as envelopes come, without limits
    eventually(lambda: running(shared_site, "tenant-1"), SOON_S, "one runs")
    [note] = shared_site.notes("start")
    assert note.pid in daemon.workers()
    os.kill(note.pid, signal.SIGKILL)
    [other] = [job for job in sent if job.id != note.id]
    shared_site.wait_for_start(other, timeout_s=SOON_S)
    shared_site.gate().touch()
    for job in sent:
        shared_site.wait_for(job, State.KEPT, SOON_S)


@pytest.fixture(params=["one server", *KINDS])
def any_site(
    request: pytest.FixtureRequest, any_server: Server, site_on: Callable[[Server], Site]
) -> Iterator[Site]:  # fmt: skip
    if request.param == "one server":
        yield site_on(any_server)
        return
    cluster = start_cluster(request.param)
    yield site_on(cluster)
    cluster.stop()


@pytest.mark.xdist_group("cluster")
def test_what_a_rate_holds_starts_when_its_slot_comes_though_nobody_enqueues(any_site: Site) -> None:
    start(any_site)
    sent = {queue: call(any_site, queue, "paced", (), (), ()) for queue in QUEUES[:2]}
    eventually(lambda: len(any_site.notes("start")) == 6, SOON_S, "all of them have started")
    for queue, ids in sent.items():
        infos = [any_site.client.run(job_info(queue, job_id)) for job_id in ids]
        starts = [info.started_ms or 0 for info in infos if info]  # when Redis handed it out
        assert [late - early >= 3000 for early, late in pairwise(starts)] == [True, True], starts
