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

from jqjobs.daemon.leases.ticker import CLAIM_MS, LOOK_EVERY_S, Ticker
from jqjobs.errors import StoreBusy, StoreUnavailable
from jqjobs.store.address import parse_url
from jqjobs.store.call import Call
from jqjobs.store.calls.schedules import agenda, offers, plan, suspend
from jqjobs.store.store import Store
from store.queue_system import START_MS, QueueSystem

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
#: No tick here depends on where in a minute the clock of a system begins.
BEGIN_MS = START_MS - START_MS % HOUR_MS


@pytest.fixture
def system(system: QueueSystem) -> QueueSystem:
    system.clock.now_ms = BEGIN_MS
    return system


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the ticker logs: names of events, and their fields."""
    lines: list[tuple[str, dict[str, Any]]] = []

    def event(name: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
        if level >= logging.INFO:
            lines.append((name, fields))

    monkeypatch.setattr("jqjobs.daemon.leases.ticker.log.event", event)
    return lines


def publish(
    system: QueueSystem, name: str = "s", queue: str = "q", app: str = "shop:app", lease_ms: int = 100 * HOUR_MS,
    **changes: Any,
) -> None:  # fmt: skip
    base = {"job": "n", "payload": "{}", "cron": "* * * * *", "tz": "UTC", "missed": "latest", "catch_up_ms": HOUR_MS}
    system.run(plan(queue, lease_ms, app, {name: json.dumps({**base, **changes}, sort_keys=True)}))


def jobs(system: QueueSystem, queue: str = "q") -> list[str]:
    return system.ids("ready", queue)


def job_at(*minutes: int, name: str = "s") -> list[str]:
    return [f"{name}-{BEGIN_MS + minute * MINUTE_MS}" for minute in minutes]


def test_five_daemons_and_sixty_ticks_make_sixty_jobs(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    fleet, rng = tickers(5), random.Random(7)
    for ticker in fleet:
        ticker.tick(["q"])
    for _ in range(60):
        system.clock.advance(MINUTE_MS)
        rng.shuffle(fleet)
        for ticker in fleet:
            ticker.tick(["q"])

    assert jobs(system) == job_at(*range(1, 61))


def test_five_daemons_at_the_very_same_time_make_one_job_a_tick(
    real_system: QueueSystem, start_store: Callable[[QueueSystem], Store]
) -> None:
    real_system.clock.now_ms = BEGIN_MS
    publish(real_system)
    fleet = [Ticker(start_store(real_system), f"d{n}") for n in range(5)]
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
        real_system.clock.advance(MINUTE_MS)
        gate.wait(60)
        gate.wait(60)
    for thread in threads:
        thread.join(60)

    assert errors == []
    assert jobs(real_system) == job_at(*range(1, 61))


@pytest.fixture
def start_store() -> Iterator[Callable[[QueueSystem], Store]]:
    made: list[Store] = []

    def one(system: QueueSystem) -> Store:
        made.append(Store(parse_url(system.url), now_ms=system.clock))
        return made[-1]

    yield one
    for store in made:
        store.close()


def turns(system: QueueSystem, fleet: list[Ticker], seconds: int) -> None:
    """Let time pass, in which all of them look twice a second."""
    for _ in range(2 * seconds):
        system.clock.advance(500)
        for ticker in fleet:
            ticker.tick(["q"])


def test_one_daemon_ticks_and_when_it_is_killed_another_one_within_seconds(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system, cron="", every_ms=1000, missed="all")
    fleet = tickers(4)
    sent = [_count_commands(ticker) for ticker in fleet]
    turns(system, fleet, 20)
    assert [said.total() - said["agenda"] for said in map(by_script, sent)] == [20, 0, 0, 0]

    turns(system, fleet[1:], CLAIM_MS // 1000 - 1)
    assert len(jobs(system)) == 20, "nobody knows yet"
    turns(system, fleet[1:], 2)
    assert len(jobs(system)) >= 24
    turns(system, fleet[1:], 10)
    ticked = [by_script(said)["tick"] for said in sent]
    assert (sum(count > 0 for count in ticked[1:]), ticked[0]) == (1, 20)
    assert jobs(system) == [f"s-{BEGIN_MS + 1000 * n}" for n in range(1, len(jobs(system)) + 1)]


def test_a_daemon_that_ends_lets_another_one_tick_at_once(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    first, second = tickers(2)
    system.clock.advance(MINUTE_MS - 1000)
    for ticker in (first, second):
        ticker.tick(["q"])
    second.resign()
    first.resign()
    system.clock.advance(1000)
    second.tick(["q"])

    assert jobs(system) == job_at(1)


def test_a_queue_that_is_looked_at_no_longer_is_forgotten_and_read_anew_when_it_is_back(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    ticker.tick(["r"])
    assert (list(ticker._numbers), list(ticker._schedules)) == (["r"], ["r"])
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q", "r"])
    assert jobs(system) == job_at(1)


def test_a_clock_that_went_back_does_not_let_a_dead_daemon_tick_for_long(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    [dead] = tickers(1)
    dead.tick(["q"])
    system.clock.advance(-HOUR_MS)
    assert system.run(agenda("q", None, "d", CLAIM_MS)).other_ms == 0


def by_script(sent: Counter[str]) -> Counter[str]:
    found = Counter[str]()
    for said, times in sent.items():
        found[said.split(" ")[0]] += times
    return found


def test_it_says_when_the_next_tick_is_due(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    publish(system)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    system.clock.advance(MINUTE_MS - 1200)
    assert ticker.tick(["q"]) == 1.2
    system.clock.advance(1200)
    assert ticker.tick(["q"]) == LOOK_EVERY_S
    assert jobs(system) == job_at(1)


def test_while_nothing_is_due_it_asks_once_a_queue(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    [ticker] = tickers(1)
    publish(system)
    publish(system, queue="other")
    ticker.tick(["q", "other"])
    sent = _count_commands(ticker)
    ticker.tick(["q", "other"])

    assert sent == {"agenda 1": 2}, "and says what it knows already"


def _count_commands(ticker: Ticker) -> Counter[str]:
    """The names of the scripts it calls from here on, each with its first argument after the time."""
    sent: Counter[str] = Counter()
    seen: list[Call[Any]] = []
    command = ticker._store.command

    def counting(call: Call[Any]) -> Any:
        if not any(call is each for each in seen):  # a script that the server does not know yet is sent twice
            seen.append(call)
            sent[f"{call.script.name} {call.args[1]}"] += 1
        return command(call)

    ticker._store.command = counting  # type: ignore[method-assign]
    return sent


def test_queues_have_schedules_of_the_same_name_each_its_own(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    publish(system, queue="other", cron="*/2 * * * *")
    [ticker] = tickers(1)
    ticker.tick(["q", "other"])
    for _ in range(2):
        system.clock.advance(MINUTE_MS)
        ticker.tick(["q", "other"])

    assert jobs(system) == job_at(1, 2)
    assert jobs(system, "other") == job_at(2)


def test_a_daemon_that_was_away_runs_the_latest_tick_once(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(system)
    system.clock.advance(30 * MINUTE_MS + 5)
    for ticker in tickers(2):
        ticker.tick(["q"])

    assert jobs(system) == job_at(30)
    assert logged == []


def test_a_miss_that_is_too_old_is_not_run_and_said_once(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(system, cron="0 * * * *", catch_up_ms=10 * MINUTE_MS)
    fleet = tickers(2)
    for ticker in fleet:
        ticker.tick(["q"])
    system.clock.advance(80 * MINUTE_MS)
    for ticker in fleet * 2:
        ticker.tick(["q"])
    assert jobs(system) == []
    assert logged == [
        ("schedule.missed", {"schedule": "q/s", "tick_ms": BEGIN_MS + HOUR_MS, "late_ms": 20 * MINUTE_MS})
    ]
    system.clock.advance(40 * MINUTE_MS)
    fleet[0].tick(["q"])
    assert jobs(system) == job_at(120)


def test_all_missed_ticks_run_where_that_is_asked_for(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system, missed="all", catch_up_ms=10 * HOUR_MS)
    system.clock.advance(150 * MINUTE_MS)
    [ticker] = tickers(1)
    ticker.tick(["q"])

    assert jobs(system) == job_at(*range(51, 151))


def test_an_edit_comes_into_force_at_the_next_look(system: QueueSystem, tickers: Callable[[int], list[Ticker]]) -> None:
    publish(system)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    publish(system, cron="*/5 * * * *", payload='{"args":[5]}')
    for _ in range(5):
        system.clock.advance(MINUTE_MS)
        ticker.tick(["q"])

    assert jobs(system) == job_at(5)
    assert system.job(*job_at(5))["payload"] == '{"args":[5]}'


def test_a_pause_holds_even_between_two_looks_and_resume_catches_up_on_nothing(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    system.run(suspend("q", "s"))
    system.clock.advance(10 * MINUTE_MS + 1)
    sent = _count_commands(ticker)
    ticker.tick(["q"])
    assert sent == {"agenda 1": 1}
    system.run(suspend("q", "s", resume=True))
    ticker.tick(["q"])
    assert jobs(system) == []
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])

    assert jobs(system) == job_at(11)


def test_a_schedule_nobody_offers_rests_and_goes_on_once_somebody_does(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    system.clock.advance(200 * HOUR_MS)
    ticker.tick(["q"])
    sent = _count_commands(ticker)
    ticker.tick(["q"])
    assert (jobs(system), sent) == ([], {"agenda 1": 1})
    [other] = tickers(1)
    sent = _count_commands(other)
    other.tick(["q"])
    assert sent == {"agenda ": 1}, "who is told that nobody offers it does not even try"
    system.offer(*offers("q", "s", "shop:app"))
    ticker.tick(["q"])

    assert jobs(system) == job_at(200 * 60)


def test_a_clock_of_redis_that_went_back_an_hour_stops_nothing(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system, cron="*/5 * * * *")
    system.clock.advance(2 * HOUR_MS)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    system.clock.advance(-HOUR_MS + 1000)
    ticker.tick(["q"])
    system.clock.advance(5 * MINUTE_MS)
    ticker.tick(["q"])

    assert jobs(system) == job_at(120, 65)


def test_a_clock_of_redis_that_went_back_a_little_ticks_nothing_twice(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    system.clock.advance(MINUTE_MS)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    system.redis("DEL", system.key("ready"), system.key(f"job:{job_at(1)[0]}"))  # it has run, and is gone
    system.clock.advance(-30_000)
    for _ in range(4):
        system.clock.advance(10_000)
        ticker.tick(["q"])

    assert jobs(system) == []


def test_what_cannot_be_used_is_said_once_and_holds_up_no_other(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(system, "mars", tz="Mars/Olympus")
    publish(system, "garbled", cron="often")
    publish(system, "binary")
    system.redis("HSET", system.key("schedule"), "binary", b"\xff")
    publish(system)
    [ticker] = tickers(1)
    for _ in range(3):
        system.clock.advance(MINUTE_MS)
        ticker.tick(["q"])
        publish(system, payload=json.dumps({"args": [system.clock.now_ms]}))  # so that all is read again

    assert jobs(system) == job_at(1, 2, 3)
    assert sorted(fields["schedule"] for _, fields in logged) == ["q/binary", "q/garbled", "q/mars"]


@pytest.mark.parametrize("progress", ["9" * 40 + " 0 ", "nonsense", "-1 0 ", "1 x", ""])
def test_how_far_a_schedule_got_is_not_believed_where_nobody_can_have_got(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], progress: str
) -> None:
    publish(system)
    [ticker] = tickers(1)
    system.redis("HSET", system.key("ticks"), "s", progress)
    for _ in range(3):
        system.clock.advance(MINUTE_MS)
        assert ticker.tick(["q"]) > 0

    assert set(job_at(2, 3)) <= set(jobs(system))


def test_a_damaged_queue_holds_up_no_other_and_is_said_once(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: list[Any]
) -> None:
    publish(system)
    system.redis("SET", system.key("schedule", "bad"), "x")
    publish(system, queue="stuck")
    system.redis("SET", system.key("ready", "stuck"), "x")
    [ticker] = tickers(1)
    for _ in range(3):
        system.clock.advance(MINUTE_MS)
        wait_s = ticker.tick(["bad", "q", "stuck"])
        assert wait_s > 0, "no busy loop over what does not work"

    assert jobs(system) == job_at(1, 2, 3)
    assert sorted(fields["schedule"] for _, fields in logged) == ["bad", "stuck/s"]


def test_a_flushed_redis_leaves_no_schedule_and_a_new_one_works(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]]
) -> None:
    publish(system)
    [ticker] = tickers(1)
    ticker.tick(["q"])
    system.redis("FLUSHALL")
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    assert jobs(system) == []
    publish(system)
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])

    assert jobs(system) == job_at(2, 3)


def test_two_apps_that_publish_one_schedule_are_told_so_once_by_name(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: list[tuple[str, dict[str, Any]]]
) -> None:
    [ticker] = tickers(1)

    def said_after(**changes: Any) -> list[str]:
        logged.clear()
        publish(system, lease_ms=3 * MINUTE_MS, **changes)
        for _ in range(2):
            system.clock.advance(30_000)
            ticker.tick(["q"])
        assert {name for name, _ in logged} <= {"schedule.clash"}
        return [f"{fields['schedule']} {fields['apps']}" for _, fields in logged]

    assert said_after() == []
    assert said_after(cron="*/2 * * * *") == [], "other code of one app is a deploy"
    assert said_after(app="blog:app") == ["q/s blog:app, shop:app"]
    assert said_after() == said_after(app="blog:app") == []
    assert said_after(app="news:app") == ["q/s blog:app, news:app, shop:app"]


def test_who_does_not_tick_says_it_too_each_half_minute(
    system: QueueSystem, tickers: Callable[[int], list[Ticker]], logged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = 0
    monkeypatch.setattr("jqjobs.daemon.leases.ticker.monotonic_ms", lambda: now_ms)
    ticking, other = tickers(2)
    ticking.tick(["q"])
    ticks = system.redis("HGET", system.key("meta"), "ticker")
    told = []
    for app in ("shop:app", "blog:app", "news:app", "news:app"):
        publish(system, app=app)
        now_ms += 20_000
        other.watch(["q"])
        told.append(len(logged))
    assert told == [0, 1, 1, 2]
    assert [fields["apps"] for _, fields in logged] == ["blog:app, shop:app", "blog:app, news:app, shop:app"]
    assert system.redis("HGET", system.key("meta"), "ticker") == ticks


def test_an_outage_is_for_the_lease_thread_to_wait_out(start_server: Any) -> None:
    server = start_server("valkey")
    store = Store(parse_url(server.url))
    ticker = Ticker(store, "d")
    ticker.tick(["q"])
    server.kill()
    with pytest.raises(StoreUnavailable):
        ticker.tick(["q"])
    store.close()


def test_a_redis_that_only_serves_reads_is_waited_out_like_an_outage(start_server: Any) -> None:
    system = QueueSystem(start_server("valkey").url)
    publish(system)
    ticker = Ticker(system.store, "d")
    system.clock.advance(MINUTE_MS)
    ticker.tick(["q"])
    system.redis("REPLICAOF", "127.0.0.1", "1")
    system.clock.advance(MINUTE_MS)
    with pytest.raises(StoreBusy):
        ticker.tick(["q"])
    system.store.close()
