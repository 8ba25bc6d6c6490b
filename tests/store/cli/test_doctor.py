"""`jqctl doctor` against real servers: each fault is really made, and its advice read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import daemons, moves, upkeep
from jqjobs.store.calls.memory import sample_memory
from jqjobs.store.calls.schedules import plan
from jqjobs.version import __version__
from servers import Server, start
from store.cli.terminal import Terminal
from store.queue_system import LEASE_MS, QueueSystem

MINUTE_MS = 60_000


@pytest.fixture(autouse=True)
def _own_boards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other daemons of this host are none of ours."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A Redis that may be reconfigured."""
    server = start("valkey", "--appendonly", "yes")
    yield server
    server.stop()


def look(terminal: Terminal) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    answer = terminal.json("doctor")
    assert answer["ok"] == all(check["level"] != "error" for check in answer["checks"])
    assert terminal.code == (Exit.OK if answer["ok"] else Exit.ERROR)
    for check in answer["checks"]:
        found.setdefault(check["id"], []).append(check)
    return found


def only(terminal: Terminal, check: str) -> tuple[str, str, str]:
    """The one finding of a check: its level, whom and what, and what to do."""
    [found] = look(terminal)[check]
    return found["level"], f"{found['subject']}: {found['message']}", found["hint"]


def serve(system: QueueSystem, *queues: str, **more: Any) -> None:
    about = {"name": "web", "host": "h", "state": "running", "queues": " ".join(queues), "pid": 7, "workers": "w",
             "version": __version__, "lease_ms": LEASE_MS, "slots": 1, **more}  # fmt: skip
    system.run(daemons.register("d1", 60_000, about, {"w": {"state": "ready", "pid": 8}}))


