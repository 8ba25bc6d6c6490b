"""Damaged data under a whole daemon: healthy jobs all run, no worker dies of it, and the log says what was wrong."""

from __future__ import annotations

from e2e.daemon import Site
from jqjobs.jobs.records import State
from waiting import eventually

NUMBERS = ("timeout", "keep", "failures", "attempt", "uncleaned", "expires")


def key(part: str) -> str:
    return f"jq:{{default}}:{part}"


def test_jobs_with_damaged_fields_are_dead_by_name_and_no_worker_minds(site: Site) -> None:
    damaged = site.send_many([("quick",)] * len(NUMBERS), delay="1s")
    healthy = site.send_many([("quick",)] * 20)
    for job, field in zip(damaged, NUMBERS, strict=True):
        site.server.call("HSET", key(f"job:{job.id}"), field, "5m")
    daemon = site.start_daemon("--processes", "2")

    for job in healthy:
        site.wait_for(job, State.KEPT)
    for job, field in zip(damaged, NUMBERS, strict=True):
        found = site.wait_for(job, State.DEAD)
        assert (found.reason, found.executions) == ("damaged", 0)
        assert f"its field {field} " in (found.error or "")
    assert len(daemon.events("worker.ready")) == 2
    assert daemon.events("worker.exited") == []


def test_a_daemon_sets_a_key_of_the_wrong_type_aside_says_so_and_goes_on(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    site.wait_for(site.send("quick"), State.KEPT)
    for part in ("succeeded", "kept", "unique", "meta", "catalog", "wake", "scheduled"):
        site.server.call("SET", key(part), "x")
        set_aside, said = key(f"{part}:damaged"), f"{key(part)} was a string"
        eventually(lambda one=set_aside: site.server.call("EXISTS", one), what=f"{part} is set aside")  # type: ignore[misc]
        eventually(lambda words=said: words in daemon.log_text(), what=f"{said}, it is said")  # type: ignore[misc]
        job = eventually(lambda: site.send("quick"))
        site.wait_for(job, State.KEPT)
    assert len(daemon.events("worker.ready")) == 2
