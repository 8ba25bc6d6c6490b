"""Hooks with a real daemon: told after the outcome is recorded, also of jobs that took their worker with them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from servers import Server
from waiting import eventually

pytestmark = pytest.mark.xdist_group("hooks")
APP = """
import asyncio
import json
import os
import time
from pathlib import Path

from jqjobs import App, Discard
from jqjobs.errors import JqError

app = App()


def note(event, job, *rest):
    said = [repr(item) if isinstance(item, BaseException) else item for item in rest]
    # Where the job is now, by Redis: hooks come after the outcome is recorded, cleanup before.
    state = app.handle(f"{job.queue}/{job.id}").state()
    line = {"event": event, "id": job.id, "args": list(job.args), "said": said, "state": state,
            "attempt": job.attempt}
    with open(os.environ["JQ_TEST_JOURNAL"] + ".hooks", "a") as file:
        file.write(json.dumps(line) + "\\n")


app.on_start(lambda job: note("on_start", job))
app.on_success(lambda job, result: note("on_success", job, result))
app.on_failure(lambda job, error: note("on_failure", job, error))
app.on_retry(lambda job, error, delay_s: note("on_retry", job, error, delay_s))
app.cleanup(lambda job: note("cleanup", job))
life = []


@app.on_worker_start
async def begin():
    life.append(asyncio.get_running_loop())


@app.on_worker_stop
async def end():
    with open(os.environ["JQ_TEST_JOURNAL"] + ".life", "a") as file:
        file.write(f"{len(life)} {set(life) == {asyncio.get_running_loop()}}\\n")


@app.middleware
def doubled(job, call):
    result = call()
    return 2 * result if job.name.startswith("add") else result


@app.job(keep="1h")
def add(a, b):
    return a + b


@app.job(keep="1h")
async def add_async(a, b):
    await asyncio.sleep(0)
    life.append(asyncio.get_running_loop())
    return a + b


@app.job(max_attempts=2, backoff=0.1)
def fails(text):
    raise ValueError(text)


@app.job
def dies(code):
    os._exit(code)


@app.job(on_success=lambda job, result: 1 / 0)
def badly_hooked():
    return 1


@app.job(keep="1h")
def puts_off(path):
    app.later(Path(path).touch)
    return Path(path).exists()


@app.job(keep="1h")
def enqueues():
    return add.enqueue(1, 2).ref


@app.job(keep="1h")
def waits(gate):
    while not Path(gate).exists():
        time.sleep(0.01)
    return 1
"""


def told(site: Site, job_id: str) -> list[tuple[Any, ...]]:
    """What hooks noted of a job: event, what it was told, the state of the job by then."""
    path = site.directory / "journal.hooks"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(line["event"], *line["said"], line["state"]) for line in lines if line["id"] == job_id]


def all_told(site: Site, job_id: str, last: str = "cleanup", count: int = 1) -> list[tuple[Any, ...]]:
    eventually(lambda: [event for event, *_ in told(site, job_id)].count(last) == count, what=f"{count} x {last}")
    return told(site, job_id)


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One for all tests that neither end it nor have it log what it must not."""
    return module_site.start_daemon("--app", module_site.write_app("hooked", APP))


@pytest.fixture
def site(site: Site) -> Site:
    site.start_daemon("--app", site.write_app("hooked", APP))
    return site


@pytest.mark.parametrize("name", ["add", "add_async"])
@pytest.mark.usefixtures("daemon")
def test_a_success_is_told_with_its_result_once_it_is_recorded(shared_site: Site, name: str) -> None:
    job = shared_site.send(name, 1, 2)
    assert job.result(timeout=60) == 6
    assert all_told(shared_site, job.id, "on_success") == [
        ("on_start", "active"), ("cleanup", "active"), ("on_success", 6, "kept"),
    ]  # fmt: skip