def test_a_sound_system_has_nothing_that_does_harm_now(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.join("w")
    serve(system, "q")
    found = look(terminal)
    assert [check for checks in found.values() for check in checks if check["level"] == "error"] == []
    assert {name for name, [check, *_] in found.items() if check["level"] != "ok"} <= {
        "server.aof", "server.memory", "host.overcommit", "host.thp"
    }  # fmt: skip
    assert terminal.run("doctor") == 0
    assert "✔ each that has jobs is served" in terminal.out


def test_nobody_runs_and_nothing_is_there(terminal: Terminal) -> None:
    assert only(terminal, "daemons.able") == (
        "error", "daemons: none is running, so no job is executed", "start one: jqd --app yourpackage.jobs:app"
    )  # fmt: skip


def test_what_redis_is_set_to(own_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(own_server.url, capsys)
    assert [only(terminal, f"server.{word}")[0] for word in ("policy", "aof", "replicas", "evictions")] == ["ok"] * 4
    for name, value in (("maxmemory-policy", "allkeys-lru"), ("appendonly", "no"), ("maxmemory", "500kb")):
        own_server.call("CONFIG", "SET", name, value)
    found = {name: checks[0] for name, checks in look(terminal).items()}
    assert (found["server.policy"]["level"], found["server.policy"]["hint"]) == ("error", "set noeviction")
    assert (found["server.aof"]["level"], found["server.aof"]["hint"]) == ("warning", "set appendonly yes")
    assert "nearly full" in found["server.memory"]["message"]


def test_a_replica_takes_no_writes(own_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    own_server.call("REPLICAOF", "127.0.0.1", "1")
    level, said, hint = only(Terminal(own_server.url, capsys), "server.replicas")
    assert (level, said) == ("error", "Redis: it is a replica of 127.0.0.1:1, and takes no writes")
    assert hint == "name the primary in JQ_REDIS_URL"


def test_a_redis_that_is_full_soon(own_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    system = QueueSystem(own_server.url)
    own_server.call("CONFIG", "SET", "maxmemory", "100mb")
    for minute in range(30):
        system.run(sample_memory(1_000_000 * minute))
        system.clock.advance(MINUTE_MS)
    terminal = Terminal(own_server.url, capsys)
    level, said, hint = only(terminal, "server.memory")
    assert (level, "at the growth of the last hour" in said, "maxmemory" in hint) == ("warning", True, True)
    assert terminal.json("status")["memory"]["full_in_s"] == pytest.approx(6000, rel=0.1)
    assert terminal.run("status") == 0
    assert "! REDIS IS FULL IN 1h" in terminal.out
    system.store.close()


def test_a_user_who_may_not_see_info_is_told_the_rest(own_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    own_server.call("ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-info")
    terminal = Terminal(own_server.url.replace("unix://", "unix://limited:secret@"), capsys)
    found = look(terminal)
    assert (found["server.policy"][0]["level"], found["server.latency"][0]["level"]) == ("unknown", "ok")
    assert found["daemons.able"][0]["level"] == "error"
    assert "INFO" in found["server.policy"][0]["message"]


def test_where_redis_is_away_that_is_the_only_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(f"unix://{tmp_path}/none.sock", capsys)
    answer = terminal.json("doctor")
    assert terminal.code == Exit.UNREACHABLE
    [check] = answer["checks"]
    assert (answer["ok"], check["id"], check["level"], check["subject"]) == (False, "server.reached", "error", "Redis")
    assert "cannot be reached" in check["message"]
    assert "JQ_REDIS_URL" in check["hint"]


def test_a_redis_that_refuses_us_says_what_for(own_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    own_server.call("CONFIG", "SET", "requirepass", "secret")
    terminal = Terminal(own_server.url, capsys)
    answer = terminal.json("doctor")
    assert terminal.code == Exit.ERROR
    assert "wants a password" in answer["checks"][0]["hint"]


def test_queues_that_nobody_serves_or_that_are_paused(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["emals", "idle", "emails"]))
    system.add("a", queue="emals")
    system.run(upkeep.pause("emails"))
    serve(system, "emails")
    level, said, hint = only(terminal, "queues.served")
    assert (level, hint) == ("error", "start a daemon for it: jqd --queues emals")
    assert said.startswith("queue emals: 1 job in it")
    assert ", and no daemon takes jobs of this queue, but of 'emails'" in said
    assert only(terminal, "queues.paused")[::2] == ("warning", "jqctl queue resume emails")
    system.run(moves.move("emals", "emails", ["a"]))
    assert only(terminal, "queues.served")[1].startswith("queue emals: 1 job in it")  # it is on its way


def test_jobs_that_nobody_offers_and_the_name_that_was_meant(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.join("w")
    system.redis("ZADD", system.key("offers"), 10**14, "send_welcome")
    system.add("a", name="send_wlcome")
    [job] = system.take("w")
    system.settle("w", job, Kind.UNKNOWN)
    level, said, hint = only(terminal, "queues.parked")
    assert (level, said) == ("error", "queue q: 1 job parked, whose names no live worker offers: send_wlcome (1)")
    assert hint.startswith("send_wlcome may be meant to be send_welcome; deploy code that has them")


def test_what_was_refused_and_what_died(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.push("nonsense", {"job": "n", "colour": 1})
    system.ingest()
    system.add("a")
    [job] = system.take("w")
    system.settle("w", job, Kind.DISCARDED, text="boom")
    level, said, _ = only(terminal, "queues.rejected")
    assert (level, said) == ("warning", "queue q: 2 envelopes refused: bad_field (1), not_object (1)")
    assert only(terminal, "queues.dead")[1].startswith("queue q: 1 job died in the last hour, 1 are dead, 1 of them of")


def test_a_limit_that_nothing_looks_at_and_a_place_that_nobody_has(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.add_limited("a", "b", limits="c 1 0 db")
    system.take("w", 5)
    system.take("v", 5)
    assert only(terminal, "queues.limits")[0] == only(terminal, "queues.places")[0] == "ok"
    system.redis("ZREM", system.key("scheduled"), "~db")
    system.redis("HSET", system.key("job:a"), "attempt", 7)
    assert only(terminal, "queues.limits")[1] == (
        "queue q: the limit db holds 1 job back, and nothing will look at it again"
    )
    assert only(terminal, "queues.places")[1] == "queue q: 1 place of the limit db taken by no running job"


def test_a_schedule_that_is_gone_and_a_lease_that_is_late(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.run(plan("q", 1, "shop:app", {"nightly": json.dumps({"job": "n", "payload": "{}", "cron": "0 3 * * *"})}))
    system.redis("DEL", system.key("offers"))
    system.join("w")
    serve(system, "q")
    assert only(terminal, "daemons.leases")[0] == "ok"
    system.redis("ZINCRBY", system.key("leases"), -LEASE_MS * 0.8, "w")
    assert only(terminal, "queues.schedules")[:2] == (
        "warning", "schedule q/nightly: no live worker has it in its code: it does not come"
    )  # fmt: skip
    level, said, _ = only(terminal, "daemons.leases")
    assert (level, said) == ("warning", "worker w: its lease should have been renewed 14s ago")


def test_a_queue_that_somebody_wrote_into_hides_no_other(system: QueueSystem, terminal: Terminal) -> None:
    system.run(upkeep.add_queues(["bad", "good"]))
    system.redis("SET", "jq:{bad}:ready", "x")
    system.run(upkeep.pause("good"))
    found = look(terminal)
    assert found["queues.countable"][0]["subject"] == "queue bad"
    assert found["queues.paused"][0]["subject"] == "queue good"
