"""After the clock of Redis was set back nothing that expires by itself stays for longer than its kind may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jqjobs.daemon.lease_messages import Report
from jqjobs.daemon.leases.expiries import MOST_MS, most_ms
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.leases.registration import REGISTERED_MS
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.limits import Limits, RateLimit
from jqjobs.store.calls.daemons import _MESSAGE_TTL_MS
from store.lua.script_calls import LUA, rule, source
from store.queue_system import LEASE_MS, START_MS, QueueSystem

HOUR_MS = 3_600_000
FLEETING = {
    "jq:{q}:trip:gone": 24 * HOUR_MS, "jq:{q}:minute:1": 2 * HOUR_MS, "jq:{q}:stats:1": 24 * HOUR_MS,
    "jq:{q}:limit:mail/1m": 120_000, "jq:{q}:ready:damaged": 7 * 24 * HOUR_MS,
    "jq:{~}:daemon:gone": 10_000, "jq:{~}:worker:gone": 180_000,
    "jq:{~}:control:gone": 60_000, "jq:{~}:answer:nonce": 60_000,
}  # fmt: skip
LASTING = (
    "jq:{q}:limit:mail/running",
    "jq:{q}:limit:without-end/5s",
    "jq:{q}:meta",
    "jq:{q}:stats",
    "jq:{q}:job:a",
    "somebody:elses",
)


def keeper_of(system: QueueSystem, name: str, directory: Path) -> LeaseKeeper:
    settings = DaemonSettings("shop:app", system.url, lease_s=LEASE_MS / 1000)
    return LeaseKeeper(settings, name, system.store, directory, lambda event: None)


def test_what_expires_is_shortened_to_what_its_kind_may_have(
    real_system: QueueSystem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = Report({"name": "web", "state": "running"}, {})
    keeper, other = (keeper_of(real_system, name, tmp_path) for name in ("h:1:d", "h:2:d"))
    assert keeper.register(report) is other.register(report) is None
    for name, ms in FLEETING.items():  # as they are once the clock has gone back by three hours
        real_system.redis("SET", name, 1, "PX", ms + 3 * HOUR_MS)
    for name in LASTING:
        real_system.redis("SET", name, 1)
    real_system.redis("SET", "jq:{q}:trip:new", 1, "PX", 1000)
    for n in range(3000):
        real_system.redis("SET", f"jq:{{q}}:job:{n}", 1)
    real_system.clock.now_ms = START_MS - 3 * HOUR_MS

    steps = 1
    while keeper.register(report) is not None:
        steps += 1
        assert other.register(report) is None, "one of them does it"
    assert steps >= 3
    left = {name: real_system.redis("PTTL", name) for name in FLEETING}
    assert {name: ms for name, ms in left.items() if not 0 < ms <= FLEETING[name]} == {}
    assert {real_system.redis("PTTL", name) for name in LASTING} == {-1}
    assert real_system.redis("PTTL", "jq:{q}:trip:new") <= 1000
    assert [record.getMessage() for record in caplog.records] == ["redis.clock_back"]


def test_a_daemon_that_leaves_is_not_the_one_that_is_told(
    system: QueueSystem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leaving, staying = (keeper_of(system, name, tmp_path) for name in ("h:1:d", "h:2:d"))
    for keeper in (leaving, staying):
        keeper.register(Report({"name": "web"}, {}))
    system.clock.now_ms -= HOUR_MS
    leaving.deregister()
    assert not caplog.records
    staying.register(Report({"name": "web"}, {}))
    assert [record.getMessage() for record in caplog.records] == ["redis.clock_back"]


def test_a_limit_stays_as_long_as_its_window() -> None:
    text = Limits(rate=RateLimit(5, hours=2)).text("mail", {})
    assert most_ms(f"{{q}}:limit:{text.split()[3]}") == 2 * HOUR_MS + 60_000
    assert most_ms("{q}:limit:mail/running") is None


def test_the_table_knows_all_that_the_scripts_let_expire() -> None:
    scripts = {path.stem: path.read_text("utf-8") for path in LUA.rglob("*.lua")}
    setting = {name for name, text in scripts.items() if re.search(r"'P?EXPIRE'|'PX'", text)}
    assert setting == {"join", "renew", "publish", "beat", "signs_of_life", "post", "totals", "statistics", "occupy",
                       "mend", "sample_memory", "recent", "delivered", "relay", "relayed", "offer", "rosters",
                       "call_workers", "take_called"}  # fmt: skip
    # What `delivered` leaves, a forward, is a job's record: where it stays longer it harms nobody, and they are many.
    # So are the markers of the outbox, of `relay` and `relayed`: who stays longer keeps an id from coming twice.
    assert f"TRIP_TTL_MS = {MOST_MS['trip']}" in source("join")
    assert f"TRIP_TTL_MS = {MOST_MS['trip']}" in source("renew")
    assert f"CATALOG_TTL_MS = {MOST_MS['catalog']}" in source("publish")
    assert MOST_MS["catalog"] == MOST_MS["roster"]
    assert f"ROSTER_TTL_MS = {MOST_MS['roster']}" in rule("rosters")
    assert MOST_MS["served"] == MOST_MS["wakes"]
    assert f"WAKES_TTL_MS = {MOST_MS['wakes']}" in source("call_workers")
    assert f"WAKES_TTL_MS, FORGET_JOBS = {MOST_MS['wakes']}, " in source("take_called")
    assert f"'EXPIRE', minute, {MOST_MS['minute'] // 1000})" in rule("totals")
    assert f"KEPT_S = 600000, {MOST_MS['stats'] // 1000}\n" in rule("statistics")
    assert MOST_MS["daemon"] == REGISTERED_MS
    assert f"WORKER_TTL_MS = {MOST_MS['worker']}\n" in rule("signs_of_life")
    assert f"ENDS_KEPT_S = 100, {MOST_MS['recent'] // 1000}\n" in rule("recent")
    assert f"KEPT, KEPT_MS = 60, {MOST_MS['memory']}\n" in source("sample_memory")
    assert {MOST_MS["control"], MOST_MS["answer"]} == {_MESSAGE_TTL_MS}
