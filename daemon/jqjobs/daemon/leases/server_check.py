"""What a Redis must be for the promises to hold, checked once at boot. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jqjobs.store.reads.server_info import info_fields

OLDEST_REDIS = 7
#: Who says so in INFO, beside the version of Redis that they speak.
_STRANGERS = {"dragonfly_version": "Dragonfly", "garnet_version": "Garnet", "kvrocks_version": "Kvrocks"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something about the server. ``fatal``: jqjobs cannot work with it."""

    message: str
    fatal: bool = False


def maxmemory_bytes(info: str) -> int:
    """Return how much a server may use, by its INFO text; 0: as much as there is, or it does not say."""
    said = info_fields(info).get("maxmemory", "")
    return int(said) if said.isdecimal() else 0


def _strangers(fields: dict[str, str]) -> Iterator[str]:
    """Yield what a server is that speaks as Redis does, and cannot hold queues."""
    for field, name in _STRANGERS.items():
        if version := fields.get(field):
            yield f"this is {name} {version}, not Redis: jqjobs needs Redis {OLDEST_REDIS} or Valkey"
    if fields.get("redis_mode") == "cluster" or fields.get("cluster_enabled") == "1":
        yield "this is a node of a Redis Cluster, which cannot hold queues yet: name one server by itself"


def complaints(info: str) -> list[Complaint]:
    """Return what is wrong with a server, by its INFO text; fields it does not show are not judged."""
    fields = info_fields(info)
    found = [Complaint(message, fatal=True) for message in _strangers(fields)]
    version = fields.get("redis_version", "")
    major = version.split(".")[0]
    if fields.get("server_name") != "valkey" and major.isdecimal() and int(major) < OLDEST_REDIS:
        found.append(Complaint(f"Redis {version} is too old: jqjobs needs Redis {OLDEST_REDIS} or Valkey", fatal=True))
    policy = fields.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(Complaint(f"maxmemory-policy is {policy}: Redis may evict jobs; set noeviction"))
    if fields.get("aof_enabled") == "0":
        found.append(Complaint("the append-only file is off: a Redis that dies loses jobs; set appendonly yes"))
    return found