@pytest.mark.usefixtures("daemon")
def test_a_failure_is_a_retry_until_it_is_the_last_one(shared_site: Site) -> None:
    job = shared_site.send("fails", "boom")
    lines = all_told(shared_site, job.id, "on_failure")
    assert [event for event, *_ in lines] == ["on_start", "cleanup", "on_retry", "on_start", "cleanup", "on_failure"]
    assert lines[2][1:3] == ("ValueError('boom')", 0.1)
    assert lines[5] == ("on_failure", "ValueError('boom')", "dead")


@pytest.mark.usefixtures("daemon")
def test_a_job_that_took_its_worker_with_it_is_told_by_another_worker(shared_site: Site) -> None:
    job = shared_site.send("dies", 7, max_crashes=1)
    [failure] = [line for line in all_told(shared_site, job.id, "on_failure") if line[0] == "on_failure"]
    assert "crashed" in failure[1]
    assert failure[2] == "dead"


def attempts_told(site: Site, job_id: str) -> list[tuple[str, int]]:
    """Event and attempt of what hooks noted of a job."""
    lines = map(json.loads, (site.directory / "journal.hooks").read_text().splitlines())
    return [(line["event"], line["attempt"]) for line in lines if line["id"] == job_id]


@pytest.mark.usefixtures("daemon")
def test_who_runs_a_job_again_cleans_up_after_the_attempt_that_killed_its_worker(shared_site: Site) -> None:
    job = shared_site.send("dies", 7, max_crashes=2)
    all_told(shared_site, job.id, "on_failure")
    assert attempts_told(shared_site, job.id) == [
        ("on_start", 1), ("cleanup", 1), ("on_start", 2), ("cleanup", 2), ("on_failure", 2)
    ]  # fmt: skip


def test_a_hook_that_raises_changes_nothing_and_is_logged(site: Site) -> None:
    site.tolerates_defects = True  # its traceback is in the log
    job = site.send("badly_hooked")
    site.wait_for(job, State.KEPT)
    assert [event for event, *_ in all_told(site, job.id, "on_success")] == ["on_start", "cleanup", "on_success"]
    [line] = site.daemons[0].events("hook.failed")
    assert "ZeroDivisionError" in line["exception"]


def test_hooks_of_a_job_that_ends_while_its_worker_drains_are_still_called(site: Site) -> None:
    gate = site.gate()
    job = site.send("waits", str(gate))
    eventually(lambda: told(site, job.id))
    site.daemons[0].send(signal.SIGTERM)
    site.daemons[0].wait_for_event("signal")
    gate.touch()
    assert site.daemons[0].wait() == 0
    assert [event for event, *_ in told(site, job.id)] == ["on_start", "cleanup", "on_success"]


def test_a_worker_begins_and_ends_in_the_event_loop_of_its_jobs(site: Site) -> None:
    site.send("add_async", 1, 2).result(timeout=60)
    site.daemons[0].send(signal.SIGTERM)
    assert site.daemons[0].wait() == 0
    lines = (site.directory / "journal.life").read_text().splitlines()
    assert "2 True" in lines, "the start, and the job"
    assert set(lines) <= {"1 True", "2 True"}


@pytest.mark.usefixtures("daemon")
def test_what_a_job_puts_off_is_called_after_it_by_its_worker(shared_site: Site) -> None:
    path = shared_site.directory / "late"
    assert shared_site.send("puts_off", str(path)).result(timeout=60) is False
    eventually(path.exists)


def test_jobs_that_jobs_enqueue_go_to_redis_whatever_engine_the_environment_names(
    any_server: Server, site_on: Callable[[Server], Site]
) -> None:
    site = site_on(any_server)
    site.start_daemon("--app", site.write_app("hooked", APP), JQ_ENGINE="sync")
    queue, job_id = site.send("enqueues").result(timeout=60).split("/")
    inner = JobHandle(job_id, queue, True, site.client)
    assert inner.result(timeout=60) == 6
