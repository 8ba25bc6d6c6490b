"""What is left when everybody has gone: each key has an owner, or is reported."""

from __future__ import annotations

import pytest

from chaos.aof import Command
from chaos.owners import unowned
from unit.chaos.history import W1, History, key


def tags_and_keys(*commands: Command) -> list[tuple[str, str]]:
    return [(violation.tag, violation.about) for violation in unowned(History().do(*commands).replayed())]


def test_what_lasts_and_what_belongs_to_a_dead_or_kept_job_is_owned() -> None:
    history = History().enqueue("a", "failing", "key", "k", "coalesce", "stored").take("a").die("a", "failed")
    history.do(
        ("HSET", key("unique"), "k", "a"),
        ("RPUSH", key("job:a:history"), "{}"),
        ("SADD", "jq:{~}:queues", "q"),
        ("PEXPIREAT", key(f"trip:{W1}"), str(history.now_ms + 86_400_000)),
        ("LPUSH", key("limit:paced/1s"), "1"),
        ("PEXPIREAT", key("limit:paced/1s"), str(history.now_ms + 61_000)),
        ("ZADD", key("wake"), "0", "1"),
    )
    assert list(unowned(history.replayed())) == []


@pytest.mark.parametrize(
    "command",
    [
        ("HSET", key("job:a"), "name", "plain"),
        ("RPUSH", key("job:a:history"), "{}"),
        ("ZADD", key(f"active:{W1}"), "1", "a 1"),
        ("ZADD", key("leases"), "1", W1),
        ("SET", key(f"trip:{W1}"), "1 1"),
        ("HSET", key("unique"), "k", "a"),
        ("HSET", key("gates"), "paced/1s", "0 "),
        ("ZADD", key("held:paced/1s"), "1", "a"),
        ("ZADD", key("scheduled"), "1", "~paced/1s"),
        ("ZADD", key("limit:guarded/running"), "1", "a 1"),
        ("ZADD", key("cancels"), "0", f"{W1} a 1"),
        ("HSET", key("novelty"), "a", "1"),
        ("HSET", "jq:{~}:daemon:host:1:aa", "name", "jqd"),
    ],
    ids=lambda command: command[1],
)
def test_what_nobody_owns_is_seen(command: Command) -> None:
    assert tags_and_keys(command) == [("unowned", command[1])]


def test_a_key_that_names_a_job_of_another_key_is_seen() -> None:
    history = History().enqueue("a", "answer", "key", "k").do(("HSET", key("unique"), "other", "a", "k", "a"))
    [violation] = [violation for violation in unowned(history.replayed()) if "unique" in violation.about]
    assert violation.about == key("unique")
    assert "other → a" in violation.text


def test_a_registry_entry_that_outlives_a_clock_that_was_set_back_is_seen_once() -> None:
    history = History()
    entry = ("HSET", "jq:{~}:worker:host:1:aa", "pid", "1")
    history.do(entry, ("PEXPIREAT", entry[1], str(history.now_ms + 10_000)))
    history.log.append([("SET", "chaos:clock", f"{history.now_ms} {history.now_ms - 3_600_000}")])
    for second in range(1, 60):
        at_ms = history.now_ms + second * 1000
        history.log.append([("SET", "chaos:clock", f"{at_ms} {at_ms - 3_600_000}")])
    assert [(violation.tag, violation.about) for violation in history.violations()] == [("ttl", entry[1])]


def test_a_registry_entry_that_stays_for_hours_is_seen() -> None:
    history = History()
    entry = ("HSET", "jq:{~}:worker:host:1:aa", "pid", "1")
    history.do(entry, ("PEXPIREAT", entry[1], str(history.now_ms + 3_610_000)))
    [violation] = unowned(history.replayed())
    assert (violation.tag, violation.about) == ("ttl", entry[1])
