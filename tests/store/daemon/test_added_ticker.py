"""Schedules added at run time: each tick once in the whole fleet, as many as there are at no cost while none comes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.daemon.leases.ticker import LOOK_EVERY_S, Ticker
from jqjobs.store.calls.added import AddAnswer, add_schedule, added, remove_schedule
from jqjobs.store.calls.schedules import plan, suspend
from log_lines import Lines
from servers import REAL_KINDS
from store.queue_system import START_MS, QueueSystem

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
BEGIN_MS = START_MS - START_MS % HOUR_MS


@pytest.fixture
def system(system: QueueSystem) -> QueueSystem:
    system.clock.now_ms = BEGIN_MS
    return system


def add(system: QueueSystem, name: str = "digest:42", *, replace: bool = False, **changes: Any) -> AddAnswer:
    base = {"job": "n", "payload": "{}", "cron": "* * * * *", "tz": "UTC", "missed": "latest", "catch_up_ms": HOUR_MS,
            "id": name.replace(":", ".")}  # fmt: skip
    return system.run(add_schedule("q", name, json.dumps({**base, **changes}, sort_keys=True), replace=replace))


def made_at(*minutes: int, name: str = "digest.42") -> list[str]:
    return [f"{name}-{BEGIN_MS + minute * MINUTE_MS}" for minute in minutes]


def test_five_daemons_and_a_thousand_ticks_make_a_thousand_jobs(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    rng, fleet = random.Random(7), tickers(5)
    for n in range(10):
        add(system, f"s:{n}")
    while system.clock.now_ms < BEGIN_MS + 100 * MINUTE_MS:
        for ticker in rng.sample(fleet, 5):
            ticker.tick(["q"])
            system.clock.advance(rng.randrange(400))
        system.clock.advance(rng.randrange(9000))
    for ticker in fleet:
        ticker.tick(["q"])

    made = Counter(job_id.rsplit("-", 1)[0] for job_id in system.ids("ready"))
    assert made == {f"s.{n}": 100 for n in range(10)}
    assert sorted(system.ids("ready"))[:100] == sorted(made_at(*range(1, 101), name="s.0"))


def test_ten_thousand_that_rest_cost_an_idle_daemon_what_ten_do(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    if system.kind not in REAL_KINDS:
        pytest.skip("a node of a cluster counts what its replica asks too, the fake server counts nothing")
    [ticker] = tickers(1)

    def calls_of_an_idle_hour(count: int) -> int:
        entry = json.dumps({"job": "n", "payload": "{}", "cron": "0 8 * * *", "id": "s"})
        key, comes_ms = system.key("added"), BEGIN_MS + 9 * HOUR_MS
        for n in range(count):  # as they are once a daemon has seen them
            system.redis("HSET", key, f"s:{n}", entry)
            system.redis("HSET", system.key("came"), f"s:{n}", f"{BEGIN_MS} 0 ")
            system.redis("ZADD", system.key("comes"), comes_ms, f"s:{n}")
        ticker.tick(["q"])
        before = calls(system)
        for _ in range(100):
            assert ticker.tick(["q"]) == LOOK_EVERY_S
        return calls(system) - before

    assert calls_of_an_idle_hour(10) == calls_of_an_idle_hour(10_000)
    assert system.run(added("q", 3)).total == 10_000


def calls(system: QueueSystem) -> int:
    lines = system.redis("INFO", "commandstats").decode().splitlines()
    counted = {line.split(":")[0]: int(line.split("calls=")[1].split(",")[0]) for line in lines if "calls=" in line}
    return sum(n for name, n in counted.items() if "info" not in name)


def test_a_clock_that_went_back_keeps_no_schedule_from_coming(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    [ticker] = tickers(1)
    add(system)
    system.tend()
    ticker.tick(["q"])
    system.clock.advance(-3 * HOUR_MS)
    system.tend()
    ticker.tick(["q"])
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])

    assert system.ids("ready") == made_at(1 - 180)


def test_one_in_code_and_one_added_of_one_name_make_jobs_of_their_own(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    [ticker] = tickers(1)
    once = {"overlap": False, "id": None}
    add(system, "digest", **once)
    in_code = {"job": "n", "payload": "{}", "cron": "* * * * *", "tz": "UTC", "missed": "latest", **once}
    system.run(plan("q", 10**9, "shop", {"digest": json.dumps(in_code)}))
    ticker.tick(["q"])
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])

    assert sorted(system.ids("ready")) == [*made_at(1, name="digest"), *made_at(1, name="digest.added")]


def test_a_daemon_wakes_for_a_tick_and_not_before(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    add(system)
    ticker.tick(["q"])
    system.clock.advance(MINUTE_MS - 700)
    assert ticker.tick(["q"]) == pytest.approx(0.7)
    assert system.ids("ready") == []
    system.clock.advance(700)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    assert system.ids("ready") == made_at(1)


@pytest.mark.parametrize(
    ("missed", "expected"), [("latest", made_at(30)), ("skip", []), ("all", made_at(*range(1, 31)))]
)
def test_what_nobody_was_there_for_goes_by_its_rule(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], missed: str, expected: list[str]
) -> None:
    [ticker] = tickers(1)
    add(system, missed=missed)
    ticker.tick(["q"])
    system.clock.advance(30 * MINUTE_MS + 20_000)
    ticker.tick(["q"])
    assert system.ids("ready") == expected


def test_it_ends_when_it_was_to_end_and_is_forgotten(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    [ticker] = tickers(1)
    add(system, until_ms=BEGIN_MS + 2 * MINUTE_MS)
    for _ in range(4):
        ticker.tick(["q"])
        system.clock.advance(MINUTE_MS)
    assert system.ids("ready") == made_at(1, 2)
    assert system.redis("EXISTS", *(system.key(key) for key in ("added", "came", "comes"))) == 0


def test_a_paused_one_does_not_come_and_does_not_catch_up(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    [ticker] = tickers(1)
    add(system)
    ticker.tick(["q"])
    assert system.run(suspend("q", "digest:42")) == 1
    system.clock.advance(10 * MINUTE_MS + 1)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    assert system.run(suspend("q", "digest:42", resume=True)) == 1
    ticker.tick(["q"])
    assert system.ids("ready") == []
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    assert system.ids("ready") == made_at(11)


def test_a_name_that_is_taken_is_not_written_over(system: QueueSystem) -> None:
    assert add(system) is AddAnswer.ADDED
    assert add(system) is AddAnswer.SAME
    assert add(system, payload='{"args":[1]}') is AddAnswer.TAKEN
    system.run(plan("q", HOUR_MS, "shop:app", {"nightly": '{"cron":"0 3 * * *"}'}))
    assert add(system, "nightly", replace=True) is AddAnswer.IN_CODE
    [found] = system.run(added("q")).schedules
    assert (found.name, found.entry and found.entry["payload"]) == ("digest:42", "{}")


def test_other_arguments_leave_its_times_alone_and_other_times_count_from_now_on(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    [ticker] = tickers(1)
    add(system, cron="*/10 * * * *")
    ticker.tick(["q"])
    system.clock.advance(10 * MINUTE_MS)
    assert add(system, cron="*/10 * * * *", payload="[]", replace=True) is AddAnswer.CHANGED
    ticker.tick(["q"])
    assert system.ids("ready") == made_at(10)
    system.clock.advance(5 * MINUTE_MS)
    assert add(system, cron="*/3 * * * *", replace=True) is AddAnswer.CHANGED
    ticker.tick(["q"])
    assert system.ids("ready") == made_at(10)
    system.clock.advance(3 * MINUTE_MS)
    ticker.tick(["q"])
    assert system.ids("ready") == made_at(10, 18)


def test_one_that_was_removed_does_not_come(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    add(system)
    ticker.tick(["q"])
    assert [system.run(remove_schedule("q", "digest:42")) for _ in range(2)] == [1, 0]
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    assert (system.ids("ready"), system.run(added("q")).total) == ([], 0)


def test_one_that_cannot_be_read_holds_up_no_other(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    add(system, "broken", cron="every day")
    system.redis("HSET", system.key("added"), "garbled", "{")
    system.redis("ZADD", system.key("comes"), 0, "garbled", 0, "nothing")
    add(system)
    ticker.tick(["q"])
    assert ticker.tick(["q"]) == LOOK_EVERY_S, "not at once again"
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    assert system.ids("ready") == made_at(1)


def test_plain_commands_of_any_language_add_one(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    entry = json.dumps({"job": "n", "payload": '{"args":[42]}', "every_ms": MINUTE_MS})
    system.redis("HSETNX", system.key("added"), "digest-42", entry)
    system.redis("ZADD", system.key("comes"), 0, "digest-42")
    ticker.tick(["q"])
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    assert system.ids("ready") == made_at(1, name="digest-42.added")


def test_an_app_that_gets_the_name_of_one_that_was_added_is_told_so_once(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: Lines
) -> None:
    [ticker] = tickers(1)
    add(system, "nightly")
    entry = {"job": "n", "payload": "{}", "cron": "* * * * *", "tz": "UTC", "missed": "latest", "catch_up_ms": 0}
    for _ in range(2):
        ticker.tick(["q"])
        system.run(plan("q", HOUR_MS, "shop:app", {"nightly": json.dumps(entry)}))
    ticker.tick(["q"])

    [said] = logged
    assert (said["event"], said["schedule"], said["apps"]) == ("schedule.clash", "q/nightly", "shop:app")
    assert "both come" in said["hint"]
