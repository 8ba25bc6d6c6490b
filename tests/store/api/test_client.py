"""Producers: enqueue one, many, from threads, coroutines and forked children, over connections that break."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.ports import free_port
from jqjobs import App
from jqjobs.api import client
from jqjobs.api.app import Job
from jqjobs.api.client import Client
from jqjobs.base.config import Environment
from jqjobs.errors import (
    ConfigError,
    Conflict,
    InvalidArguments,
    InvalidName,
    InvalidOption,
    NotFound,
    PayloadTooLarge,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from jqjobs.jobs.records import Kind, NewJob, State
from jqjobs.store import async_pipe
from jqjobs.store.calls import leases
from jqjobs.store.spreading import CHUNK_BYTES, CHUNK_JOBS, chunks
from servers import Server
from store.queue_system import QueueSystem


class Shop:
    """An app with jobs, on one server."""

    def __init__(self, url: str) -> None:
        self.app = App(redis_url=url)
        self.mail: Job[Any, Any] = self.app.job(name="mail")(lambda to, copies=1: None)
        self.bill: Job[Any, Any] = self.app.job(name="bill", queue="bills", priority=7)(lambda: None)


@pytest.fixture
def shop(system: QueueSystem) -> Iterator[Shop]:
    """A shop on each kind of server."""
    made = Shop(system.url)
    yield made
    made.app.client.close()


@pytest.fixture
def real_shop(any_server: Server) -> Iterator[Shop]:
    made = Shop(any_server.url)
    yield made
    made.app.client.close()


def enqueue_async(shop: Shop) -> Any:
    """Enqueue in an event loop of its own."""

    async def produce() -> Any:
        try:
            return await shop.mail.enqueue_async("ann")
        finally:
            await shop.app.client.close_async()

    return asyncio.run(produce())


def drop_connections(server: Server) -> int:
    return int(server.call("CLIENT", "KILL", "TYPE", "normal"))


@pytest.fixture
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is looked at even if it was used a moment ago: a test is quicker than trouble comes."""
    monkeypatch.setattr(client, "_IN_USE_S", 0.0)
    monkeypatch.setattr(async_pipe, "_IN_USE_S", 0.0)


def test_a_job_is_ready_as_soon_as_it_is_enqueued(shop: Shop) -> None:
    handle = shop.mail.enqueue("ann", copies=2)
    assert (handle.queue, handle.created, handle.ref) == ("default", True, f"default/{handle.id}")
    assert handle.state() is State.READY
    info = handle.info()
    assert (info.name, info.args, info.kwargs, info.priority, info.attempt) == ("mail", ["ann"], {"copies": 2}, 0, 0)
    assert shop.bill.enqueue().info().priority == 7


def test_the_queues_become_known(shop: Shop, server: Server) -> None:
    shop.mail.enqueue("ann")
    shop.bill.options(queue="other").enqueue()
    assert set(server.call("SMEMBERS", "jq:{~}:queues")) == {b"default", b"other"}


def test_options_decide_where_when_and_as_what(shop: Shop) -> None:
    later = shop.mail.options(delay="1h", max_attempts=9, id="mine", priority=-5).enqueue("ann")
    info = later.info()
    assert (later.id, later.state(), info.max_attempts, info.priority) == ("mine", State.SCHEDULED, 9, -5)
    assert info.due_ms is not None
    assert abs(info.due_ms - info.now_ms - 3_600_000) < 60_000
    moment = datetime.now(UTC) + timedelta(days=2)
    assert shop.mail.options(due=moment).enqueue("ann").info().due_ms == round(moment.timestamp() * 1000)
    assert shop.mail.options(due=datetime(2020, 1, 1, tzinfo=UTC)).enqueue("ann").state() is State.READY


