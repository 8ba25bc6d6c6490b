"""JQ_WAIT: who enqueues hears that too few replicas have a job, and has its handle all the same."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jqjobs import App, ConfigError, JobHandle, NotReplicated
from jqjobs.jobs.records import State
from jqjobs.store.replication import Wait
from jqjobs.store.spreading import CHUNK_JOBS
from servers import Server
from store.cli.terminal import Terminal
from store.fake_sentinel import SERVICE, fake_sentinel
from waiting import eventually


@pytest.fixture
def primary(start_server: Callable[..., Server]) -> Server:
    return start_server("valkey", "--repl-diskless-sync-delay", "0", tcp=True)


@pytest.fixture
def replicas(primary: Server, start_server: Callable[..., Server]) -> list[Server]:
    """Two that follow the primary."""
    made = [start_server("valkey", tcp=True) for _ in range(2)]
    for replica in made:
        replica.call("REPLICAOF", *primary.address)
    eventually(lambda: b"connected_slaves:2" in primary.call("INFO", "replication"))
    eventually(lambda: primary.pipeline([("SET", "x", 1), ("WAIT", 2, 100)])[1] == 2)
    return made


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def enqueue(job: Any) -> JobHandle:
    made: JobHandle = job.enqueue()
    return made


def enqueue_async(job: Any) -> JobHandle:
    async def produce() -> JobHandle:
        try:
            made: JobHandle = await job.enqueue_async()
            return made
        finally:
            await job._engine().close_async()

    return asyncio.run(produce())


@pytest.fixture
def app_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], App]]:
    made: list[App] = []

    def make(url: str, wait: str) -> App:
        monkeypatch.setenv("JQ_WAIT", wait)
        app = App(redis_url=url)
        app.job(name="send")(lambda: None)
        made.append(app)
        return app

    yield make
    for app in made:
        app.client.close()


AppOn = Callable[[str, str], App]


@pytest.mark.parametrize("send", [enqueue, enqueue_async])
@pytest.mark.parametrize("wait", ["2:100ms", "all:100ms"])
def test_a_job_counts_as_stored_when_the_replicas_have_it_also_when_it_was_there_already(
    primary: Server, replicas: list[Server], app_on: AppOn, send: Callable[[Any], JobHandle], wait: str
) -> None:
    job = app_on(primary.url, wait).registry.find("send")
    assert send(job).created
    resent = job.options(id="one")
    with frozen(replicas[1]):
        for created in (True, False):
            with pytest.raises(NotReplicated, match="1 of 2 replicas have it") as raised:
                send(resent)
            assert (raised.value.reached, raised.value.wanted) == (1, 2)
            assert (raised.value.stored, raised.value.unknown, raised.value.unsent) == (("one",), (), ())
            [handle] = raised.value.handles
            assert (handle.id, handle.created, handle.state()) == ("one", created, State.READY)

    assert not eventually(lambda: send(resent)).created


def test_no_more_are_sent_after_those_that_too_few_replicas_have(
    primary: Server, replicas: list[Server], app_on: AppOn
) -> None:
    job = app_on(primary.url, "2:100ms").registry.find("send")
    with frozen(replicas[0]), pytest.raises(NotReplicated) as raised:
        job.enqueue_many([()] * (CHUNK_JOBS + 1))

    assert len(raised.value.handles) == len(raised.value.stored) == CHUNK_JOBS
    assert len(raised.value.unsent) == 1


def test_the_first_step_of_a_chain_has_its_handle_too(primary: Server, replicas: list[Server], app_on: AppOn) -> None:
    app = app_on(primary.url, "2:100ms")
    step = app.registry.find("send").call(id="one")
    with frozen(replicas[0]), pytest.raises(NotReplicated) as raised:
        app.chain(step).enqueue()

    assert [handle.id for handle in raised.value.handles] == ["one"]


def test_all_are_those_that_the_sentinels_know_not_those_that_have_left_for_another_primary(
    primary: Server, replicas: list[Server], app_on: AppOn
) -> None:
    """A primary that was replaced and lives on has fewer replicas from moment to moment."""
    with fake_sentinel(primary.address) as sentinel:  # type: ignore[arg-type]
        sentinel.replicas = [("slave", "slave"), ("slave", "slave"), ("slave,s_down,disconnected", "slave")]
        job = app_on(f"redis+sentinel://{sentinel.place}/{SERVICE}", "all:1s").registry.find("send")
        assert enqueue(job).created
        replicas[0].call("REPLICAOF", "NO", "ONE")
        with pytest.raises(NotReplicated, match="1 of 2"):
            enqueue(job)
        with pytest.raises(NotReplicated, match="1 of 2"):
            enqueue_async(job)


def test_a_primary_that_was_replaced_is_waited_for_only_by_who_has_not_heard_of_it(
    primary: Server, replicas: list[Server], app_on: AppOn
) -> None:
    """For ten seconds after a commanded failover the sentinels leave it as it is."""
    with fake_sentinel(primary.address) as sentinel:  # type: ignore[arg-type]
        sentinel.replicas = [("slave", "slave"), ("slave", "slave"), ("slave", "master")]
        job = app_on(f"redis+sentinel://{sentinel.place}/{SERVICE}", "all:1s").registry.find("send")
        with pytest.raises(NotReplicated, match="2 of 3"):
            enqueue(job)
        eventually(lambda: sentinel.subscribers)
        sentinel.switch(primary.address)  # type: ignore[arg-type]
        eventually(lambda: _is_taken(job))


def _is_taken(job: Any) -> bool:
    try:
        return enqueue(job).created
    except NotReplicated:
        return False


def test_where_there_is_no_replica_all_is_one_too_many(primary: Server, app_on: AppOn) -> None:
    with pytest.raises(NotReplicated, match="0 of 1"):
        enqueue(app_on(primary.url, "all:50ms").registry.find("send"))


@pytest.mark.parametrize(
    "said", ["0", "-1", "100", "some", "1:", "1:soon", "all:0", "all:5s", "all:1h", ":1s", "1:1s:1"]
)
def test_what_is_no_number_of_replicas_is_refused(app_on: AppOn, said: str) -> None:
    with pytest.raises(ConfigError, match="JQ_WAIT") as raised:
        enqueue(app_on("redis://127.0.0.1:1", said).registry.find("send"))
    assert "all:1s" in raised.value.hint


@pytest.mark.parametrize(
    ("said", "meant"), [("all", (0, 1000)), ("2", (2, 1000)), ("all:100ms", (0, 100)), ("1:4s", (1, 4000))]
)
def test_what_is_said_of_replicas(said: str, meant: tuple[int, int]) -> None:
    assert Wait.parse(said, timeout_s=5.0) == Wait(*meant)


def test_jqctl_enqueue_waits_for_replicas_too(
    any_server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JQ_WAIT", "1:20ms")
    terminal = Terminal(any_server.url, capsys)
    assert terminal.run("enqueue", "note", "--queue", "q") != 0
    assert "0 of 1 replicas have it" in terminal.err
    assert any_server.call("ZCARD", "jq:{q}:ready") == 1
