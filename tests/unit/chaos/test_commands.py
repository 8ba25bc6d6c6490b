"""The keyspace of a replay: each command that the log can hold does what Redis does."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.commands import UnknownCommand, apply
from chaos.keyspace import Keyspace


class Silent:
    def added(self, key: str, member: str, score: float) -> None: ...
    def removed(self, key: str, member: str) -> None: ...
    def written(self, key: str, field: str, value: str) -> None: ...
    def deleted(self, key: str) -> None: ...


class Heard(Silent):
    def __init__(self) -> None:
        self.words: list[tuple[str, ...]] = []

    def added(self, key: str, member: str, score: float) -> None:
        self.words.append(("added", key, member))

    def removed(self, key: str, member: str) -> None:
        self.words.append(("removed", key, member))

    def written(self, key: str, field: str, value: str) -> None:
        self.words.append(("written", key, field, value))

    def deleted(self, key: str) -> None:
        self.words.append(("deleted", key))


def after(*lines: str) -> dict[str, Any]:
    keyspace = Keyspace(Silent())
    for line in lines:
        apply(keyspace, tuple(line.split()))
    return keyspace.values


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["SET a 1"], {"a": "1"}),
        (["SET a 1", "DEL a b"], {}),
        (["HSET h x 1 y 2", "HINCRBY h x 4", "HINCRBY h z 1", "HDEL h y"], {"h": {"x": "5", "z": "1"}}),
        (["HSETNX h x 1", "HSETNX h x 2"], {"h": {"x": "1"}}),
        (["HSET h x 1", "HDEL h x"], {}),
        (["LPUSH l a b", "RPUSH l c"], {"l": ["b", "a", "c"]}),
        (["RPUSH l a b c d", "LPOP l", "RPOP l"], {"l": ["b", "c"]}),
        (["RPUSH l a b a", "LREM l 1 a", "LREM l 1 x"], {"l": ["b", "a"]}),
        (["RPUSH l a b c d", "LTRIM l 0 1"], {"l": ["a", "b"]}),
        (["RPUSH l a b c d", "LTRIM l 0 -3"], {"l": ["a", "b"]}),
        (["RPUSH l a b c d", "LTRIM l -2 -1"], {"l": ["c", "d"]}),
        (["RPUSH l a b", "LTRIM l 0 -3"], {}),
        (["SADD s a b", "SREM s a"], {"s": {"b"}}),
        (["ZADD z 1 a 2 b", "ZREM z a x"], {"z": {"b": 2.0}}),
        (["ZADD z 5 a", "ZADD z GT 3 a", "ZADD z GT 7 b"], {"z": {"a": 5.0, "b": 7.0}}),
        (["ZADD z 5 a", "ZADD z XX 6 a 1 b", "ZADD z NX 7 a"], {"z": {"a": 6.0}}),
        (["ZADD z 1 b 1 a 0 c", "ZREMRANGEBYRANK z 0 1"], {"z": {"b": 1.0}}),
        (["ZADD z 1 a 2 b 3 c", "ZREMRANGEBYRANK z 0 -2"], {"z": {"c": 3.0}}),
        (["ZADD z 1 a", "ZREMRANGEBYRANK z 0 -1001"], {"z": {"a": 1.0}}),
        (["ZADD z 1 a 2 b 3 c", "ZREMRANGEBYSCORE z -inf (2"], {"z": {"b": 2.0, "c": 3.0}}),
        (["ZADD z 0 aa 0 ab 0 b", "ZREMRANGEBYLEX z [a (b"], {"z": {"b": 0.0}}),
        (["ZADD z 2 a 1 b", "ZPOPMIN z"], {"z": {"a": 2.0}}),
        (["SET a 1", "FLUSHALL"], {}),
    ],
)  # fmt: skip
def test_a_command_does_what_redis_does(lines: list[str], left: dict[str, Any]) -> None:
    assert after(*lines) == left


def test_times_to_live_are_kept_as_moments() -> None:
    keyspace = Keyspace(Silent())
    for line in ("SET a 1 PXAT 500", "SET a 2 KEEPTTL", "SET b 1 PXAT 5", "SET b 2", "HSET h x 1", "PEXPIREAT h 700"):
        apply(keyspace, tuple(line.split()))
    assert keyspace.expires == {"a": 500, "h": 700}
    apply(keyspace, ("PERSIST", "a"))
    apply(keyspace, ("DEL", "h"))
    assert keyspace.expires == {}


def test_a_command_it_does_not_know_is_an_error() -> None:
    with pytest.raises(UnknownCommand, match="GETSET a 1"):
        after("GETSET a 1")


def test_who_observes_hears_of_each_member_that_comes_and_goes() -> None:
    heard = Heard()
    keyspace = Keyspace(heard)
    for line in ("ZADD z 1 a 2 b", "ZREM z a", "DEL z", "HSET h x 1", "HDEL h x"):
        apply(keyspace, tuple(line.split()))
    assert heard.words == [
        ("added", "z", "a"), ("added", "z", "b"), ("removed", "z", "a"), ("removed", "z", "b"), ("deleted", "z"),
        ("written", "h", "x", "1"), ("deleted", "h"),
    ]  # fmt: skip