def test_the_same_id_again_changes_nothing(shop: Shop) -> None:
    first = shop.mail.options(id="mine").enqueue("ann")
    again = shop.mail.options(id="mine").enqueue("bob")
    assert (first.created, again.created, again.id) == (True, False, "mine")
    assert again.info().args == ["ann"]
    assert again == first.__class__("mine", "default", False, first._engine)


def test_a_key_leads_to_the_job_that_is_there(shop: Shop) -> None:
    first = shop.mail.options(key="welcome:ann").enqueue("ann")
    again = shop.mail.options(key="welcome:ann").enqueue("ann")
    other = shop.mail.options(key="welcome:bob").enqueue("bob")
    assert (again.created, again.id) == (False, first.id)
    assert (other.created, other.id != first.id) == (True, True)


def test_many_are_stored_in_order_over_several_round_trips(shop: Shop, server: Server) -> None:
    count = 2 * CHUNK_JOBS + 50
    handles = shop.mail.enqueue_many([(f"{n}",) for n in range(count)])
    assert len({handle.id for handle in handles}) == count
    assert all(handle.created for handle in handles)
    stored = [job_id.decode() for job_id in server.call("ZRANGE", "jq:{default}:ready", 0, -1)]
    assert stored == [handle.id for handle in handles]
    with_keywords = shop.mail.enqueue_many([(("ann",), {"copies": 3}), ("bob",)])
    assert [(h.info().args, h.info().kwargs) for h in with_keywords] == [(["ann"], {"copies": 3}), (["bob"], {})]


