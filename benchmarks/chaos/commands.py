"""The write commands that the scripts of jqjobs and plain producers use, as Redis 7 writes them into its log: times to
live as moments, blocking pops as plain ones.

A command that is not here is an error: a checker that skips what it does not understand proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from chaos.aof import Command
from chaos.keyspace import Keyspace

_Handler = Callable[..., None]
_HANDLERS: dict[str, _Handler] = {}


class UnknownCommand(Exception):
    """The log holds a command that is not known here."""


def apply(space: Keyspace, command: Command) -> None:
    """Do one command. Raises: UnknownCommand."""
    handler = _HANDLERS.get(command[0])
    if handler is None:
        raise UnknownCommand(" ".join(command)[:200])
    handler(space, *command[1:])


def _command(*names: str) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


@_command("DEL", "UNLINK")
def _delete(space: Keyspace, *keys: str) -> None:
    for key in keys:
        space.delete(key)


@_command("FLUSHALL", "FLUSHDB")
def _flush(space: Keyspace, *_words: str) -> None:
    _delete(space, *list(space.values))


@_command("PEXPIREAT")
def _expire(space: Keyspace, key: str, moment: str, *_words: str) -> None:
    if key in space.values:
        space.expires[key] = int(moment)


@_command("PERSIST")
def _persist(space: Keyspace, key: str) -> None:
    space.expires.pop(key, None)


@_command("SET")
def _set(space: Keyspace, key: str, value: str, *words: str) -> None:
    options = [word.upper() for word in words]
    space.values[key] = value
    if "KEEPTTL" not in options:
        space.expires.pop(key, None)
    if "PXAT" in options:
        space.expires[key] = int(words[options.index("PXAT") + 1])


@_command("HSET")
def _hset(space: Keyspace, key: str, *pairs: str) -> None:
    for field, value in zip(pairs[::2], pairs[1::2], strict=True):
        space.write(key, field, value)


@_command("HSETNX")
def _hsetnx(space: Keyspace, key: str, field: str, value: str) -> None:
    if field not in space.hash(key):
        space.write(key, field, value)


@_command("HINCRBY")
def _hincrby(space: Keyspace, key: str, field: str, by: str) -> None:
    space.write(key, field, str(int(space.hash(key).get(field, 0)) + int(by)))


@_command("HDEL")
def _hdel(space: Keyspace, key: str, *fields: str) -> None:
    for field in fields:
        space.hash(key).pop(field, None)
    space.drop_empty(key)


@_command("LPUSH")
def _lpush(space: Keyspace, key: str, *items: str) -> None:
    space.values.setdefault(key, [])[:0] = items[::-1]


@_command("RPUSH")
def _rpush(space: Keyspace, key: str, *items: str) -> None:
    space.values.setdefault(key, []).extend(items)


@_command("LPOP")
def _lpop(space: Keyspace, key: str, count: str = "1") -> None:
    del space.values.get(key, [])[: int(count)]
    space.drop_empty(key)


@_command("RPOP")
def _rpop(space: Keyspace, key: str, count: str = "1") -> None:
    del space.values.get(key, [])[-int(count) :]
    space.drop_empty(key)


@_command("LREM")
def _lrem(space: Keyspace, key: str, count: str, item: str) -> None:
    """Of what scripts use: the first one is removed."""
    items = space.values.get(key, [])
    if count == "1" and item in items:
        items.remove(item)
    space.drop_empty(key)


@_command("LTRIM")
def _ltrim(space: Keyspace, key: str, first: str, last: str) -> None:
    items = space.values.get(key, [])
    items[:] = _between(items, first, last)
    space.drop_empty(key)


@_command("SADD")
def _sadd(space: Keyspace, key: str, *members: str) -> None:
    space.values.setdefault(key, set()).update(members)


@_command("SREM")
def _srem(space: Keyspace, key: str, *members: str) -> None:
    space.values.get(key, set()).difference_update(members)
    space.drop_empty(key)


@_command("ZADD")
def _zadd(space: Keyspace, key: str, *words: str) -> None:
    flags = set()
    while words[0].upper() in ("GT", "LT", "XX", "NX", "CH"):
        flags.add(words[0].upper())
        words = words[1:]
    for score, member in zip(words[::2], words[1::2], strict=True):
        if _may_add(space.sorted_set(key).get(member), float(score), flags):
            space.add(key, member, float(score))


def _may_add(old: float | None, new: float, flags: set[str]) -> bool:
    if old is None:
        return "XX" not in flags
    return "NX" not in flags and not ("GT" in flags and new <= old) and not ("LT" in flags and new >= old)


@_command("ZREM")
def _zrem(space: Keyspace, key: str, *members: str) -> None:
    space.remove(key, *members)


@_command("ZPOPMIN")
def _zpopmin(space: Keyspace, key: str, count: str = "1") -> None:
    space.remove(key, *space.ranked(key)[: int(count)])


@_command("ZREMRANGEBYRANK")
def _zremrangebyrank(space: Keyspace, key: str, first: str, last: str) -> None:
    space.remove(key, *_between(space.ranked(key), first, last))


@_command("ZREMRANGEBYSCORE")
def _zremrangebyscore(space: Keyspace, key: str, low: str, high: str) -> None:
    inside = [member for member, score in space.sorted_set(key).items() if _is_score_between(score, low, high)]
    space.remove(key, *inside)


@_command("ZREMRANGEBYLEX")
def _zremrangebylex(space: Keyspace, key: str, low: str, high: str) -> None:
    inside = [member for member in space.sorted_set(key) if _is_word_between(member, low, high)]
    space.remove(key, *inside)


def _between(items: list[str], first: str, last: str) -> list[str]:
    """Return the items between two indexes, both included; negative ones count from the end."""
    start, end = (int(index) + (len(items) if int(index) < 0 else 0) for index in (first, last))
    return items[max(0, start) : end + 1] if end >= 0 else []


def _is_score_between(score: float, low: str, high: str) -> bool:
    above = score > float(low[1:]) if low.startswith("(") else score >= float(low)
    return above and (score < float(high[1:]) if high.startswith("(") else score <= float(high))


def _is_word_between(member: str, low: str, high: str) -> bool:
    above = low == "-" or (member > low[1:] if low.startswith("(") else member >= low[1:])
    return above and (high == "+" or (member < high[1:] if high.startswith("(") else member <= high[1:]))
