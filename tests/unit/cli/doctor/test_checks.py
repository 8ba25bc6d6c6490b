"""Each check of the doctor is broken once, by facts alone, and its advice is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jqjobs.cli.doctor.checkup import CHECKS, REACHED
from jqjobs.cli.doctor.report import as_json, as_text
from jqjobs.cli.tables import lay_out
from jqjobs.operations.doctor.checks import examine
from jqjobs.operations.doctor.facts import Facts, QueueFacts, ServerFacts
from jqjobs.operations.doctor.findings import Finding, Level
from jqjobs.store.calls.schedules import Planned
from jqjobs.store.reads.cluster_nodes import ClusterNode, ClusterNodes
from jqjobs.store.reads.error_groups import ErrorGroup
from jqjobs.store.reads.hosts import HostInfo
from jqjobs.store.reads.limits import HeldLimit
from jqjobs.store.reads.memory import RedisMemory
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import DaemonInfo, Registry, ReloadInfo, WorkerInfo
from jqjobs.store.reads.relays import RelayInfo
from jqjobs.version import __version__

NOW_MS = 1_700_000_000_000
INFO = {"redis_version": "7.2.4", "aof_enabled": "1", "maxmemory_policy": "noeviction", "role": "master",
        "maxclients": "10000", "connected_clients": "30"}  # fmt: skip
SERVER = ServerFacts("redis://h:6379/0", INFO, RedisMemory(10**9, 4 * 10**9, True, 10.0), 0.3, 0.0, 1, False)
STATUS = QueueStatus(
    name="emails", inbox=0, ready=0, scheduled=0, active=0, held=0, suspects=0, waiting=0, parked=0, kept=0, dead=0,
    rejected=0, workers=1, paused_ms=None, oldest_ready_s=None, done=0, failed=0, done_per_minute=0.0,
    failed_per_minute=0.0, trimmed=0, now_ms=NOW_MS,
)  # fmt: skip
QUEUE = QueueFacts(STATUS)
HOST = HostInfo("", 8 << 30, "host", "/dev/shm/jqjobs-0/1", 4 << 30, 4 << 30, True)
WORKER = WorkerInfo("h:8:a", 8, "ready", (), 100 << 20, 3700.0, "r1")
DAEMON = DaemonInfo(
    id="d1", name="web", host="h", pid=7, state="running", version=__version__, queues=("emails",), workers=(WORKER,),
    slots=1, note="", age_s=90.0, seen_s=1.0, app="shop:app", host_facts=HOST,
)  # fmt: skip
WELL = Facts(SERVER, Registry(NOW_MS, (DAEMON,)), (QUEUE,))
PLANNED = Planned("nightly", {"job": "n"}, None, None, "", None, offered=True)
GROUP = ErrorGroup("f", "emails", "n", "ValueError: boom", 7, 1, 2, "a")
STOP = "supervisord kills jqd 10 s after TERM, but a drain may take 30 s: set stopwaitsecs=30, or a shorter --grace"


def redis(**change: Any) -> Facts:
    return WELL._replace(server=SERVER._replace(**change))


def info(**change: str) -> Facts:
    return redis(info=INFO | change)


def memory(used: float, most: float, growth_per_s: float | None, *, is_limited: bool = True) -> Facts:
    return redis(memory=RedisMemory(int(used), int(most), is_limited, growth_per_s))


def queue(facts: Mapping[str, Any] | None = None, **status: Any) -> Facts:
    return WELL._replace(queues=(QUEUE._replace(status=STATUS._replace(**status), **(facts or {})),))


def daemons(*found: DaemonInfo) -> Facts:
    return WELL._replace(registry=Registry(NOW_MS, found))


def daemon(**change: Any) -> Facts:
    return daemons(DAEMON._replace(**change))


def host(**change: Any) -> Facts:
    return daemon(host_facts=HOST._replace(**change))


#: Id of a check, facts that break it, how bad that is, what is said of whom, and what to do.
BROKEN = [
    ("server.version", info(redis_version="6.2.14"), "error", "Redis 6.2.14 is too old", ""),
    ("server.policy", info(maxmemory_policy="allkeys-lru"), "error", "may evict jobs", "set noeviction"),
    ("server.aof", info(aof_enabled="0"), "warning", "append-only file is off", "appendonly yes"),
    ("server.aof", info(aof_last_write_status="err"), "error", "last write to the append-only file", "its disk"),
    ("server.replicas", info(role="slave", master_host="p", master_port="1"), "error", "replica of p:1", "the primary"),
    ("server.replicas", info(connected_slaves="1", slave0="ip=r,port=2,state=wait_bgsave,lag=0"), "warning",
     "the replica r:2 is wait_bgsave", "a failover loses jobs"),
    ("server.memory", memory(3e9, 4e9, 500_000), "error",
     "full in 33m20s at the growth of the last hour", "--max-dead"),
    ("server.memory", memory(3e9, 4e9, 50_000), "warning", "full in 5h33m at", "raise maxmemory"),
    ("server.memory", memory(3.8e9, 4e9, None), "error", "nearly full: 3.8 GB of 4.0 GB used", "raise maxmemory"),
    ("server.memory", memory(1e9, 4e9, 0.0, is_limited=False), "warning", "no maxmemory", "set maxmemory"),
    ("server.evictions", info(evicted_keys="3"), "error", "evicted 3 keys", "noeviction"),
    ("server.latency", redis(round_trip_ms=80.0), "warning", "80.00 ms", "SLOWLOG"),
    ("server.clock", redis(ahead_s=-90.0), "warning", "1m30s behind ours", "NTP"),
    ("server.clients", info(connected_clients="9995"), "error", "9995 of 10000", "maxclients"),
    ("server.clients", info(connected_clients="9500"), "warning", "9500 of 10000", "maxclients"),
    ("server.clients", info(rejected_connections="2"), "warning", "refused 2", "maxclients"),
    ("queues.countable", WELL._replace(broken={"bad": "WRONGTYPE"}), "error",
     "queue bad: it cannot", "wrote to its keys"),
    ("queues.served", queue(name="emals", ready=3), "error",
     "queue emals: 3 jobs in it, and no daemon takes jobs of this queue, but of 'emails'", "jqd --queues emals"),
    ("queues.paused", queue(paused_ms=NOW_MS - 185_000), "warning", "paused for 3m05s", "jqctl queue resume emails"),
    ("queues.parked", queue({"parked": {"send_wlcome": 2}, "offered": ["send_welcome"]}, parked=2), "error",
     "names no live worker offers: send_wlcome (2)", "send_wlcome may be meant to be send_welcome; deploy"),
    ("queues.parked", queue(parked=1, misfits=1), "error", "1 job parked, whose arguments fit no", "cancel them"),
    ("queues.rejected", queue({"rejected": {"unknown_key": 2}}, rejected=2), "warning",
     "2 envelopes refused: unknown_key (2)", "jqctl job list --queue emails --state rejected"),
    ("queues.oldest", queue(oldest_ready_s=600.0, ready=1), "warning", "has waited for 10m00s", "jqctl daemon scale"),
    ("queues.dead", queue({"died_in_last_hour": 4, "top_error": GROUP}, dead=9), "warning",
     "4 jobs died in the last hour, 9 are dead, 7 of them of ValueError: boom", "jqctl errors --queue emails"),
    ("queues.limits", queue({"limits": [HeldLimit("mail", 5, 0, True, 0)]}), "error",
     "the limit mail holds 5 jobs back and lets none through", "a number above 0"),
    ("queues.limits", queue({"limits": [HeldLimit("mail", 5, 2, False, 0)]}), "error",
     "nothing will look", "report it"),
    ("queues.places", queue({"limits": [HeldLimit("db", 5, 2, True, 1)]}), "warning",
     "1 place of the limit db", "frees"),
    ("queues.schedules", queue({"schedules": [PLANNED._replace(offered=False)]}), "warning",
     "schedule emails/nightly: no live worker has it", "the daemon of its app"),
    ("queues.schedules", queue({"schedules": [PLANNED._replace(apps=("a", "b"))]}), "error",
     "2 apps: a, b", "JQ_PREFIX"),
    ("queues.schedules", queue({"schedules": [PLANNED._replace(entry=None)]}), "error",
     "is damaged", "restart a worker"),
    ("daemons.able", daemons(), "error", "none is running", "jqd --app"),
    ("daemons.able", daemon(state="quiet"), "error", "it takes no jobs: it is quiet", "log"),
    ("daemons.able", daemons(DAEMON, DAEMON._replace(id="d2", seen_s=60.0)), "warning",
     "last heard of 1m00s ago", "log"),
    ("daemons.versions", daemon(version="0.0.9"), "warning",
     f"versions 0.0.9, {__version__}", "one version everywhere"),
    ("daemons.apps", daemons(DAEMON, DAEMON._replace(id="d2", app="crm:app")), "warning",
     "queue emails: its daemons serve different apps: crm:app, shop:app", "queues of its own"),
    ("daemons.apps", daemon(workers=(WORKER, WORKER._replace(id="b", release="r2"))), "warning",
     "releases r1, r2", "reload"),
    ("daemons.restarts", daemon(deaths=3), "warning", "3 workers died in the last hour", "worker.died"),
    ("daemons.reloads", daemon(reload=ReloadInfo(1, "refused", "ImportError: x")), "error",
     "refused: ImportError: x", "jqctl daemon reload"),
    ("daemons.outbox", daemon(outbox=RelayInfo("dead")), "error", "relay of the outbox is not running", "outbox.died"),
    ("daemons.outbox", daemon(outbox=RelayInfo("waiting_database", "OperationalError: no route")), "error",
     "waits for the database: OperationalError: no route", "by itself"),
    ("daemons.outbox", daemon(outbox=RelayInfo("running", rows=9, oldest_s=700000.0, old=1)), "error",
     "1 row of the outbox is older than a week", "jqctl outbox run --force"),
    ("daemons.outbox", daemon(outbox=RelayInfo("running", rows=9, oldest_s=100.0)), "error",
     "9 rows of the outbox wait, the oldest for 1m40s", "a queue may be full"),
    ("daemons.leases", queue({"late_leases": {"h:8:a": 15.0}}), "warning",
     "worker h:8:a: its lease should have been renewed 15s ago", "frozen"),
    ("daemons.redis", daemons()._replace(workers_elsewhere=2), "error",
     "no daemon, but 2 workers with another Redis", "the same JQ_REDIS_URL"),
    ("host.stop", host(stop=STOP), "warning",
     "kills jqd 10 s after TERM", "stopwaitsecs=30"),
    ("host.memory", daemon(slots=200), "warning",
     "host h: 200 workers of up to 105 MB may need 21.0 GB, and host has 8.6 GB", "--max-rss"),
    ("host.inotify", daemon(unwatched="inotify instance limit reached"), "warning",
     "limit reached", "max_user_instances"),
    ("host.boards", host(boards_free_bytes=1 << 20), "error", "1.0 MB left for the boards", "--shm-size"),
    ("host.boards", host(boards_in_memory=False), "warning", "lie on a disk", "tmpfs"),
    ("server.cluster", redis(cluster=ClusterNodes((ClusterNode("n1:1", "", 9, True),))), "error", "n1:1 is not there",
     "start it again"),
    ("host.overcommit", redis(overcommit=0), "warning", "vm.overcommit_memory is 0", "sysctl vm.overcommit_memory=1"),
    ("host.thp", redis(huge_pages=True), "warning", "transparent huge pages", "disable-thp yes"),
]  # fmt: skip


def findings(facts: Facts) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for check, finding in examine(CHECKS, facts):
        found.setdefault(check.id, []).append(finding)
    return found


@pytest.mark.parametrize(("id", "facts", "level", "said", "hint"), BROKEN)
def test_what_is_broken_is_found_and_what_to_do_is_said(
    id: str, facts: Facts, level: str, said: str, hint: str
) -> None:
    [finding] = findings(facts)[id]
    assert (finding.level, said in f"{finding.subject}: {finding.message}") == (level, True), finding
    assert hint in finding.hint


def test_every_check_has_facts_that_break_it() -> None:
    assert {broken[0] for broken in BROKEN} == {check.id for check in CHECKS}


def test_where_all_is_well_each_check_says_so_in_one_line() -> None:
    found = findings(WELL)
    assert list(found) == [check.id for check in CHECKS]
    assert {(finding.level, finding.hint) for one in found.values() for finding in one} == {(Level.OK, "")}
    assert all(len(one) == 1 and one[0].message for one in found.values())


def test_what_redis_may_not_tell_is_unknown_and_the_rest_is_found() -> None:
    refused = dict.fromkeys(("info", "memory", "schedules"), "NOPERM")
    unasked = ("server.latency", "server.clock", "server.cluster")
    facts = WELL._replace(server=SERVER._replace(info={}, memory=None), refused=refused)
    unknown = {name for name, found in findings(facts).items() if found[0].level is Level.UNKNOWN}
    assert unknown == {"queues.schedules"} | {
        check.id for check in CHECKS if check.group == "server" and check.id not in unasked
    }


def test_where_nothing_may_be_read_no_queue_and_no_daemon_is_called_well() -> None:
    refused = findings(Facts(SERVER, Registry(0, ()), refused={"registry": "NOPERM", "leases": "NOPERM"}))
    assert {found[0].level for name, found in refused.items() if name.startswith(("queues.", "daemons."))} == {
        Level.UNKNOWN
    }


def test_of_a_redis_elsewhere_the_host_is_not_known() -> None:
    found = findings(redis(overcommit=None, huge_pages=None))
    assert [found[name][0].level for name in ("host.overcommit", "host.thp")] == [Level.UNKNOWN] * 2


def test_a_queue_without_jobs_need_not_be_served_and_without_any_daemon_that_is_said_once() -> None:
    assert findings(queue(name="idle"))["queues.served"][0].level is Level.OK
    alone = queue(ready=3)._replace(registry=Registry(NOW_MS, ()))
    assert findings(alone)["queues.served"][0].level is Level.OK


def test_daemons_below_different_limits_do_not_share_one() -> None:
    apart = [DAEMON._replace(id=f"d{n}", slots=50, host_facts=HOST._replace(memory_of=f"/cg/{n}")) for n in range(3)]
    assert findings(daemons(*apart))["host.memory"][0].level is Level.OK
    together = [one._replace(host_facts=HOST) for one in apart]
    assert findings(daemons(*together))["host.memory"][0].level is Level.WARNING


def test_people_read_groups_with_the_advice_below_and_a_sum() -> None:
    found = list(examine(CHECKS, info(maxmemory_policy="allkeys-lru", aof_enabled="0")))
    lines = list(lay_out(as_text(found), 100))
    assert [line for line in lines if line.isupper()] == ["SERVER", "QUEUES", "DAEMONS", "HOST"]
    at = next(number for number, line in enumerate(lines) if "allkeys-lru" in line)
    assert (lines[at][:4], lines[at + 1]) == ("  ✘ ", "      set noeviction")
    assert lines[-1] == "1 error, 1 warning"


def test_json_has_the_fields_that_tools_rely_on() -> None:
    answer = as_json(list(examine(CHECKS, info(aof_enabled="0"))))
    assert answer["ok"] is True
    assert all(list(check) == ["id", "level", "subject", "message", "hint"] for check in answer["checks"])
    assert as_json(list(examine(CHECKS, daemons())))["ok"] is False


def test_each_check_stands_on_its_page_and_no_other() -> None:
    page = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text("utf-8")
    listed = re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)
    assert [name for name in listed if "." in name] == [REACHED.id, *(check.id for check in CHECKS)]


def test_a_queue_on_its_way_and_a_primary_without_a_replica_are_warned_of() -> None:
    cluster = ClusterNodes((ClusterNode("n1:1", "", 9, False),), ("emails",))
    moving, alone = findings(WELL._replace(server=SERVER._replace(cluster=cluster)))["server.cluster"]
    assert (moving.level, alone.level) == (Level.WARNING, Level.WARNING)
    assert "queue emails is on its way" in moving.message
    assert "n1:1 has no replica" in alone.message
