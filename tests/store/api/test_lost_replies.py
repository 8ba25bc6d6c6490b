"""One call, one job: replies that are lost, connections that were forgotten, servers that serve nobody for a while."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs import App, JobHandle
from jqjobs.api import client
from jqjobs.api.app import Job
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import StoreBusy, StoreUnavailable
from jqjobs.jobs.records import Kind
from jqjobs.store import async_pipe, async_wire, freshness
from jqjobs.store.address import parse_url
from jqjobs.store.spreading import CHUNK_JOBS
from proxy import Proxy, Weather
from servers import Server
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

Send = Callable[[App, "Job[Any, Any]"], JobHandle]


class Thief(Weather):
    """Loses the one reply after which ``when`` says yes; it is asked when Redis has done what it was told."""

    when: Callable[[], bool] = staticmethod(lambda: False)
    stolen = 0

    @property
    def loss(self) -> float:
        if self.stolen or not self.when():
            return 0.0
        self.stolen += 1
        return 1.0

    @loss.setter
    def loss(self, value: float) -> None:
        """It is decided by ``when``."""


@pytest.fixture
def system(live_system: QueueSystem) -> QueueSystem:
    """The server itself, by its own clock."""
    return live_system


@pytest.fixture
def link(any_server: Server) -> Iterator[Proxy]:
    proxy = Proxy(parse_url(any_server.url), Thief()).start()
    yield proxy
    proxy.close()


@pytest.fixture
def app(link: Proxy) -> Iterator[App]:
    made = App(redis_url=link.url)
    yield made
    made.client.close()


@pytest.fixture
def mail(app: App) -> Job[Any, Any]:
    return app.job(name="mail")(lambda to: None)


def enqueue(app: App, job: Job[Any, Any]) -> JobHandle:
    return job.enqueue("ann")


def enqueue_async(app: App, job: Job[Any, Any]) -> JobHandle:
    async def produce() -> JobHandle:
        await job.options(queue="other").enqueue_async("bob")  # a connection that has been used
        try:
            return await job.enqueue_async("ann")
        finally:
            await app.client.close_async()

    return asyncio.run(produce())


both = pytest.mark.parametrize("send", [enqueue, enqueue_async])


def succeed(system: QueueSystem) -> bool:
    """Be the quick worker: the job succeeds before its producer hears anything. Return whether there was one."""
    jobs = system.take("w", queues=("default",))
    for job in jobs:
        system.settle("w", job, Kind.DONE)
    return bool(jobs)


@both
def test_a_job_that_succeeded_before_its_reply_was_lost_is_not_created_anew(
    app: App, mail: Job[Any, Any], link: Proxy, system: QueueSystem, send: Send
) -> None:
    mail.options(queue="other").enqueue("bob")
    link.weather.when = lambda: succeed(system)
    with pytest.raises(StoreUnavailable, match="job default/mine may be stored") as raised:
        send(app, mail.options(id="mine"))
    error = raised.value
    assert (error.maybe_stored, error.ids, error.unknown, error.stored, error.unsent) == (
        True, ("mine",), ("mine",), (), ()
    )  # fmt: skip
    assert "app.handle('default/mine').state()" in error.hint
    assert system.ids("ready", "default") == []
    assert system.meta("done", "default") == 1


def test_a_member_whose_reply_was_lost_is_counted_when_it_is_added_again(
    app: App, mail: Job[Any, Any], link: Proxy, system: QueueSystem
) -> None:
    with app.batch("b", then=mail.call("done")) as batch:
        batch.add(mail.options(id="first").call("ann"))
        link.weather.when = lambda: system.states("mine", "default") == ["ready"]
        with pytest.raises(StoreUnavailable):
            batch.add(mail.options(id="mine").call("bob"))
        for _ in range(2):
            assert not batch.add(mail.options(id="mine").call("bob")).created
        assert batch.added == 2
    assert succeed(system)
    assert batch.status().open == 1


@both
def test_what_could_not_be_sent_is_not_said_to_be_stored(
    app: App, mail: Job[Any, Any], link: Proxy, send: Send
) -> None:
    link.weather.refuses = True
    with pytest.raises(StoreUnavailable, match=r"job .*/mine is not stored") as raised:
        send(app, mail.options(id="mine"))
    assert not raised.value.maybe_stored
    assert raised.value.unsent == ("mine",)


@both
def test_a_connection_that_is_cut_before_anything_was_sent_fails_nobody(link: Proxy, send: Send) -> None:
    app = App(redis_url=f"{link.url}/1")  # so that something is said before the job is sent
    link.weather.when = lambda: True
    handle = send(app, app.job(name="mail", queue="cut")(lambda to: None).options(id="mine"))
    assert link.weather.stolen == 1
    assert handle.state() == "ready"
    app.client.close()


def enqueue_many(app: App, job: Job[Any, Any], count: int) -> list[JobHandle]:
    return job.enqueue_many([(f"{n}",) for n in range(count)])


def enqueue_many_async(app: App, job: Job[Any, Any], count: int) -> Any:
    async def produce() -> Any:
        try:
            return await app.client.enqueue_async("default", [job._new((f"{n}",), {}) for n in range(count)])
        finally:
            await app.client.close_async()

    return asyncio.run(produce())


@pytest.mark.parametrize("send", [enqueue_many, enqueue_many_async])
def test_of_many_what_is_stored_what_may_be_and_what_was_not_sent_are_told_apart(
    app: App, mail: Job[Any, Any], link: Proxy, system: QueueSystem, send: Callable[..., Any]
) -> None:
    count = 10 * CHUNK_JOBS
    link.weather.when = lambda: system.redis("ZCARD", system.key("ready", "default")) > CHUNK_JOBS
    with pytest.raises(StoreUnavailable, match=f"of {count} jobs for default") as raised:
        send(app, mail, count)
    error, there = raised.value, set(system.ids("ready", "default"))
    assert error.ids == (*error.stored, *error.unknown, *error.unsent)
    assert len(set(error.ids)) == count
    assert error.stored
    assert error.unknown
    assert error.unsent
    assert set(error.stored) <= there
    assert not there & set(error.unsent)


def test_jqctl_says_that_a_job_may_be_stored_and_sends_it_once(
    link: Proxy, system: QueueSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(link.url, capsys)
    link.weather.when = lambda: succeed(system)
    assert terminal.run("enqueue", "mail", "--queue", "default", "--id", "mine", "--json") == Exit.UNREACHABLE
    said = json.loads(terminal.err.splitlines()[-1])["error"]
    assert "job default/mine may be stored" in said["message"]
    assert "jqctl job show default/mine" in said["hint"]
    assert system.ids("ready", "default") == []


def test_an_act_whose_reply_was_lost_is_not_done_twice(
    app: App, mail: Job[Any, Any], link: Proxy, system: QueueSystem
) -> None:
    handle = mail.enqueue("ann")
    handle.cancel()
    link.weather.when = lambda: succeed(system)
    with pytest.raises(StoreUnavailable) as raised:
        handle.retry()
    assert "it may have been done all the same" in raised.value.hint
    assert system.meta("done", "default") == 1


def test_a_connection_that_a_firewall_has_forgotten_is_found_out_before_anything_is_sent(
    mail: Job[Any, Any], link: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_IN_USE_S", 0.0)
    monkeypatch.setattr(freshness, "PING_AFTER_S", 0.0)
    monkeypatch.setattr(freshness, "PING_PATIENCE_S", 0.1)
    mail.enqueue("ann")
    link.forget()
    assert mail.options(id="mine").enqueue("ann").created


def test_a_coroutine_finds_out_too(app: App, mail: Job[Any, Any], link: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_pipe, "_IN_USE_S", 0.0)
    for room in (async_pipe, async_wire):
        monkeypatch.setattr(room, "PING_AFTER_S", 0.0)
        monkeypatch.setattr(room, "PING_PATIENCE_S", 0.1)

    async def produce() -> bool:
        await mail.enqueue_async("ann")
        await mail.enqueue_many_async([("bob",), ("eve",)])  # over another connection
        link.forget()
        try:
            assert len(await mail.enqueue_many_async([("bob",), ("eve",)])) == 2
            return (await mail.options(id="mine").enqueue_async("ann")).created
        finally:
            await app.client.close_async()

    assert asyncio.run(produce())


def test_a_coroutine_that_is_cancelled_leaves_no_reply_to_the_next(app: App, mail: Job[Any, Any], link: Proxy) -> None:
    async def produce() -> str:
        await mail.enqueue_async("ann")
        link.weather.delay_s = 0.2
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await mail.options(id="late").enqueue_async("ann")
        link.weather.delay_s = 0.0
        try:
            return (await mail.options(id="mine").enqueue_async("ann")).id
        finally:
            await app.client.close_async()

    assert asyncio.run(produce()) == "mine"


@pytest.fixture
def replica(start_server: Callable[..., Server]) -> Iterator[tuple[Server, App, Job[Any, Any]]]:
    """A server that refuses to write, as one that lost its place to another does, and an app that knew it before."""
    server = start_server("valkey")
    app = App(redis_url=server.url)
    mail: Job[Any, Any] = app.job(name="mail")(lambda to: None)
    mail.enqueue("ann")
    server.call("REPLICAOF", "127.0.0.1", "1")
    yield server, app, mail
    app.client.close()


many: Send = lambda app, job: enqueue_many(app, job, 3 * CHUNK_JOBS)[0]  # noqa: E731


@pytest.mark.parametrize("send", [enqueue, enqueue_async, many])
def test_what_redis_did_not_run_is_sent_again_until_it_does(
    replica: tuple[Server, App, Job[Any, Any]], send: Send
) -> None:
    server, app, mail = replica
    promoted = threading.Timer(0.3, lambda: server.call("REPLICAOF", "NO", "ONE"))
    promoted.start()
    assert send(app, mail).created
    promoted.join()


@both
def test_a_server_that_goes_on_refusing_is_said_to_have_stored_nothing(
    replica: tuple[Server, App, Job[Any, Any]], monkeypatch: pytest.MonkeyPatch, send: Send
) -> None:
    _, app, mail = replica
    monkeypatch.setattr(app.client._whereabouts, "timeout_s", 1.0)
    app.client.close()
    with pytest.raises(StoreBusy, match=r"READONLY.*is not stored") as raised:
        send(app, mail.options(id="mine"))
    assert not raised.value.maybe_stored