def test_many_are_cut_by_number_and_by_bytes() -> None:
    def cut(sizes: list[int]) -> list[int]:
        return [len(chunk) for chunk in chunks([NewJob("n", b"x" * size, "i") for size in sizes])]

    assert cut([]) == []
    assert cut([1] * (CHUNK_JOBS + 1)) == [CHUNK_JOBS, 1]
    assert cut([CHUNK_BYTES] * 3) == [1, 1, 1]
    assert cut([CHUNK_BYTES // 2] * 4) == [2, 2]
    assert cut([2 * CHUNK_BYTES, 1, 1]) == [1, 2]


def test_one_after_the_other_keeps_its_own_options(shop: Shop) -> None:
    first = [shop.mail.enqueue(f"{n}") for n in range(2)]
    urgent = [shop.mail.options(priority=9).enqueue(f"{n}") for n in range(2)]
    bills = [shop.bill.enqueue() for _ in range(2)]
    late = shop.mail.options(delay="1h", max_attempts=7).enqueue("ann", copies=2)
    told = [(h.info().name, h.info().args, h.info().priority) for h in (*first, *urgent, *bills)]
    assert told == [
        ("mail", ["0"], 0), ("mail", ["1"], 0), ("mail", ["0"], 9), ("mail", ["1"], 9), ("bill", [], 7), ("bill", [], 7)
    ]  # fmt: skip
    assert (late.state(), late.info().max_attempts, late.info().kwargs) == (State.SCHEDULED, 7, {"copies": 2})


def test_a_server_that_forgot_its_scripts_is_told_them_again(real_shop: Shop, any_server: Server) -> None:
    for _ in range(2):
        any_server.call("SCRIPT", "FLUSH")
        assert real_shop.mail.enqueue("ann").created
        any_server.call("SCRIPT", "FLUSH")
        assert len(real_shop.mail.enqueue_many([("ann",)] * (3 * CHUNK_JOBS))) == 3 * CHUNK_JOBS
    assert any_server.call("ZCARD", "jq:{default}:ready") == 2 + 6 * CHUNK_JOBS


def test_a_job_that_is_gone_has_no_state(shop: Shop, server: Server) -> None:
    handle = shop.mail.enqueue("ann")
    server.flush()
    assert handle.state() is None
    with pytest.raises(NotFound, match=handle.ref):
        handle.info()


def test_a_coroutine_enqueues_too(shop: Shop) -> None:
    async def produce() -> list[Any]:
        first = await shop.mail.enqueue_async("ann")
        others = await asyncio.gather(*(shop.mail.enqueue_async(f"{n}") for n in range(20)))
        await shop.app.client.close_async()
        return [first, *others]

    handles = [*asyncio.run(produce()), *asyncio.run(produce())]
    assert len({handle.id for handle in handles}) == 42
    assert all(handle.state() is State.READY for handle in handles)


def test_threads_share_a_client(shop: Shop) -> None:
    handles: list[Any] = []

    def produce() -> None:
        for number in range(20):
            handles.append(shop.mail.enqueue(f"{number}"))

    threads = [threading.Thread(target=produce) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({handle.id for handle in handles if handle.state() is State.READY}) == 100
    assert len(shop.app.client._idle) <= 5, "connections are used again"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_connection_of_its_own(real_shop: Shop, any_server: Server) -> None:
    first = real_shop.mail.enqueue("parent")
    child = os.fork()
    if child == 0:  # no assertion in here: it would run the parent's clean-up
        ended = 1
        try:
            for _ in range(20):
                real_shop.mail.enqueue("child")
            ended = 0
        finally:
            os._exit(ended)
    for _ in range(20):
        real_shop.mail.enqueue("parent")
    assert os.waitpid(child, 0)[1] == 0
    assert first.state() is State.READY
    assert any_server.call("ZCARD", "jq:{default}:ready") == 41


@pytest.mark.usefixtures("looks_each_time")
def test_a_connection_that_broke_while_idle_is_not_noticed(real_shop: Shop, any_server: Server) -> None:
    real_shop.mail.enqueue("ann")
    for use in (
        lambda: real_shop.mail.enqueue("bob"),
        lambda: real_shop.bill.enqueue(),  # a queue that was not used before
        lambda: real_shop.mail.enqueue_many([("ann",)] * 300),
        lambda: real_shop.mail.enqueue("ann").state(),
    ):
        assert drop_connections(any_server) >= 1
        assert use()
    assert any_server.call("ZCARD", "jq:{default}:ready") == 303


@pytest.mark.usefixtures("looks_each_time")
def test_an_async_connection_that_broke_while_idle_is_not_noticed(real_shop: Shop, any_server: Server) -> None:
    async def produce() -> None:
        await real_shop.mail.enqueue_async("ann")
        for job in (lambda: real_shop.mail.enqueue_async("bob"), lambda: real_shop.bill.enqueue_async()):
            assert drop_connections(any_server) >= 1
            await job()
        await real_shop.app.client.close_async()

    asyncio.run(produce())
    assert any_server.call("ZCARD", "jq:{default}:ready") == 2


def test_a_restarted_server_is_found_again(start_server: Callable[..., Server]) -> None:
    server = start_server("valkey", "--appendonly", "yes", "--appendfsync", "always")
    shop = Shop(server.url)
    handle = shop.mail.enqueue("ann")
    server.kill()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        shop.mail.enqueue("bob")
    server.restart()
    assert shop.mail.enqueue("bob").created
    assert handle.state() is State.READY
    shop.app.client.close()


def test_nobody_there_is_said_with_the_address_and_a_hint() -> None:
    shop = Shop(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable, match=r"redis://127\.0\.0\.1:\d+/0 cannot be reached") as raised:
        shop.mail.enqueue("ann")
    assert "JQ_REDIS_URL" in raised.value.hint
    with pytest.raises(StoreUnavailable):
        enqueue_async(shop)


def test_a_server_that_says_nothing_is_not_waited_for_forever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shop = Shop(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        with shop.app.client.store() as store:
            store.wire.waits.timeout_s = 0.2
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            shop.mail.enqueue("ann")
        assert time.monotonic() - began < 5
        shop.app.client.close()


def test_a_full_server_refuses_by_name_and_takes_jobs_again(start_server: Callable[..., Server]) -> None:
    server = start_server("valkey")
    shop = Shop(server.url)
    server.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreFull, match="maxmemory"):
        shop.mail.enqueue("ann")
    with pytest.raises(StoreFull):
        enqueue_async(shop)
    assert server.call("EXISTS", "jq:{default}:ready") == 0
    server.call("CONFIG", "SET", "maxmemory", "0")
    assert shop.mail.enqueue("ann").created
    shop.app.client.close()


def test_a_wrong_password_is_refused_and_not_shown(start_server: Callable[..., Server]) -> None:
    server = start_server("valkey")
    server.call("CONFIG", "SET", "requirepass", "right")
    for url in (f"unix://:secret@{server.address}", server.url):
        shop = Shop(url)
        with pytest.raises(StoreRefused) as raised:
            shop.mail.enqueue("ann")
        assert "secret" not in f"{raised.value} {raised.value.hint}"
        with pytest.raises(StoreRefused):
            enqueue_async(shop)
        shop.app.client.close()
    shop = Shop(f"unix://:right@{server.address}")
    assert shop.mail.enqueue("ann").created
    shop.app.client.close()


def test_a_wrong_url_is_a_configuration_error_when_it_is_used() -> None:
    shop = Shop("http://:secret@host")
    with pytest.raises(ConfigError, match="scheme") as raised:
        shop.mail.enqueue("ann")
    assert "secret" not in str(raised.value)


def test_the_url_is_read_once_and_not_before_it_is_needed(any_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(Environment, "redis_url", lambda _, flag, prefix: asked.append(flag) or flag)
    client = Client(any_server.url)
    assert asked == []
    for _ in range(2):
        client.enqueue("default", [NewJob("n", b"{}", f"id-{len(asked)}")])
    assert asked == [any_server.url]
    client.close()


def test_a_handle_cancels_its_job_and_says_what_came_of_it(shop: Shop, system: QueueSystem) -> None:
    first, second = shop.mail.enqueue("ann"), shop.mail.enqueue("bob")
    system.store._now_ms = None
    system.run(leases.join("default", "w", 30_000))
    system.trip("w", 1, queues=("default",))
    assert (first.cancel(), second.cancel(), second.cancel()) == ("cancelling", "cancelled", "finished")
    assert second.info().reason == "cancelled"
    with pytest.raises(NotFound):
        shop.app.handle("default/ghost").cancel()


def test_a_handle_retries_its_job_unless_its_state_or_its_key_forbids(shop: Shop) -> None:
    keyed = shop.mail.options(key="k")
    handle = keyed.enqueue("ann")
    with pytest.raises(Conflict, match="is ready, not dead"):
        handle.retry()
    handle.cancel()
    handle.retry()
    assert handle.state() is State.READY
    handle.cancel()
    assert keyed.enqueue("bob").created
    with pytest.raises(Conflict, match="belongs to a newer job"):
        handle.retry()
    with pytest.raises(NotFound):
        shop.app.handle("default/ghost").retry()


def test_a_handle_promotes_and_deletes_its_job(shop: Shop, system: QueueSystem) -> None:
    later = shop.mail.options(key="k", delay=60).enqueue("ann")
    later.promote()
    assert later.state() is State.READY
    with pytest.raises(Conflict, match="is ready, not scheduled"):
        later.promote()
    later.delete()
    assert later.state() is None
    assert shop.mail.options(key="k").enqueue("bob").created, "its key is free"
    for act in (later.delete, later.promote):
        with pytest.raises(NotFound):
            act()


def test_a_job_in_hand_is_not_deleted(shop: Shop, system: QueueSystem) -> None:
    job = shop.mail.enqueue("ann")
    system.store._now_ms = None
    system.run(leases.join("default", "w", 30_000))
    system.trip("w", 1, queues=("default",))
    with pytest.raises(Conflict, match="in hand"):
        job.delete()
    assert job.state() is State.ACTIVE


def test_a_replaced_job_says_so(shop: Shop) -> None:
    index = shop.mail.options(key="k", coalesce="queued", replace=True, delay=60)
    first, second = index.enqueue("ann"), index.enqueue("bob")
    assert [(job.created, job.replaced) for job in (first, second)] == [(True, False), (False, True)]
    assert second.id == first.id
    assert first.info().args == ["bob"]


def wait_for_answer(system: QueueSystem, queue: str = "default") -> None:
    """Have the one ready job wait for an hour."""
    system.store._now_ms = None
    [job] = system.take("w", queues=(queue,))
    system.settle("w", job, Kind.WAITING, 3_600_000, text="0", line=b"")


def test_an_app_answers_for_a_job_that_waits(shop: Shop, system: QueueSystem) -> None:
    handle = shop.mail.options(keep="1h").enqueue("ann")
    wait_for_answer(system)
    assert handle.state() is State.WAITING
    assert shop.app.resolve(handle.ref, result={"at": datetime(2026, 1, 1, tzinfo=UTC)}) == "resolved"
    assert handle.info().result == {"at": "2026-01-01T00:00:00Z"}
    with pytest.raises(Conflict, match="is kept, not waiting"):
        handle.resolve(result=1)


def test_an_error_is_an_answer_too(shop: Shop, system: QueueSystem) -> None:
    handle = shop.mail.options(max_attempts=1).enqueue("ann")
    wait_for_answer(system)
    assert handle.resolve(error="half \udcff pair") == "resolved"
    assert (handle.info().reason, handle.info().error) == ("failed", "half \\udcff pair")


def test_answers_that_cannot_be_are_refused(shop: Shop, system: QueueSystem) -> None:
    handle = shop.mail.enqueue("ann")
    with pytest.raises(Conflict, match="is ready, not waiting"):
        handle.resolve()
    wait_for_answer(system)
    with pytest.raises(Conflict, match="not the token"):
        handle.resolve("guess")
    with pytest.raises(InvalidOption, match="not both"):
        handle.resolve(result=1, error="x")
    with pytest.raises(InvalidArguments, match="not JSON"):
        handle.resolve(result=object())
    with pytest.raises(PayloadTooLarge):
        handle.resolve(result="x" * 2**20)
    with pytest.raises(NotFound):
        shop.app.resolve("default/ghost")
    assert handle.state() is State.WAITING


def test_an_app_cancels_by_reference(shop: Shop) -> None:
    handle = shop.mail.enqueue("ann")
    assert shop.app.cancel(handle.ref) == "cancelled"
    with pytest.raises(InvalidName):
        shop.app.cancel(handle.id)


@pytest.mark.usefixtures("looks_each_time")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_password_that_was_changed_is_read_again_after_a_refusal(
    start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    server = start_server("valkey")
    monkeypatch.delenv("JQ_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    app = App()

    @app.job(queue="q")
    def send() -> None: ...

    def change_password(old: str, new: str) -> None:
        server.pipeline([("AUTH", old), ("CONFIG", "SET", "requirepass", new), ("CLIENT", "KILL", "TYPE", "normal")])

    async def enqueue_all() -> None:
        for old, new in (("one", "two"), ("two", "three")):
            change_password(old, new)
            with pytest.raises(StoreRefused):
                await enqueue()
            Path(".env").write_text(f"JQ_REDIS_URL=unix://:{new}@{server.address}")
            await enqueue()
        await app.client.close_async()

    async def enqueue() -> None:
        if is_async:
            await send.enqueue_async()
        else:
            send.enqueue()

    server.call("CONFIG", "SET", "requirepass", "one")
    Path(".env").write_text(f"JQ_REDIS_URL=unix://:one@{server.address}")
    asyncio.run(enqueue_all())
    app.client.close()


def test_of_no_jobs_nobody_hears() -> None:
    nobody = Client("unix:///tmp/no-redis-here")

    assert nobody.enqueue("q", []) == asyncio.run(nobody.enqueue_async("q", [])) == []
