"""The daemon's ticker over real scripts: each tick once in the whole fleet, by the clock of Redis."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs.daemon.schedule import LOOK_EVERY_S, Ticker
from jqjobs.errors import StoreBusy, StoreUnavailable
from jqjobs.store import calls
from jqjobs.store.address import parse_url
from jqjobs.store.schedules import offer, plan, suspend
from jqjobs.store.store import Store
from store.rig import LEASE_MS, START_MS, Rig

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
#: No tick here depends on where in a minute the clock of a rig begins.
BEGIN_MS = START_MS - START_MS % HOUR_MS


@pytest.fixture
def rig(rig: Rig) -> Rig:
    rig.clock.now_ms = BEGIN_MS
    return rig


@pytest.fixture
def tickers(rig: Rig) -> Iterator[Callable[[int], list[Ticker]]]:
    """Make tickers, each on a connection of its own, by the clock of the rig."""
    stores: list[Store] = []

    def make(count: int) -> list[Ticker]:
        stores.extend(Store(parse_url(rig.url), now_ms=rig.clock) for _ in range(count))
        return [Ticker(store) for store in stores[-count:]]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the ticker logs: names of events, and their fields."""
    lines: list[tuple[str, dict[str, Any]]] = []

    def event(name: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
        if level >= logging.INFO:
            lines.append((name, fields))

    monkeypatch.setattr("jqjobs.daemon.schedule.log.event", event)
    return lines


def publish(rig: Rig, name: str = "s", queue: str = "q", **changes: Any) -> None:
    base = {"job": "n", "payload": "{}", "cron": "* * * * *", "tz": "UTC", "missed": "latest", "catch_up_ms": HOUR_MS}
    rig.run(plan(queue, 100 * HOUR_MS, {name: json.dumps({**base, **changes}, sort_keys=True)}))


def jobs(rig: Rig, queue: str = "q") -> list[str]:
    return rig.ids("ready", queue)


def job_at(*minutes: int, name: str = "s") -> list[str]:
    return [f"{name}-{BEGIN_MS + minute * MINUTE_MS}" for minute in minutes]


def test_five_daemons_and_sixty_ticks_make_sixty_jobs(rig: Rig, tickers: Callable[[int], list[Ticker]]) -> None:
    publish(rig)
    fleet, rng = tickers(5), random.Random(7)
    for ticker in fleet:
        ticker.tick(["q"])
    for _ in range(60):
        rig.clock.advance(MINUTE_MS)
        rng.shuffle(fleet)
        for ticker in fleet:
            ticker.tick(["q"])

    assert jobs(rig) == job_at(*range(1, 61))


def test_five_daemons_at_the_very_same_time_make_one_job_a_tick(
    real_rig: Rig, start_store: Callable[[Rig], Store]
) -> None:
    real_rig.clock.now_ms = BEGIN_MS
    publish(real_rig)
    fleet = [Ticker(start_store(real_rig)) for _ in range(5)]
    gate = threading.Barrier(6)
    errors: list[BaseException] = []

    def daemon(ticker: Ticker) -> None:
        try:
            for _ in range(60):
                gate.wait(60)
                ticker.tick(["q"])
                gate.wait(60)
        except BaseException as error:
            errors.append(error)
            gate.abort()

    threads = [threading.Thread(target=daemon, args=(ticker,)) for ticker in fleet]
    for thread in threads:
        thread.start()
    for _ in range(60):
        real_rig.clock.advance(MINUTE_MS)
        gate.wait(60)
        gate.wait(60)
    for thread in threads:
        thread.join(60)

    assert errors == []
    assert jobs(real_rig) == job_at(*range(1, 61))


@pytest.fixture
def start_store() -> Iterator[Callable[[Rig], Store]]:
    made: list[Store] = []

    def one(rig: Rig) -> Store:
        made.append(Store(parse_url(rig.url), now_ms=rig.clock))
        return made[-1]

    yield one
    for store in made:
        store.close()


def test_it_says_when_the_next_tick_is_due(rig: Rig, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    publish(rig)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    rig.clock.advance(MINUTE_MS - 1200)
    assert ticker.tick(["q"]) == 1.2
    rig.clock.advance(1200)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    assert jobs(rig) == job_at(1)


def test_while_nothing_is_due_it_asks_once_a_queue(rig: Rig, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    publish(rig)
    publish(rig, queue="other")
    ticker.tick(["q", "other"])
    sent = _count_commands(ticker)
    ticker.tick(["q", "other"])

    assert sent == {"agenda 1": 2}, "and says what it knows already"


def _count_commands(ticker: Ticker) -> Counter[str]:
    """The names of the scripts it calls from here on, each with its first argument after the time."""
    sent: Counter[str] = Counter()
    command = ticker._store.command

    def counting(call: calls.Call[Any]) -> Any:
        sent[f"{call.script.name} {call.args[1]}"] += 1
        return command(call)

    ticker._store.command = counting  # type: ignore[method-assign]
    return sent


def test_queues_have_schedules_of_the_same_name_each_its_own(rig: Rig, tickers: Callable[[int], list[Ticker]]) -> None:
    publish(rig)
    publish(rig, queue="other", cron="*/2 * * * *")
    [ticker] = tickers(1)
    ticker.tick(["q", "other"])
    for _ in range(2):
        rig.clock.advance(MINUTE_MS)
        ticker.tick(["q", "other"])

    assert jobs(rig) == job_at(1, 2)
    assert jobs(rig, "other") == job_at(2)


def test_a_daemon_that_was_away_runs_the_latest_tick_once(
    rig: Rig, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(rig)
    rig.clock.advance(30 * MINUTE_MS + 5)
    for ticker in tickers(2):
        ticker.tick(["q"])

    assert jobs(rig) == job_at(30)
    assert logged == []


def test_a_miss_that_is_too_old_is_not_run_and_said_once(
    rig: Rig, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(rig, cron="0 * * * *", catch_up_ms=10 * MINUTE_MS)
    fleet = tickers(2)
    for ticker in fleet:
        ticker.tick(["q"])
    rig.clock.advance(80 * MINUTE_MS)
    for ticker in fleet * 2:
        ticker.tick(["q"])
    assert jobs(rig) == []
    assert logged == [
        ("schedule.missed", {"schedule": "q/s", "tick_ms": BEGIN_MS + HOUR_MS, "late_ms": 20 * MINUTE_MS})
    ]
    rig.clock.advance(40 * MINUTE_MS)
    fleet[0].tick(["q"])
    assert jobs(rig) == job_at(120)


def test_all_missed_ticks_run_where_that_is_asked_for(rig: Rig, tickers: Callable[[int], list[Ticker]]) -> None:
    publish(rig, missed="all", catch_up_ms=10 * HOUR_MS)
    rig.clock.advance(150 * MINUTE_MS)
    [ticker] = tickers(1)
    ticker.tick(["q"])

    assert jobs(rig) == job_at(*range(51, 151))


def test_an_edit_comes_into_force_at_the_next_look(rig: Rig, tickers: Callable[[int], list[Ticker]]) -> None:
    publish(rig)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    publish(rig, cron="*/5 * * * *", payload='{"args":[5]}')
    for _ in range(5):
        rig.clock.advance(MINUTE_MS)
        ticker.tick(["q"])

    assert jobs(rig) == job_at(5)
    assert rig.job(*job_at(5))["payload"] == '{"args":[5]}'


def test_a_pause_holds_even_between_two_looks_and_resume_catches_up_on_nothing(
    rig: Rig, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(rig)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    rig.run(suspend("q", "s"))
    rig.clock.advance(10 * MINUTE_MS + 1)
    sent = _count_commands(ticker)
    ticker.tick(["q"])
    assert sent == {"agenda 1": 1}
    rig.run(suspend("q", "s", resume=True))
    ticker.tick(["q"])
    assert jobs(rig) == []
    rig.clock.advance(MINUTE_MS)
    ticker.tick(["q"])

    assert jobs(rig) == job_at(11)


def test_a_schedule_nobody_offers_rests_and_goes_on_once_somebody_does(
    rig: Rig, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(rig)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    rig.clock.advance(200 * HOUR_MS)
    ticker.tick(["q"])
    sent = _count_commands(ticker)
    ticker.tick(["q"])
    assert (jobs(rig), sent) == ([], {"agenda 1": 1})
    [other] = tickers(1)
    sent = _count_commands(other)
    other.tick(["q"])
    assert sent == {"agenda ": 1}, "who is told that nobody offers it does not even try"
    rig.run(calls.renew("q", LEASE_MS, [], [offer("q", "s")]))
    ticker.tick(["q"])

    assert jobs(rig) == job_at(200 * 60)


def test_a_clock_of_redis_that_went_back_an_hour_stops_nothing(
    rig: Rig, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(rig, cron="*/5 * * * *")
    rig.clock.advance(2 * HOUR_MS)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    rig.clock.advance(-HOUR_MS + 1000)
    ticker.tick(["q"])
    rig.clock.advance(5 * MINUTE_MS)
    ticker.tick(["q"])

    assert jobs(rig) == job_at(120, 65)


def test_a_clock_of_redis_that_went_back_a_little_ticks_nothing_twice(
    rig: Rig, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(rig)
    rig.clock.advance(MINUTE_MS)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    rig.redis("DEL", rig.key("ready"), rig.key(f"job:{job_at(1)[0]}"))  # it has run, and is gone
    rig.clock.advance(-30_000)
    for _ in range(4):
        rig.clock.advance(10_000)
        ticker.tick(["q"])

    assert jobs(rig) == []


def test_what_cannot_be_used_is_said_once_and_holds_up_no_other(
    rig: Rig, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(rig, "mars", tz="Mars/Olympus")
    publish(rig, "garbled", cron="often")
    publish(rig, "binary")
    rig.redis("HSET", rig.key("schedule"), "binary", b"\xff")
    publish(rig)
    [ticker] = tickers(1)
    for _ in range(3):
        rig.clock.advance(MINUTE_MS)
        ticker.tick(["q"])
        publish(rig, payload=json.dumps({"args": [rig.clock.now_ms]}))  # so that all is read again

    assert jobs(rig) == job_at(1, 2, 3)
    assert sorted(fields["schedule"] for _, fields in logged) == ["q/binary", "q/garbled", "q/mars"]


def test_a_damaged_queue_holds_up_no_other_and_is_said_once(
    rig: Rig, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(rig)
    rig.redis("SET", rig.key("schedule", "bad"), "x")
    publish(rig, queue="stuck")
    rig.redis("SET", rig.key("ready", "stuck"), "x")
    [ticker] = tickers(1)
    for _ in range(3):
        rig.clock.advance(MINUTE_MS)
        wait_s = ticker.tick(["bad", "q", "stuck"])
        assert wait_s > 0, "no busy loop over what does not work"

    assert jobs(rig) == job_at(1, 2, 3)
    assert sorted(fields["schedule"] for _, fields in logged) == ["bad", "stuck/s"]


def test_a_flushed_redis_leaves_no_schedule_and_a_new_one_works(
    rig: Rig, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(rig)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    rig.redis("FLUSHALL")
    rig.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    assert jobs(rig) == []
    publish(rig)
    rig.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    rig.clock.advance(MINUTE_MS)
    ticker.tick(["q"])

    assert jobs(rig) == job_at(2, 3)


def test_an_outage_is_for_the_lease_keeper_to_wait_out(start_server: Any) -> None:
    server = start_server("valkey")
    store = Store(parse_url(server.url))
    ticker = Ticker(store)
    ticker.tick(["q"])
    server.kill()
    with pytest.raises(StoreUnavailable):
        ticker.tick(["q"])
    store.close()


def test_a_redis_that_only_serves_reads_is_waited_out_like_an_outage(start_server: Any) -> None:
    rig = Rig(start_server("valkey").url)
    publish(rig)
    ticker = Ticker(rig.store)
    rig.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    rig.redis("REPLICAOF", "127.0.0.1", "1")
    rig.clock.advance(MINUTE_MS)
    with pytest.raises(StoreBusy):
        ticker.tick(["q"])
    rig.store.close()
