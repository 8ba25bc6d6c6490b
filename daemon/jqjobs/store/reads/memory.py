"""How much memory Redis takes, and when it will be full at the growth of the last hour. Of a cluster: its fullest node,
which is the first that refuses jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store import keys
from jqjobs.store.reads.server_info import read_infos
from jqjobs.store.reply_values import count, integer, text
from jqjobs.store.store import Store

#: A growth is told of so many minutes at least: less is a wave, not a trend.
_LEAST_MINUTES = 10


class RedisMemory(NamedTuple):
    """The memory of Redis. ``most_bytes``: `maxmemory`, or without one what its host has; 0: not known.

    ``growth_per_s``: bytes, over the last hour; None while daemons have sampled for less than ten minutes.
    """

    used_bytes: int
    most_bytes: int
    is_limited: bool
    growth_per_s: float | None

    @property
    def full_in_s(self) -> float | None:
        """In how many seconds Redis is full if it grows on like that; None: it does not grow, or nobody knows."""
        if not self.most_bytes or not self.growth_per_s or self.growth_per_s <= 0:
            return None
        return max(0, self.most_bytes - self.used_bytes) / self.growth_per_s


def read_memory(store: Store) -> RedisMemory | None:
    """Read how much Redis takes, and the samples of daemons; None when it does not tell. Raises: StoreError."""
    return memory_of(store, memory_info(store))


def memory_info(store: Store) -> Mapping[str, str]:
    """Return what INFO tells of memory, nothing where our user may not ask. Raises: StoreUnavailable."""
    try:
        return fullest(read_infos(store, "memory").values())
    except StoreUnavailable:
        raise
    except StoreError:
        return {}


def used_memory(store: Store) -> int | None:
    """Return how many bytes Redis takes; None when it does not tell. Raises: StoreUnavailable."""
    return integer(memory_info(store).get("used_memory"))


def fullest(infos: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    """Return, of the INFO of several nodes, that of the one that has the largest part of its memory in use."""
    return max(infos, key=lambda info: count(info.get("used_memory")) / (_most_bytes(info) or 1))


def _most_bytes(info: Mapping[str, str]) -> int:
    return count(info.get("maxmemory")) or count(info.get("total_system_memory"))


def memory_of(store: Store, info: Mapping[str, str]) -> RedisMemory | None:
    """Return the same where INFO is known already."""
    used_bytes = integer(info.get("used_memory"))
    if used_bytes is None:
        return None
    is_limited = count(info.get("maxmemory")) > 0
    samples = _samples(store.wire.call("ZRANGE", store.address.key(keys.MEMORY), 0, -1))
    return RedisMemory(used_bytes, _most_bytes(info), is_limited, growth_per_s(samples))


def _samples(members: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return minutes and bytes; what others have put there is left out."""
    pairs = [text(member).split(" ") for member in members]
    return [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2 and all(map(str.isdecimal, pair))]


def growth_per_s(samples: Sequence[tuple[int, int]]) -> float | None:
    """Return by how many bytes a second it grows (least squares, so that no single sample decides); None: too few.

    ``samples``: minutes and bytes.
    """
    minutes = [minute for minute, _ in samples]
    if not samples or max(minutes) - min(minutes) < _LEAST_MINUTES:
        return None
    mean_minute, mean_bytes = sum(minutes) / len(samples), sum(used for _, used in samples) / len(samples)
    together = sum((minute - mean_minute) * (used - mean_bytes) for minute, used in samples)
    return together / sum((minute - mean_minute) ** 2 for minute in minutes) / 60
