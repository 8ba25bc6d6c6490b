"""Who is there is told from what daemons say; nonsense in their entries is no error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jqjobs.store.calls import daemons
from jqjobs.store.reads.registry import DaemonInfo, Registry, RunningJob, WorkerInfo, read_registry
from store.queue_system import QueueSystem


@pytest.fixture(autouse=True)
def _time_of_redis(system: QueueSystem) -> None:
    # The registry is read by the clock of Redis.
    system.store._now_ms = None


def now_ms(system: QueueSystem) -> int:
    return read_registry(system.store).now_ms


def register(
    system: QueueSystem, daemon: str, about: dict[str, Any], workers: dict[str, dict[str, Any]] | None = None
) -> None:
    system.run(daemons.register(daemon, 60_000, about, workers or {}))


def only(found: Registry) -> DaemonInfo:
    [daemon] = found.daemons
    return daemon


def test_nobody_is_there(system: QueueSystem) -> None:
    found = read_registry(system.store)
    assert found.daemons == ()
    assert found.now_ms > 1_700_000_000_000
    assert not found.serves("q")


def test_a_daemon_and_its_workers_are_told_as_they_said(system: QueueSystem) -> None:
    job = {"id": "a", "name": "send", "queue": "emails", "attempt": 2, "running_ms": 1500}
    start_ms = now_ms(system) - 5000
    register(
        system, "d1",
        {"name": "web", "host": "h", "pid": 7, "state": "running", "version": "0.1.0", "queues": "emails files",
         "started_ms": start_ms, "note": "", "workers": "h:8:aa h:9:bb", "slots": 2, "lease_ms": 30000},
        {"h:8:aa": {"daemon": "d1", "pid": 8, "state": "busy", "rss_bytes": 1000, "started_ms": start_ms,
                    "jobs": json.dumps([job])},
         "h:9:bb": {"daemon": "d1", "pid": 9, "state": "ready", "rss_bytes": 2000, "started_ms": start_ms,
                    "jobs": "[]"}},
    )  # fmt: skip
    found = read_registry(system.store)
    daemon = only(found)
    assert (daemon.id, daemon.name, daemon.host, daemon.pid, daemon.state) == ("d1", "web", "h", 7, "running")
    assert (daemon.version, daemon.queues, daemon.slots, daemon.note) == ("0.1.0", ("emails", "files"), 2, "")
    busy, ready = daemon.workers
    assert (busy.id, busy.pid, busy.state, busy.rss_bytes) == ("h:8:aa", 8, "busy", 1000)
    assert (ready.id, ready.jobs) == ("h:9:bb", ())
    [running] = busy.jobs
    assert running._replace(running_s=0) == RunningJob("a", "send", "emails", 2, 0)
    assert 1.5 <= running.running_s < 30
    assert daemon.age_s is not None
    assert busy.age_s is not None
    assert 5 <= daemon.age_s < 30
    assert 5 <= busy.age_s < 30
    assert daemon.seen_s < 30
    assert found.serves("files")
    assert not found.serves("file")


def test_a_job_has_gone_on_since_the_last_registration(system: QueueSystem) -> None:
    register(system, "d", {"workers": "w"}, {"w": {"jobs": '[{"id":"a","running_ms":100}]'}})
    system.redis("ZADD", "jq:{~}:daemons", now_ms(system) - 60_000, "d")
    daemon = only(read_registry(system.store))
    assert daemon.seen_s >= 60
    assert daemon.workers[0].jobs[0].running_s >= 60.1


def test_a_daemon_whose_entry_expired_is_gone(system: QueueSystem) -> None:
    register(system, "d", {"name": "x"})
    system.redis("ZADD", "jq:{~}:daemons", now_ms(system), "ghost")
    assert only(read_registry(system.store)).id == "d"
    system.run(daemons.register("d", 0, {}, {}))
    assert read_registry(system.store).daemons == ()


def test_a_worker_whose_entry_expired_is_left_out(system: QueueSystem) -> None:
    register(system, "d", {"workers": "gone h:1:a"}, {"h:1:a": {"pid": 1}})
    assert [worker.id for worker in only(read_registry(system.store)).workers] == ["h:1:a"]


def test_daemons_come_by_name(system: QueueSystem) -> None:
    for daemon, name in (("d3", "b"), ("d1", "c"), ("d2", "a")):
        register(system, daemon, {"name": name})
    assert [daemon.name for daemon in read_registry(system.store).daemons] == ["a", "b", "c"]


def test_nonsense_is_told_as_nothing(system: QueueSystem) -> None:
    register(
        system, "d",
        {"pid": "\x1b", "started_ms": "nan", "slots": "1e999", "name": b"\xff", "workers": "w v u t", "x": "y"},
        {"w": {"jobs": '[7,{"id":[],"running_ms":"z","attempt":-1},null]', "rss_bytes": "-", "pid": "1.5"},
         "v": {"jobs": "{"}, "u": {"jobs": '{"a":1}'}, "t": {"jobs": "[" * 2000}},
    )  # fmt: skip
    daemon = only(read_registry(system.store))
    assert (daemon.pid, daemon.age_s, daemon.slots, daemon.name) == (None, None, None, r"\xff")
    assert (daemon.host, daemon.state, daemon.queues, daemon.note) == ("", "", (), "")
    assert [worker.jobs for worker in daemon.workers[1:]] == [(), (), ()]
    [job] = daemon.workers[0].jobs
    assert job._replace(running_s=0) == RunningJob("", "", "", 0, 0)
    assert daemon.workers[0]._replace(jobs=()) == WorkerInfo("w", 1, "", (), None, None)


def test_a_daemon_or_worker_key_of_another_type_counts_as_absent(system: QueueSystem) -> None:
    register(system, "d", {"workers": "w"}, {"w": {"pid": 1}})
    system.redis("ZADD", "jq:{~}:daemons", now_ms(system), "odd", "+inf", "late")
    system.redis("SET", "jq:{~}:daemon:odd", "x")
    system.redis("DEL", "jq:{~}:worker:w")
    system.redis("SET", "jq:{~}:worker:w", "x")
    assert only(read_registry(system.store)).workers == ()
