"""What the doctor asks of Redis itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from jqjobs.base.clock import format_age
from jqjobs.base.sizes import format_size
from jqjobs.daemon.leases.server_check import complaints
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.cluster_checks import CLUSTER
from jqjobs.operations.doctor.facts import Facts
from jqjobs.operations.doctor.findings import Finding, Level, error, fine, warning
from jqjobs.store.reads.memory import RedisMemory
from jqjobs.store.reply_values import count

_REDIS = "Redis"
#: A Redis that is full within an hour is an error, within a day a warning; nearly full is always one.
_SOON_S, _NEAR_S, _NEARLY_FULL = 3600.0, 86_400.0, 0.9
#: Every job costs its worker and its producer a part of a round trip.
_SLOW_MS = 20.0
#: Clocks that differ more mislead people who compare moments of the two.
_MOST_APART_S = 2.0
#: The next deploy needs some connections; the last ten are gone in a moment.
_FEW_CLIENTS, _LAST_CLIENTS = 0.1, 10
_MAKE_ROOM = "raise maxmemory, or let less stay: jqd --max-dead, keep= of jobs; jqctl status shows where the jobs are"


def _complaints(facts: Facts, topic: str, kind: Callable[[str, str, str], Finding]) -> list[Finding]:
    found = complaints(facts.server.info, is_cluster=bool(facts.server.cluster.nodes))
    return [kind(_REDIS, each.message, each.hint) for each in found if each.topic == topic]


def _of_each(look: Callable[[Facts], Iterable[Finding]]) -> Callable[[Facts], list[Finding]]:
    """Have a check look at each node of a cluster, and name the node; that all is well with them it says once."""

    def look_at_each(facts: Facts) -> list[Finding]:
        server = facts.server
        if len(server.nodes) < 2:
            return list(look(facts))
        found = [
            finding._replace(subject=name)
            for name, info in server.nodes.items()
            for finding in look(facts._replace(server=server._replace(info=info)))
        ]
        return [finding for finding in found if finding.level is not Level.OK] or found[:1]

    return look_at_each


def _version(facts: Facts) -> list[Finding]:
    info = facts.server.info
    name = "Valkey" if info.get("server_name") == "valkey" else _REDIS
    number = info.get("valkey_version") or info.get("redis_version") or "of an unknown version"
    return _complaints(facts, "version", error) or [fine(_REDIS, f"{name} {number} at {facts.server.address}")]


def _policy(facts: Facts) -> list[Finding]:
    return _complaints(facts, "policy", error)


def _append_only_file(facts: Facts) -> Iterator[Finding]:
    yield from _complaints(facts, "aof", warning)
    info = facts.server.info
    for field, what in (("aof_last_write_status", "write to"), ("aof_last_bgrewrite_status", "rewriting of")):
        if info.get("aof_enabled") == "1" and info.get(field, "ok") != "ok":
            yield error(_REDIS, f"the last {what} the append-only file failed", "look at its log, and at its disk")


def _replicas(facts: Facts) -> Iterator[Finding]:
    info = facts.server.info
    if info.get("role") in ("slave", "replica"):
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        yield error(_REDIS, f"it is a replica of {primary}, and takes no writes", "name the primary in JQ_REDIS_URL")
    for number in range(count(info.get("connected_slaves"))):
        told = dict(pair.partition("=")[::2] for pair in info.get(f"slave{number}", "").split(","))
        if told.get("state", "online") != "online":
            who = f"the replica {told.get('ip', '?')}:{told.get('port', '?')} is {told['state']}, not online"
            yield warning(_REDIS, who, "until it is, a failover loses jobs; look at its log")


def _memory(facts: Facts) -> Iterator[Finding]:
    memory = facts.server.memory
    if memory is None:
        return
    used = f"{format_size(memory.used_bytes)} of {format_size(memory.most_bytes)} used"
    full_in_s = memory.full_in_s
    if full_in_s is not None and full_in_s < _NEAR_S:
        kind = error if full_in_s < _SOON_S else warning
        yield kind(_REDIS, f"full in {format_age(full_in_s)} at the growth of the last hour: {used}", _MAKE_ROOM)
    elif memory.most_bytes and memory.used_bytes > _NEARLY_FULL * memory.most_bytes:
        yield error(_REDIS, f"nearly full: {used}; then new jobs are refused", _MAKE_ROOM)
    elif not memory.is_limited:
        yield warning(
            _REDIS, f"{format_size(memory.used_bytes)} used, and no maxmemory: the kernel may kill a Redis that grows",
            "set maxmemory: then new jobs are refused, and nothing is lost",
        )  # fmt: skip
    else:
        yield fine(_REDIS, f"{used}, {_growth(memory)}")


def _growth(memory: RedisMemory) -> str:
    if memory.growth_per_s is None:
        return "its growth is known after ten minutes of a daemon"
    if memory.full_in_s is None:
        return "and it does not grow"
    return f"full in {format_age(memory.full_in_s)} at the growth of the last hour"


def _evictions(facts: Facts) -> Iterator[Finding]:
    if evicted := count(facts.server.info.get("evicted_keys")):
        yield error(
            _REDIS,
            f"it has evicted {evicted} keys since its start: jobs may be lost",
            "set maxmemory-policy noeviction",
        )


def _latency(facts: Facts) -> Iterator[Finding]:
    took = f"it answers in {facts.server.round_trip_ms:.2f} ms"
    if facts.server.round_trip_ms > _SLOW_MS:
        yield warning(_REDIS, took, "run this beside it; else redis-cli SLOWLOG GET and LATENCY DOCTOR tell why")
    else:
        yield fine(_REDIS, took)


def _clock(facts: Facts) -> Iterator[Finding]:
    apart_s = facts.server.ahead_s
    if abs(apart_s) > _MOST_APART_S:
        where = "ahead of" if apart_s > 0 else "behind"
        yield warning(
            _REDIS, f"its clock is {format_age(abs(apart_s))} {where} ours: due times are by its clock",
            "let NTP (timedatectl set-ntp true) set both",
        )  # fmt: skip


def _clients(facts: Facts) -> Iterator[Finding]:
    info = facts.server.info
    most, connected = count(info.get("maxclients")), count(info.get("connected_clients"))
    left = most - connected
    said = f"{connected} of {most} connections taken"
    hint = "raise maxclients, or run fewer workers: each has two connections"
    if most and left < max(_LAST_CLIENTS, _FEW_CLIENTS * most):
        yield (error if left < _LAST_CLIENTS else warning)(_REDIS, said, hint)
    elif refused := count(info.get("rejected_connections")):
        yield warning(_REDIS, f"{said}; it has refused {refused} since its start", hint)
    elif most:
        yield fine(_REDIS, said)


_INFO = ("info",)
CHECKS = (
    Check("server.version", _REDIS, "", _of_each(_version), _INFO),
    Check("server.policy", _REDIS, "it evicts nothing", _of_each(_policy), _INFO),
    Check("server.aof", _REDIS, "the append-only file is on", _of_each(_append_only_file), _INFO),
    Check("server.replicas", _REDIS, "it is a primary, and its replicas are online", _of_each(_replicas), _INFO),
    CLUSTER,
    Check("server.memory", _REDIS, "", _memory, ("info", "memory")),
    Check("server.evictions", _REDIS, "it has evicted nothing since its start", _of_each(_evictions), _INFO),
    Check("server.latency", _REDIS, "", _latency),
    Check("server.clock", _REDIS, "its clock is ours", _clock),
    Check("server.clients", _REDIS, "it has connections left", _of_each(_clients), _INFO),
)
