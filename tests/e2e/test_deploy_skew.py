"""A deploy that changes what jobs take: producers are new and workers old, then both, then new ones only."""

from __future__ import annotations

import signal
from typing import Any

from e2e.daemon import Site
from jqjobs import App, JobHandle
from jqjobs.jobs.records import State
from waiting import eventually

BEFORE = """\
import enum
from jqjobs import App

app = App()
Colour = enum.Enum("Colour", {"RED": "red"})

@app.job(keep="1h")
def added(a: int) -> list:
    return [a]

@app.job(keep="1h")
def renamed(a: int, b: int) -> list:
    return [a, b]

@app.job(keep="1h")
def converted(a: int) -> list:
    return [a]

@app.job(keep="1h")
def painted(colour: Colour) -> str:
    return colour.value

@app.job(keep="1h")
def awaited(a: int) -> int:
    return a
"""
AFTER = (
    BEFORE.replace("added(a: int) -> list:\n    return [a]", "added(a: int, b: int = 2) -> list:\n    return [a, b]")
    .replace("a: int, b: int) -> list:\n    return [a, b]", "a: int, c: int) -> list:\n    return [a, c]")
    .replace("def converted(a: int)", "def converted(a: str)")
    .replace('{"RED": "red"}', '{"RED": "red", "BLUE": "blue"}')
    .replace("def awaited", "async def awaited")
)
#: What is called in which way, and what it returns.
CALLS: list[tuple[str, dict[str, Any], Any]] = [
    ("added", {"a": 1, "b": 3}, [1, 3]), ("renamed", {"a": 1, "c": 3}, [1, 3]), ("converted", {"a": "x"}, ["x"]),
    ("painted", {"colour": "blue"}, "blue"),
]  # fmt: skip


def producer(site: Site) -> App:
    """An application with the new code."""
    found: dict[str, Any] = {}
    exec(AFTER, found)
    app: App = found["app"]
    app.use(site.client)
    return app


def test_a_rolling_deploy_kills_no_job_whose_arguments_have_changed(site: Site) -> None:
    old = site.start_daemon("--app", site.write_app("before", BEFORE))
    new_code = producer(site)
    jobs = [new_code.jobs[name].enqueue(**kwargs) for name, kwargs, _ in CALLS]
    infos = [site.wait_for(job, State.PARKED) for job in jobs]
    assert "added(a: int) -> list: got an unexpected keyword argument 'b'" in (infos[0].error or "")
    assert "argument 'colour': Invalid enum value 'blue'" in (infos[3].error or "")
    assert (site.status().parked, site.status().misfits) == (4, 4)
    assert site.wait_for(new_code.jobs["awaited"].enqueue(7), State.KEPT).result == 7

    site.start_daemon("--app", site.write_app("after", AFTER))
    jobs += [new_code.jobs[name].enqueue(**kwargs) for name, kwargs, _ in CALLS]
    eventually(lambda: any(job.state() is State.KEPT for job in jobs), what="new code takes what was parked")
    old.send(signal.SIGTERM)
    assert old.wait() == 0
    results = [site.wait_for(job, State.KEPT, 60) for job in jobs]
    assert [info.result for info in results] == [result for _, _, result in CALLS] * 2
    assert {(info.failures, info.executions) for info in results} == {(0, 1)}


def test_a_typo_from_another_language_is_seen_at_once(site: Site) -> None:
    site.start_daemon("--app", site.write_app("before", BEFORE))
    with site.client.store() as store:
        store.wire.call("LPUSH", "jq:{default}:inbox", '{"job":"added","id":"typo","kwargs":{"aa":1}}')
    typo = JobHandle("typo", "default", False, site.client)
    eventually(lambda: site.status().dead == 1, what="the typo is dead")
    assert typo.info().reason == "discarded"


def test_what_no_worker_takes_in_time_is_dead(site: Site) -> None:
    site.start_daemon("--app", site.write_app("before", BEFORE), "--park", "1s")
    job = producer(site).jobs["added"].enqueue(1, b=3)
    info = site.wait_for(job, State.DEAD)
    assert (info.reason, info.failures) == ("discarded", 0)
    assert "no worker took it while it was parked" in (info.error or "")
