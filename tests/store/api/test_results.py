"""Waiting for the end of a job: what is asked, what is announced, and what comes of it, in threads and coroutines."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jqjobs import JobHandle
from jqjobs.api import results
from jqjobs.api.client import Client
from jqjobs.errors import JobFailed, NotFound, ResultMissing, ResultTimeout, StoreUnavailable
from jqjobs.jobs.records import Kind
from jqjobs.store import keys
from jqjobs.store.calls.endings import Ending, JobEnd, job_end, subscribe
from servers import Server
from store.queue_system import QueueSystem
from waiting import eventually


def end_of(system: QueueSystem, job_id: str = "a") -> JobEnd:
    return system.run(job_end("q", job_id))


@contextmanager
def listening(system: QueueSystem, job_id: str = "a") -> Iterator[Callable[..., bool]]:
    """Listen to the end of a job; whether something is to be heard within some seconds."""
    with subscribe(system.store.address, keys.over("q", job_id)) as subscription:
        yield lambda within_s=10: subscription._wire.poll(within_s)


def test_a_job_that_never_was_or_was_not_kept_is_gone(system: QueueSystem) -> None:
    assert end_of(system).ending is Ending.GONE
    system.add("a")
    assert end_of(system).ending is Ending.PENDING
    system.round(Kind.DONE)
    assert end_of(system).ending is Ending.GONE
    assert system.job("a") == {}


def test_a_kept_job_has_its_result(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.KEPT, 1000, line=b'{"sum":[]}')
    assert end_of(system) == JobEnd(Ending.KEPT, result=b'{"sum":[]}')


def test_a_kept_job_without_a_result_says_why(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.KEPT, 1000, text="a set is not JSON")
    assert end_of(system) == JobEnd(Ending.KEPT, reason="a set is not JSON")


def test_a_dead_job_says_why_and_its_last_error(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 1))
    system.round(Kind.FAILED, text="boom")
    assert end_of(system) == JobEnd(Ending.DEAD, reason="failed", error="boom")


@pytest.mark.parametrize("kind", [Kind.KEPT, Kind.DISCARDED])
def test_the_end_of_an_awaited_job_is_published_and_leaves_no_mark(system: QueueSystem, kind: Kind) -> None:
    system.add("a")
    assert end_of(system).ending is Ending.PENDING
    assert system.job("a")["awaited"] == "1"
    with listening(system) as heard:
        system.round(kind, 1000)
        assert heard()
    assert "awaited" not in system.job("a")


def test_the_end_of_an_awaited_job_is_published_whoever_makes_it_dead(system: QueueSystem) -> None:
    system.add("a", fields=("expires", "+5"))
    end_of(system)
    system.clock.advance(10)
    with listening(system) as heard:
        assert system.take() == []
        assert heard()
    assert end_of(system).reason == "expired"


def test_an_attempt_that_fails_leaves_the_job_awaited(system: QueueSystem) -> None:
    system.add("a")
    end_of(system)
    system.round(Kind.FAILED)
    assert system.job("a")["awaited"] == "1"
    assert end_of(system).ending is Ending.PENDING


@pytest.mark.parametrize("kind", [Kind.KEPT, Kind.DISCARDED])
def test_nothing_is_published_of_a_job_nobody_waits_for(system: QueueSystem, kind: Kind) -> None:
    system.add("a", "b")
    end_of(system, "b")
    with listening(system, "a") as heard_a, listening(system, "b") as heard_b:
        for job in system.take(want=2):
            system.settle("w", job, kind, 1000)
        assert heard_b()
        assert not heard_a(0.1)


def test_who_may_not_publish_settles_all_the_same(real_system: QueueSystem) -> None:
    real_system.redis("ACL", "SETUSER", "mute", "on", ">x", "allkeys", "resetchannels", "+@all", "-publish")
    real_system.add("a")
    end_of(real_system)
    [job] = real_system.take()
    real_system.redis("AUTH", "mute", "x")
    real_system.settle("w", job, Kind.KEPT, 1000, line=b"1")
    real_system.store.close()
    real_system.redis("ACL", "DELUSER", "mute")
    assert real_system.states("a") == ["kept"]


# Handles


class Waiter:
    """Waits for one job in a thread of its own or an event loop of its own."""

    def __init__(self, url: str, how: str, *, timeout: Any = 30) -> None:
        self._url = url
        self._timeout = timeout
        self._run = self._wait if how == "thread" else lambda: asyncio.run(self._wait_async())
        self.answer: Any = None
        self._thread = threading.Thread(target=self._note, daemon=True)

    def start(self) -> Waiter:
        self._thread.start()
        return self

    def wait(self) -> Any:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.answer

    def _note(self) -> None:
        try:
            self.answer = self._run()
        except Exception as error:
            self.answer = error

    def _wait(self) -> Any:
        client = Client(self._url)
        try:
            return JobHandle("a", "q", True, client).result(self._timeout)
        finally:
            client.close()

    async def _wait_async(self) -> Any:
        client = Client(self._url)
        try:
            return await JobHandle("a", "q", True, client).result_async(self._timeout)
        finally:
            await client.close_async()


@pytest.fixture(params=["thread", "coroutine"])
def waiter(system: QueueSystem, request: pytest.FixtureRequest) -> Callable[..., Waiter]:
    return lambda **options: Waiter(system.url, request.param, **options)


def subscribers(system: QueueSystem) -> int:
    if system.kind == "fake":
        return int(
            system.redis(
                "EVAL", "return redis.call('PUBLISH', ARGV[1], 'x')", 0, system.store.address.key(keys.over("q", "a"))
            )
        )
    return int(system.redis("PUBSUB", "NUMSUB", system.store.address.key(keys.over("q", "a")))[1])


def test_a_result_that_is_there_is_returned_at_once(system: QueueSystem, waiter: Callable[..., Waiter]) -> None:
    system.add("a")
    system.round(Kind.KEPT, 100_000, line=json.dumps({"sum": [1, None]}).encode())
    assert waiter(timeout=0).start().wait() == {"sum": [1, None]}


def test_who_waits_hears_of_the_end_without_looking_again(
    system: QueueSystem, waiter: Callable[..., Waiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_LOOKS_S", (25.0,))
    system.add("a")
    waiting = waiter().start()
    eventually(lambda: subscribers(system) == 1)
    began = time.monotonic()
    system.round(Kind.KEPT, 100_000, line=b"42")
    assert waiting.wait() == 42
    assert time.monotonic() - began < 15
    eventually(lambda: subscribers(system) == 0)


def test_several_wait_for_one_job_and_all_hear_of_it(system: QueueSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_LOOKS_S", (25.0,))
    system.add("a")
    waiting = [Waiter(system.url, how).start() for how in ("thread", "coroutine", "thread")]
    eventually(lambda: subscribers(system) == 3)
    system.round(Kind.KEPT, 100_000, line=b"42")
    assert [each.wait() for each in waiting] == [42, 42, 42]


def test_a_message_that_is_lost_costs_only_time(system: QueueSystem, waiter: Callable[..., Waiter]) -> None:
    system.add("a")
    waiting = waiter().start()
    eventually(lambda: system.job("a").get("awaited"))
    system.redis("HDEL", system.key("job:a"), "awaited")
    system.round(Kind.KEPT, 100_000, line=b"42")
    assert waiting.wait() == 42


def test_a_success_that_is_not_kept_is_not_found(system: QueueSystem, waiter: Callable[..., Waiter]) -> None:
    system.add("a")
    waiting = waiter().start()
    eventually(lambda: system.job("a").get("awaited"))
    system.round(Kind.DONE)
    assert isinstance(waiting.wait(), NotFound)


def test_a_dead_job_raises_with_its_reason_and_error(system: QueueSystem, waiter: Callable[..., Waiter]) -> None:
    system.add("a")
    system.round(Kind.DISCARDED, text="ValueError: never")
    failed = waiter().start().wait()
    assert isinstance(failed, JobFailed)
    assert (failed.reason, failed.error) == ("discarded", "ValueError: never")
    assert failed.message == "job q/a is dead (discarded): ValueError: never"


def test_a_missing_result_raises_with_the_reason(system: QueueSystem, waiter: Callable[..., Waiter]) -> None:
    system.add("a")
    system.round(Kind.KEPT, 100_000, text="a set is not JSON")
    missing = waiter().start().wait()
    assert isinstance(missing, ResultMissing)
    assert missing.reason == "a set is not JSON"


@pytest.mark.parametrize("timeout", [0, "100ms"])
def test_waiting_ends_with_a_timeout_error(system: QueueSystem, waiter: Callable[..., Waiter], timeout: Any) -> None:
    system.add("a")
    late = waiter(timeout=timeout).start().wait()
    assert isinstance(late, ResultTimeout)
    assert isinstance(late, TimeoutError)
    assert late.code == "result_timeout"
    assert system.states("a") == ["ready"]


@pytest.mark.parametrize("how", ["thread", "coroutine"])
def test_redis_going_away_ends_the_wait_with_an_error(start_server: Callable[..., Server], how: str) -> None:
    server = start_server("valkey")
    system = QueueSystem(server.url)
    system.add("a")
    waiting = Waiter(system.url, how).start()
    eventually(lambda: subscribers(system) == 1)
    system.store.close()
    server.kill()
    assert isinstance(waiting.wait(), StoreUnavailable)


@pytest.mark.parametrize("how", ["thread", "coroutine"])
def test_who_waits_outlives_its_connections(any_server: Server, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are killed when a password is rotated."""
    monkeypatch.setattr(results, "_LOOKS_S", (25.0,))
    system = QueueSystem(any_server.url)
    system.add("a")
    waiting = Waiter(system.url, how).start()
    for _ in range(3):
        eventually(lambda: subscribers(system) == 1)
        system.redis("CLIENT", "KILL", "TYPE", "pubsub")
    eventually(lambda: subscribers(system) == 1)
    system.round(Kind.KEPT, 100_000, line=b"42")
    assert waiting.wait() == 42
    system.store.close()
