"""Remote control: orders reach the daemon, answers reach who asked, and nothing of it holds up or wears out either."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from jqjobs.daemon.control import listener as control
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.jobs.records import new_id
from jqjobs.store import keys
from jqjobs.store.address import parse_url
from jqjobs.store.calls import daemons
from jqjobs.store.calls.orders import Order, OrderAnswer, Verb, parse_answer
from jqjobs.store.outage import Failures
from jqjobs.store.store import Store
from log_lines import Lines
from servers import Server
from store.queue_system import START_MS, QueueSystem
from waiting import eventually

#: One for each test: the fake server gives an order to a listener that is gone, if it waited on the same list.
DAEMON = ""
NONCE = "abcd2345"
Listen = Callable[..., ControlListener]
#: Longer than any test waits: what comes sooner did not wait for Redis to end a BLPOP.
_FOR_EVER_S = 600


@pytest.fixture(autouse=True)
def _daemon_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "DAEMON", f"h:1:{new_id()}")


@pytest.fixture(autouse=True)
def _time_of_redis(request: pytest.FixtureRequest) -> None:
    if "system" in request.fixturenames:
        request.getfixturevalue("system").store._now_ms = None


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start listeners for `DAEMON`; they are ended with the test."""
    started: list[ControlListener] = []

    def one(url: str, wake: Callable[[], None] = lambda: None) -> ControlListener:
        listener = ControlListener(DAEMON, parse_url(url), wake)
        listener.start()
        started.append(listener)
        return listener

    yield one
    for listener in started:
        listener.end(20)
        assert not listener.is_alive()


@pytest.fixture
def listener(system: QueueSystem, listen: Listen) -> ControlListener:
    return listen(system.url)


def order(store: Store, verb: Verb = Verb.QUIET, argument: str = "", nonce: str = NONCE) -> Order:
    given = Order(verb, argument, nonce)
    store.run(daemons.post_order(DAEMON, given.to_json()))
    return given


def heard(listener: ControlListener, timeout_s: float = 20) -> Order:
    return listener.orders.get(timeout=timeout_s)


def answers(system: QueueSystem, nonce: str = NONCE) -> list[OrderAnswer | None]:
    return [parse_answer(raw) for raw in system.redis("LRANGE", system.store.address.key(keys.answer(nonce)), 0, -1)]


# The lists in Redis


def test_a_posted_order_carries_the_time_of_redis_and_expires(system: QueueSystem) -> None:
    system.store._now_ms = system.clock
    assert system.run(daemons.post_order(DAEMON, Order(Verb.SCALE, "+1", NONCE).to_json())) == 1
    [raw] = system.redis("LRANGE", f"jq:{{~}}:control:{DAEMON}", 0, -1)

    assert json.loads(raw) == {"v": 1, "verb": "scale", "argument": "+1", "nonce": NONCE, "at_ms": START_MS}
    assert 50_000 < system.redis("PTTL", f"jq:{{~}}:control:{DAEMON}") <= 60_000


def test_an_answer_is_posted_for_its_nonce_and_expires(system: QueueSystem) -> None:
    system.run(daemons.post_answer(NONCE, OrderAnswer("d", True, "ü").to_json()))

    assert answers(system) == [OrderAnswer("d", True, "ü", {})]
    assert 50_000 < system.redis("PTTL", f"jq:{{~}}:answer:{NONCE}") <= 60_000


def test_a_list_that_nobody_reads_keeps_the_latest(system: QueueSystem) -> None:
    for number in range(130):
        system.run(daemons.post_order(DAEMON, json.dumps({"n": number})))

    found = [
        json.loads(raw)["n"] for raw in system.redis("LRANGE", system.store.address.key(keys.control(DAEMON)), 0, -1)
    ]
    assert found == list(range(30, 130))


def test_a_key_of_another_type_is_set_aside(system: QueueSystem) -> None:
    control_key = system.store.address.key(keys.control(DAEMON))
    system.redis("SET", control_key, "x")
    order(system.store)

    assert system.redis("LLEN", control_key) == 1
    assert system.redis("GET", f"{control_key}:damaged") == b"x"


