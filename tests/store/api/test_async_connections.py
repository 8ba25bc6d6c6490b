"""The connections of an event loop: few, however many coroutines call at once, and gone with the loop."""

from __future__ import annotations

import asyncio
import gc
import math
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import StoreBusy, StoreRefused, StoreUnavailable
from jqjobs.jobs.records import Kind
from jqjobs.store import aio, async_lane
from jqjobs.store.aio import MOST_CONNECTIONS
from servers import Server
from store.queue_system import QueueSystem
from waiting import eventually

MANY = 300


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """A server that lets in few, as small ones of providers do."""
    return start_server("valkey", "--maxclients", str(MOST_CONNECTIONS + 5))


@pytest.fixture
def app(server: Server) -> Iterator[App]:
    made = App(redis_url=server.url)
    made.job(name="mail", queue="q", keep="1h")(lambda to: None)
    yield made
    assert made.client._loops.by_loop == {}, "no loop is left, and nobody had to close anything"
    made.client.close()


def enqueue(app: App, number: int) -> Coroutine[Any, Any, Any]:
    mail: Any = app.registry.find("mail")
    return mail.enqueue_async(f"{number}")


def connections(server: Server) -> list[str]:
    """The names of all clients but the one that asks."""
    listed = server.call("CLIENT", "LIST").decode().splitlines()
    return sorted(word.removeprefix("name=") for line in listed for word in line.split() if word.startswith("name=jq"))


def test_hundreds_of_coroutines_enqueue_and_wait_over_few_connections(app: App, server: Server) -> None:
    system = QueueSystem(server.url)
    seen: list[list[str]] = []

    async def work() -> list[Any]:
        jobs = await asyncio.gather(*(enqueue(app, number) for number in range(MANY)))
        waiting = asyncio.gather(*(job.result_async(timeout=60) for job in jobs))
        while (
            numbers := set(system.redis("PUBSUB", "NUMSUB", *(f"jq:{{q}}:over:{job.id}" for job in jobs))[1::2])
        ) != {1}:
            assert numbers <= {0, 1}
            await asyncio.sleep(0.01)
        seen.append(connections(server))
        await asyncio.to_thread(succeed_all)
        return await waiting

    def succeed_all() -> None:
        while jobs := system.take("w"):
            for job in jobs:
                system.settle("w", job, Kind.KEPT, 100_000, line=b"42")

    system.store._now_ms = None
    assert asyncio.run(work()) == [42] * MANY
    assert seen[0].count("jqjobs-waiter") == 1
    assert seen[0].count("jqjobs-async") <= MOST_CONNECTIONS + 1
    eventually(lambda: "jqjobs-async" not in connections(server), what="they are closed with the loop")
    system.store.close()


def test_each_loop_takes_its_connections_along(app: App, server: Server) -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def work() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await enqueue(app, 1)

    for _ in range(20):
        asyncio.run(work())
        assert app.client._loops.by_loop == {}
    eventually(lambda: "jqjobs-async" not in connections(server))
    gc.collect()
    assert [loop() for loop in loops] == [None] * 20


def test_a_loop_that_was_closed_without_a_word_is_forgotten_by_the_next(app: App, server: Server) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(enqueue(app, 1))
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of whoever closed it like that
        asyncio.run(enqueue(app, 2))
        gc.collect()
    eventually(lambda: "jqjobs-async" not in connections(server))


def test_hundreds_of_coroutines_enqueue_over_one_connection_each_its_own_job(app: App, server: Server) -> None:
    async def work() -> tuple[list[Any], int]:
        await enqueue(app, 0)  # the queue is known
        jobs = await asyncio.gather(*(enqueue(app, number) for number in range(MANY)))
        return jobs, connections(server).count("jqjobs-async")

    jobs, count = asyncio.run(work())
    assert [job.info().args for job in jobs] == [[f"{number}"] for number in range(MANY)]
    assert all(job.created for job in jobs)
    assert len({job.id for job in jobs}) == MANY
    assert count == 2, "one for the queue that was new, one for all jobs"


def one(app: App) -> Coroutine[Any, Any, Any]:
    return enqueue(app, 1)


def two(app: App) -> Coroutine[Any, Any, Any]:
    mail: Any = app.registry.find("mail")
    return mail.enqueue_many_async([("1",), ("2",)])


@pytest.mark.parametrize(
    ("send", "said"),
    [(one, "none of 1 calls was answered in time; job q/"), (two, "none of 1 connections was free in time; of 2 jobs")],
)
def test_who_finds_no_room_waits_no_longer_than_a_call_may_take(
    app: App, server: Server, monkeypatch: pytest.MonkeyPatch, send: Callable[[App], Any], said: str
) -> None:
    monkeypatch.setattr(aio, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(async_lane, "MOST_ASKED", 1)
    monkeypatch.setenv("JQ_TIMEOUT", "4s")

    async def work() -> list[Any]:
        await enqueue(app, 1)
        server.call("CLIENT", "PAUSE", "20000", "ALL")
        first = asyncio.ensure_future(send(app))
        await asyncio.sleep(0)  # it has the connection, and for longer than the others may wait
        monkeypatch.setattr(app.client._whereabouts, "timeout_s", 2.0)
        return await asyncio.gather(first, send(app), send(app), return_exceptions=True)

    first, *others = asyncio.run(work())
    assert isinstance(first, StoreUnavailable)
    assert first.maybe_stored
    assert all(isinstance(error, StoreUnavailable) and not error.maybe_stored for error in others)
    assert all(said in str(error) for error in others)


@pytest.mark.parametrize(
    ("change", "error"),
    [(("REPLICAOF", "127.0.0.1", "1"), StoreBusy), (("ACL", "SETUSER", "default", "-evalsha", "-eval"), StoreRefused)],
)
def test_a_coroutine_hears_the_same_errors_as_a_thread(
    app: App, server: Server, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...], error: type[Exception]
) -> None:
    monkeypatch.setenv("JQ_TIMEOUT", "2s")
    mail: Any = app.registry.find("mail")
    mail.enqueue("ann")
    server.call(*change)
    with pytest.raises(error) as in_thread:
        mail.enqueue("ann")
    with pytest.raises(error) as in_coroutine:
        asyncio.run(enqueue(app, 1))
    assert type(in_thread.value) is type(in_coroutine.value) is error
    assert in_thread.value.hint == in_coroutine.value.hint


def test_a_connection_that_comes_when_its_coroutine_has_given_up_goes_to_the_next(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "MOST_CONNECTIONS", 1)

    async def work() -> Any:
        store = app.client._loops.of_running_loop()
        wire = await store._lend(math.inf)
        waiting = asyncio.create_task(store._lend(math.inf))
        await asyncio.sleep(0)
        store._take_back(wire)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await enqueue(app, 1)

    assert asyncio.run(work()).created


def test_a_cancelled_coroutine_gives_its_place_back(app: App, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_lane, "MOST_ASKED", 2)

    async def work() -> Any:
        for _ in range(3):
            server.call("CLIENT", "PAUSE", "100", "ALL")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await asyncio.gather(*(enqueue(app, number) for number in range(10)))
        return await enqueue(app, 1)

    assert asyncio.run(work()).created
