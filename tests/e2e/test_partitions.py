"""A queue gets partitions, and others, while its jobs are enqueued and run: each runs once, and none is left."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from waiting import eventually


def test_jobs_run_once_while_the_number_of_partitions_changes(site: Site) -> None:
    daemon = start(site)
    jobs = site.send_many([("quick",)] * 20)
    for count in ("3", "2"):
        code, told = site.jqctl("queue", "repartition", "default", count)
        assert (code, len(told["partitions"])) == (0, int(count))
        jobs += site.send_many([("quick",)] * 20)
        with site.client.store() as store:
            for number in range(20):
                envelope = json.dumps({"job": "quick", "id": f"raw-{count}-{number}"})
                store.wire.call("LPUSH", store.address.key("{default}:inbox"), envelope)
    eventually(lambda: len(site.notes("start")) == 100, 120, "all ran")

    ids = [note.id for note in site.notes("start")]
    assert len(set(ids)) == 100
    assert {note.queue for note in site.notes("start")} == {"default"}
    assert daemon.events("worker.recycle")[0]["reason"] == "partitions"
    for job in jobs:
        site.wait_for(job, State.KEPT)
    code, status = site.jqctl("status")
    [queue] = status["queues"]
    assert (queue["name"], queue["ready"], queue["active"], queue["dead"]) == ("default", 0, 0, 0)
    code, shown = site.jqctl("job", "show", f"default/{jobs[-1].id}")
    assert (code, shown["job"]["queue"]) == (0, "default")
    assert shown["job"]["partition"].startswith("default~")


def start(site: Site, *flags: str) -> Daemon:
    """Start a daemon, which takes long where the processor is busy."""
    daemon = site.start_daemon(*flags, wait=False)
    daemon.wait_for_event("worker.ready", 1, 120)
    return daemon


def split(site: Site, count: int, queue: str = "default") -> None:
    code, told = site.jqctl("queue", "repartition", queue, str(count))
    assert (code, len(told["partitions"])) == (0, count)


@pytest.mark.parametrize("queues", ["default,low", "default:3,low:1", "de*"])
def test_a_worker_and_then_the_daemon_are_killed_and_every_job_of_all_partitions_runs(site: Site, queues: str) -> None:
    flags = ("--queues", queues, "--processes", "2", "--lease", "20")
    split(site, 3)
    jobs = site.send_many([("nap", 0.02)] * 150)
    daemon = start(site, *flags)
    eventually(lambda: len(site.notes("end")) > 20, 120, "work is under way")
    os.kill(daemon.workers()[0], signal.SIGKILL)
    split(site, 2)
    jobs += site.send_many([("nap", 0.02)] * 50)
    eventually(lambda: len(site.notes("end")) > 60, 120, "it goes on")
    daemon.kill()
    start(site, *flags)
    for job in jobs:
        site.wait_for(job, State.KEPT, 120)
    ends = Counter(note.id for note in site.notes("end"))
    assert set(ends) == {job.id for job in jobs}
    assert sum(ends.values()) - len(ends) <= 2 + 2, (
        "a job runs again only where a kill came between its end and the word"
    )


def by_id(site: Site, job: JobHandle) -> JobHandle:
    """A handle of somebody who knows no more than queue and id."""
    return JobHandle(job.id, job.queue, False, site.client)


def test_who_waits_for_a_result_and_who_answers_find_jobs_of_before_after_a_reload_too(site: Site) -> None:
    split(site, 3)
    daemon = start(site)
    waiting = site.send("hand_over", 0)
    site.wait_for(waiting, State.WAITING, 60)
    held = site.send("hold", "gate")
    site.wait_for_start(held, timeout_s=60)
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(by_id(site, held).result, 300)
        split(site, 2)
        daemon.wait_for_event("worker.replaced", 1, 120)
        daemon.send(signal.SIGHUP)
        daemon.wait_for_event("worker.replaced", 2, 120)
        site.gate().touch()
        assert isinstance(result.result(60), int)
    token = (site.directory / f"token-{waiting.id}-1").read_text()
    assert by_id(site, waiting).resolve(token, result="there") == "resolved"
    assert site.wait_for(by_id(site, waiting), State.KEPT, 60).result == "there"
    assert site.wait_for(site.send("quick"), State.KEPT, 60).partition in ("default~3", "default~4")
