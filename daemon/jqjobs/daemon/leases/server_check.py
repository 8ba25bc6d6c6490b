"""What a Redis must be for the promises to hold: checked at boot, and by `jqctl doctor`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from jqjobs.store.reads.servers import THE_ONE, server_name
from jqjobs.store.sentinels import Place

OLDEST_REDIS = 7
#: Who says so in INFO, beside the version of Redis that they speak.
_STRANGERS = {"dragonfly_version": "Dragonfly", "garnet_version": "Garnet", "kvrocks_version": "Kvrocks"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something about the server. ``topic``: version, policy or aof. ``fatal``: jqjobs cannot work with it."""

    topic: str
    message: str
    hint: str = ""
    fatal: bool = False

    def in_one_line(self) -> str:
        """Return what is wrong and, where that is known, what to do."""
        return "; ".join(filter(None, (self.message, self.hint)))


def _strangers(fields: Mapping[str, str], *, is_cluster: bool) -> Iterator[str]:
    """Yield what a server is that speaks as Redis does, and cannot hold queues."""
    for field, name in _STRANGERS.items():
        if version := fields.get(field):
            yield f"this is {name} {version}, not Redis: jqjobs needs Redis {OLDEST_REDIS} or Valkey"
    if fields.get("redis_mode") == "sentinel":
        yield "this is a Sentinel, not the Redis behind it: write redis+sentinel://HOST:PORT,…/SERVICE"
    if not is_cluster and (fields.get("redis_mode") == "cluster" or fields.get("cluster_enabled") == "1"):
        yield "this is a node of a Redis Cluster: write redis+cluster://HOST:PORT,…"


def complaints_of_all(infos: Mapping[Place, Mapping[str, str]]) -> Iterator[Complaint]:
    """Yield what is wrong with servers, by the INFO of each; of nodes of a cluster by name."""
    for place, fields in infos.items():
        name = "" if place == THE_ONE else f"{server_name(place)}: "
        for found in complaints(fields, is_cluster=place != THE_ONE):
            yield replace(found, message=name + found.message)


def complaints(fields: Mapping[str, str], *, is_cluster: bool = False) -> list[Complaint]:
    """Return what is wrong with a server, by its INFO; fields it does not show are not judged.

    ``is_cluster``: it is meant as a node of one.
    """
    if stranger := next(_strangers(fields, is_cluster=is_cluster), ""):
        return [Complaint("version", stranger, fatal=True)]  # what else it says of itself means nothing here
    found = []
    version = fields.get("redis_version", "")
    major = version.split(".")[0]
    if fields.get("server_name") != "valkey" and major.isdecimal() and int(major) < OLDEST_REDIS:
        too_old = f"Redis {version} is too old: jqjobs needs Redis {OLDEST_REDIS} or Valkey"
        found.append(Complaint("version", too_old, fatal=True))
    policy = fields.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(Complaint("policy", f"maxmemory-policy is {policy}: Redis may evict jobs", "set noeviction"))
    if fields.get("aof_enabled") == "0":
        is_off = "the append-only file is off: a Redis that dies loses jobs"
        found.append(Complaint("aof", is_off, "set appendonly yes"))
    return found
