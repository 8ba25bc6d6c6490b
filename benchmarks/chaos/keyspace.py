"""A small Redis that replays a log: keys and values, and who is told of what changes.

Knows the write commands that the scripts of jqjobs and plain producers use, as Redis 7 writes them into its log (times
to live as moments, blocking pops as plain ones). A command it does not know is an error: a checker that skips what it
does not understand proves nothing.
"""

from __future__ import annotations

from typing import Any, Protocol

from chaos.aof import Command

Hash = dict[str, str]
SortedSet = dict[str, float]
Value = str | Hash | list[str] | SortedSet | set[str]


class Observer(Protocol):
    """Is told of changes as they happen, inside a transaction."""

    def added(self, key: str, member: str, score: float) -> None:
        """A member came into a sorted set, or has another score."""

    def removed(self, key: str, member: str) -> None:
        """A member left a sorted set."""

    def written(self, key: str, field: str, value: str) -> None:
        """A field of a hash was set."""

    def deleted(self, key: str) -> None:
        """A key that existed is gone."""


class UnknownCommand(Exception):
    """The log holds a command that this keyspace does not know."""


class Keyspace:
    """What Redis holds. ``values``: by key; ``expires``: moments in ms of keys that have one."""

    def __init__(self, observer: Observer) -> None:
        self.values: dict[str, Any] = {}
        self.expires: dict[str, int] = {}
        self._observer = observer
        self._handlers = {name[3:].upper(): getattr(self, name) for name in dir(self) if name.startswith("do_")}

    def apply(self, command: Command) -> None:
        """Do one command. Raises: UnknownCommand."""
        handler = self._handlers.get(command[0])
        if handler is None:
            raise UnknownCommand(" ".join(command)[:200])
        handler(*command[1:])

    def hash(self, key: str) -> Hash:
        """Return a hash, empty when there is none."""
        found: Hash = self.values.get(key, {})
        return found

    def sorted_set(self, key: str) -> SortedSet:
        """Return a sorted set, empty when there is none."""
        found: SortedSet = self.values.get(key, {})
        return found

    # ---------------------------------------------------------------- keys

    def do_del(self, *keys: str) -> None:
        for key in keys:
            value = self.values.pop(key, None)
            self.expires.pop(key, None)
            if value is not None:
                self._tell_end(key, value)

    do_unlink = do_del

    def _tell_end(self, key: str, value: Value) -> None:
        if isinstance(value, dict):
            for member, score in value.items():
                if not isinstance(score, str):
                    self._observer.removed(key, member)
        self._observer.deleted(key)

    def do_flushall(self, *_words: str) -> None:
        self.do_del(*list(self.values))

    do_flushdb = do_flushall

    def do_pexpireat(self, key: str, moment: str, *_words: str) -> None:
        if key in self.values:
            self.expires[key] = int(moment)

    def do_persist(self, key: str) -> None:
        self.expires.pop(key, None)

    def do_set(self, key: str, value: str, *words: str) -> None:
        options = [word.upper() for word in words]
        self.values[key] = value
        if "KEEPTTL" not in options:
            self.expires.pop(key, None)
        if "PXAT" in options:
            self.expires[key] = int(words[options.index("PXAT") + 1])

    # ---------------------------------------------------------------- hashes

    def do_hset(self, key: str, *pairs: str) -> None:
        self.values.setdefault(key, {}).update(zip(pairs[::2], pairs[1::2], strict=True))
        for field, value in zip(pairs[::2], pairs[1::2], strict=True):
            self._observer.written(key, field, value)

    def do_hsetnx(self, key: str, field: str, value: str) -> None:
        if field not in self.hash(key):
            self.do_hset(key, field, value)

    def do_hincrby(self, key: str, field: str, by: str) -> None:
        self.do_hset(key, field, str(int(self.hash(key).get(field, 0)) + int(by)))

    def do_hdel(self, key: str, *fields: str) -> None:
        for field in fields:
            self.hash(key).pop(field, None)
        self._drop_empty(key)

    # ---------------------------------------------------------------- lists and sets

    def do_lpush(self, key: str, *items: str) -> None:
        self.values.setdefault(key, [])[:0] = items[::-1]

    def do_rpush(self, key: str, *items: str) -> None:
        self.values.setdefault(key, []).extend(items)

    def do_lpop(self, key: str, count: str = "1") -> None:
        del self.values.get(key, [])[: int(count)]
        self._drop_empty(key)

    def do_rpop(self, key: str, count: str = "1") -> None:
        del self.values.get(key, [])[-int(count) :]
        self._drop_empty(key)

    def do_ltrim(self, key: str, first: str, last: str) -> None:
        items = self.values.get(key, [])
        start, end = (int(index) + (len(items) if int(index) < 0 else 0) for index in (first, last))
        items[:] = items[max(0, start) : end + 1] if end >= 0 else []
        self._drop_empty(key)

    def do_sadd(self, key: str, *members: str) -> None:
        self.values.setdefault(key, set()).update(members)

    def do_srem(self, key: str, *members: str) -> None:
        self.values.get(key, set()).difference_update(members)
        self._drop_empty(key)

    # ---------------------------------------------------------------- sorted sets

    def do_zadd(self, key: str, *words: str) -> None:
        flags = set()
        while words[0].upper() in ("GT", "LT", "XX", "NX", "CH"):
            flags.add(words[0].upper())
            words = words[1:]
        for score, member in zip(words[::2], words[1::2], strict=True):
            if self._may_add(self.sorted_set(key).get(member), float(score), flags):
                self.values.setdefault(key, {})[member] = float(score)
                self._observer.added(key, member, float(score))

    @staticmethod
    def _may_add(old: float | None, new: float, flags: set[str]) -> bool:
        if old is None:
            return "XX" not in flags
        return "NX" not in flags and not ("GT" in flags and new <= old) and not ("LT" in flags and new >= old)

    def do_zrem(self, key: str, *members: str) -> None:
        found = self.sorted_set(key)
        for member in members:
            if found.pop(member, None) is not None:
                self._observer.removed(key, member)
        self._drop_empty(key)

    def do_zpopmin(self, key: str, count: str = "1") -> None:
        self.do_zrem(key, *self.ranked(key)[: int(count)])

    def do_zremrangebyrank(self, key: str, first: str, last: str) -> None:
        ranked = self.ranked(key)
        start, end = (int(index) + (len(ranked) if int(index) < 0 else 0) for index in (first, last))
        self.do_zrem(key, *(ranked[max(0, start) : end + 1] if end >= 0 else []))

    def do_zremrangebyscore(self, key: str, low: str, high: str) -> None:
        inside = [member for member, score in self.sorted_set(key).items() if _is_between(score, low, high)]
        self.do_zrem(key, *inside)

    def do_zremrangebylex(self, key: str, low: str, high: str) -> None:
        inside = [member for member in self.sorted_set(key) if _is_between_words(member, low, high)]
        self.do_zrem(key, *inside)

    def ranked(self, key: str) -> list[str]:
        """Return the members of a sorted set in its order."""
        found = self.sorted_set(key)
        return sorted(found, key=lambda member: (found[member], member))

    def _drop_empty(self, key: str) -> None:
        if key in self.values and not self.values[key]:
            del self.values[key]
            self.expires.pop(key, None)
            self._observer.deleted(key)


def _is_between(score: float, low: str, high: str) -> bool:
    above = score > float(low[1:]) if low.startswith("(") else score >= float(low)
    return above and (score < float(high[1:]) if high.startswith("(") else score <= float(high))


def _is_between_words(member: str, low: str, high: str) -> bool:
    above = low == "-" or (member > low[1:] if low.startswith("(") else member >= low[1:])
    return above and (high == "+" or (member < high[1:] if high.startswith("(") else member <= high[1:]))