# Hearing and answering


def test_an_order_wakes_the_main_loop_with_the_order_there(system: QueueSystem, listen: Listen) -> None:
    seen: list[int] = []
    listener: ControlListener = listen(system.url, lambda: seen.append(listener.orders.qsize()))
    order(system.store, Verb.SCALE, "-1")

    assert heard(listener).argument == "-1"
    eventually(lambda: seen == [1])


def test_orders_come_in_the_order_they_were_given_those_from_before_the_start_too(
    system: QueueSystem, listen: Listen
) -> None:
    order(system.store, Verb.QUIET)
    listener = listen(system.url)
    assert heard(listener).verb is Verb.QUIET
    for verb in (Verb.RESUME, Verb.DUMP):
        order(system.store, verb)

    assert [heard(listener).verb for _ in range(2)] == [Verb.RESUME, Verb.DUMP]
    assert system.redis("EXISTS", system.store.address.key(keys.control(DAEMON))) == 0


def test_an_answer_goes_at_once_although_the_listener_waits_for_orders(
    system: QueueSystem, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_BLOCK_S", _FOR_EVER_S)
    listener = listen(system.url)
    order(system.store)
    given = heard(listener)
    listener.answer(given, True, "done", stacks=[{"pid": 1}])
    listener.answer(given, False, "and again")

    eventually(lambda: len(answers(system)) == 2)
    assert answers(system) == [
        OrderAnswer(DAEMON, True, "done", {"stacks": [{"pid": 1}]}),
        OrderAnswer(DAEMON, False, "and again"),
    ]
    order(system.store, Verb.RELOAD)
    assert heard(listener).verb is Verb.RELOAD


def test_what_is_no_order_is_said_once_and_holds_up_nothing(system: QueueSystem, listen: Listen, logged: Lines) -> None:
    for junk in (b"\xff", b"[]", b'{"v":1}', b"x" * 5000):
        system.redis("RPUSH", system.store.address.key(keys.control(DAEMON)), junk)
    listener = listen(system.url)
    order(system.store)

    assert heard(listener).verb is Verb.QUIET
    assert [(line["event"], line["level"]) for line in logged] == [("control.ignored", 30)]


def test_an_order_from_long_ago_is_not_obeyed(system: QueueSystem, listen: Listen, logged: Lines) -> None:
    now_ms = system.redis("TIME")
    system.store._now_ms = lambda: int(now_ms[0]) * 1000 - 6000
    order(system.store, Verb.STOP)
    system.store._now_ms = None
    listener = listen(system.url)
    order(system.store, Verb.QUIET)

    assert heard(listener).verb is Verb.QUIET
    assert listener.orders.empty()
    assert [line["error"] for line in logged] == ["an order that was posted long ago"]


def test_an_answer_that_redis_refuses_is_dropped_and_said_once(
    system: QueueSystem, listener: ControlListener, logged: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = daemons.post_answer
    without_life = replace(post("odd12345", "{}"), args=["", 2, "no number", "{}"])
    monkeypatch.setattr(daemons, "post_answer", lambda to, text: without_life if to == "odd12345" else post(to, text))
    for _ in range(2):
        order(system.store, nonce="odd12345")
        listener.answer(heard(listener), True, "lost")
    order(system.store)
    listener.answer(heard(listener), True, "arrives")

    eventually(lambda: answers(system) == [OrderAnswer(DAEMON, True, "arrives", {})])
    assert logged.names() == ["control.unanswered"]


def test_an_idle_listener_costs_one_command_for_each_wait(
    any_server: Server, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 1 / control._BLOCK_S < 0.3
    monkeypatch.setattr(control, "_BLOCK_S", 1)
    any_server.call("CONFIG", "RESETSTAT")
    start = time.monotonic()
    listen(any_server.url)

    def counted() -> dict[str, int]:
        lines = any_server.call("INFO", "commandstats").decode().split()
        pairs = [line.removeprefix("cmdstat_").split(":calls=") for line in lines if line.startswith("cmdstat_")]
        return {name: int(rest.split(",")[0]) for name, rest in pairs}

    eventually(lambda: counted().get("blpop", 0) >= 3)
    found = counted()
    mine = {name: calls for name, calls in found.items() if name not in ("info", "config|resetstat")}
    assert mine.pop("client|setname") == 1, "the connection is made once"
    assert mine == {"blpop": found["blpop"]}
    assert found["blpop"] <= time.monotonic() - start + 1


# Without Redis, and at the end


@pytest.mark.parametrize("kind", ["valkey", "redis"])
def test_an_outage_is_waited_out_and_said_once(
    kind: str, start_server: Callable[..., Server], connect: Callable[..., Store],
    listen: Listen, logged: Lines, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pauses: list[int] = []
    monkeypatch.setattr(control, "_BLOCK_S", 1)
    monkeypatch.setattr(Failures, "pause_s", lambda failures: pauses.append(failures.count) or 0.02)
    server = start_server(kind)
    listener = listen(server.url)
    order(connect(server.url))
    given = heard(listener)
    server.kill()
    listener.answer(given, True, "too late for its asker, but nobody waits for it")
    eventually(lambda: pauses[-1] >= 2 * control._SAY_AFTER if pauses else False, 20)
    assert pauses == list(range(1, len(pauses) + 1))
    server.restart()
    eventually(lambda: len(logged) == 2, 20)
    order(connect(server.url), Verb.RESUME)

    assert heard(listener).verb is Verb.RESUME
    assert logged.names() == ["control.deaf", "control.back"]


def test_a_key_of_another_type_is_waited_out_too(system: QueueSystem, listen: Listen, logged: Lines) -> None:
    system.redis("SET", system.store.address.key(keys.control(DAEMON)), "x")
    listener = listen(system.url)
    eventually(lambda: logged, 20)
    assert "WRONGTYPE" in logged[0]["error"]
    system.redis("DEL", system.store.address.key(keys.control(DAEMON)))
    order(system.store)

    assert heard(listener).verb is Verb.QUIET


def test_it_ends_at_once_and_what_was_said_last_is_delivered(
    system: QueueSystem, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_BLOCK_S", _FOR_EVER_S)
    listener = listen(system.url)
    order(system.store, Verb.STOP)
    listener.answer(heard(listener), True, "goodbye")
    listener.end(20)

    assert not listener.is_alive()
    assert answers(system) == [OrderAnswer(DAEMON, True, "goodbye", {})]
    listener.answer(Order(Verb.PING, "", NONCE), True, "nobody delivers this, and nothing is raised")


def test_an_answer_that_comes_between_its_last_look_and_its_end_is_delivered_too(
    system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = ControlListener(DAEMON, parse_url(system.url), lambda: None)
    monkeypatch.setattr(listener, "_turn", lambda: listener._ending.wait(20))
    listener.start()
    listener.answer(Order(Verb.STOP, "", NONCE), True, "goodbye")
    listener.end(20)

    assert answers(system) == [OrderAnswer(DAEMON, True, "goodbye", {})]


@pytest.mark.parametrize("kind", ["valkey", "redis"])
def test_neither_answering_nor_ending_waits_for_a_redis_that_stands_still(
    kind: str, start_server: Callable[..., Server], connect: Callable[..., Store], listen: Listen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(control, "_TIMEOUT_S", _FOR_EVER_S)
    server = start_server(kind)
    listener = listen(server.url)
    order(connect(server.url))
    given = heard(listener)
    os.kill(server.pid, signal.SIGSTOP)
    start = time.monotonic()
    listener.answer(given, True, "x")
    listener.end(1)
    assert listener.is_alive()
    assert time.monotonic() - start < 10
    os.kill(server.pid, signal.SIGCONT)
