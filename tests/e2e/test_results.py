"""Results and progress with a real daemon: who waits hears of the end, and a running job can be watched."""

from __future__ import annotations

import asyncio

import pytest

from e2e.daemon import Site
from jqjobs.errors import JobFailed
from jqjobs.jobs.records import State
from waiting import eventually

pytestmark = pytest.mark.xdist_group("results")
APP = """
import time
from pathlib import Path

from jqjobs import App, Discard, current_job

app = App()


@app.job(keep="1h")
def add(a, b):
    return a + b


@app.job
def never():
    raise Discard("no such user")


@app.job(keep="1h")
def resize(gate):
    job = current_job()
    for percent in range(41):
        job.progress(percent, "resizing")
    job.log("waiting for the gate")
    while not Path(gate).exists():
        time.sleep(0.01)
    job.progress(100, "resized")
    return "done"
"""


@pytest.fixture(scope="module")
def site(module_site: Site) -> Site:
    """A site with one daemon for all tests."""
    module_site.start_daemon("--app", module_site.write_app("said", APP))
    return module_site


def test_a_result_comes_back_to_who_waits_for_it(site: Site) -> None:
    assert site.send("add", 1, 2).result(timeout=60) == 3
    assert site.send("add", "é", "\x00").result(timeout=60) == "é\x00"

    async def add() -> object:
        try:
            return await site.send("add", 3, 4).result_async(timeout=20)
        finally:
            await site.client.close_async()

    assert asyncio.run(add()) == 7


def test_a_job_that_dies_tells_who_waits_for_it(site: Site) -> None:
    with pytest.raises(JobFailed, match="no such user") as failed:
        site.send("never").result(timeout=60)
    assert failed.value.reason == "discarded"


def test_a_running_job_can_be_watched_and_its_last_words_are_kept(site: Site) -> None:
    gate = site.gate()
    job = site.send("resize", str(gate))

    def watched() -> bool:
        info = job.info()
        assert info.state == State.ACTIVE
        assert info.progress is not None
        assert info.progress["percent"] == 40
        assert [line.text for line in info.log] == ["waiting for the gate"]
        return True

    eventually(watched, what="the job's words while it runs")
    gate.touch()
    info = site.wait_for(job, State.KEPT)
    assert (info.progress["percent"], info.progress["text"], info.result) == (100, "resized", "done")
