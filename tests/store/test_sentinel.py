"""Redis behind sentinels: who connects finds the primary, and who is connected leaves one that is none any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployments.ports import free_port
from jqjobs import App
from jqjobs.errors import NotFound, StoreRefused, StoreUnavailable
from jqjobs.jobs.records import State
from jqjobs.store import switches
from jqjobs.store.address import parse_url
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire
from log_lines import Lines
from servers import Server
from store.fake_sentinel import SERVICE, FakeSentinel, fake_sentinel
from waiting import eventually

Connect = Callable[..., Store]


def place(server: Server) -> tuple[str, int]:
    assert isinstance(server.address, tuple)
    return server.address


@pytest.fixture
def servers(start_server: Callable[..., Server]) -> list[Server]:
    """A primary, and one that is another."""
    return [start_server("valkey", tcp=True) for _ in range(2)]


@pytest.fixture
def sentinel(servers: list[Server]) -> Iterator[FakeSentinel]:
    with fake_sentinel(place(servers[0])) as made:
        yield made


def url_of(*sentinels: FakeSentinel | str, service: str = SERVICE, options: str = "") -> str:
    places = ",".join(one if isinstance(one, str) else one.place for one in sentinels)
    return f"redis+sentinel://{places}/{service}{options}"


@pytest.fixture
def app(sentinel: FakeSentinel) -> Iterator[App]:
    made = App(redis_url=url_of(sentinel))
    made.job(name="send")(lambda: None)
    yield made
    made.client.close()


def enqueue(app: App) -> Any:
    return app.registry.find("send").enqueue()


def leads_somewhere(app: App) -> bool:
    with app.client.store() as store:
        return store.wire.place is not None


def is_there(server: Server, job: Any) -> bool:
    return bool(server.call("EXISTS", f"jq:{{default}}:job:{job.id}"))


def test_a_producer_leaves_a_primary_that_lives_on_when_a_sentinel_says_so(
    app: App, servers: list[Server], sentinel: FakeSentinel
) -> None:
    assert is_there(servers[0], enqueue(app))
    eventually(lambda: sentinel.subscribers)
    sentinel.switch(place(servers[1]))
    eventually(lambda: not leads_somewhere(app))

    assert is_there(servers[1], enqueue(app))


def test_a_sentinel_that_talks_nonsense_is_left_alone_for_a_moment_and_then_heard_again(
    app: App, servers: list[Server], sentinel: FakeSentinel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switches, "_AGAIN_S", 0.05)
    enqueue(app)
    eventually(lambda: sentinel.subscribers)
    sentinel.subscribers.pop().sendall(b"nonsense\r\n")
    eventually(lambda: sentinel.subscribers, 20)
    sentinel.switch(place(servers[1]))
    eventually(lambda: not leads_somewhere(app))


def test_what_cannot_be_understood_of_a_switch_is_said_once_and_what_comes_with_it_is_heard(
    app: App, servers: list[Server], sentinel: FakeSentinel, logged: Lines
) -> None:
    enqueue(app)
    eventually(lambda: sentinel.subscribers)
    sentinel.switch(place(servers[1]), "mymaster is elsewhere", "mymaster is elsewhere")
    eventually(lambda: not leads_somewhere(app), 20)
    eventually(lambda: logged.names() == ["redis.deaf", "redis.switched"])


def test_a_coroutine_does_so_too_and_hears_of_ends_there(
    app: App, servers: list[Server], sentinel: FakeSentinel
) -> None:
    async def produce() -> None:
        job = app.registry.find("send")
        first = await job.enqueue_async()
        waiting = asyncio.create_task(first.result_async(timeout="10s"))
        await asyncio.to_thread(eventually, lambda: servers[0].call("PUBSUB", "CHANNELS", "*"))
        await asyncio.to_thread(eventually, lambda: sentinel.subscribers)
        await asyncio.to_thread(sentinel.switch, place(servers[1]))
        await asyncio.to_thread(eventually, lambda: not servers[0].call("PUBSUB", "CHANNELS", "*"))
        assert is_there(servers[1], await job.enqueue_async())
        with pytest.raises(NotFound):  # it was lost with the server before
            await waiting
        await app.client.close_async()

    asyncio.run(produce())


def test_a_call_waits_while_the_sentinels_name_a_server_that_is_away_or_a_replica(
    app: App, servers: list[Server], sentinel: FakeSentinel
) -> None:
    servers[1].call("REPLICAOF", *place(servers[0]))
    sentinel.primary = place(servers[1])
    as_replica = threading.Timer(0.3, lambda: setattr(sentinel, "primary", ("127.0.0.1", free_port())))
    as_primary = threading.Timer(0.6, lambda: setattr(sentinel, "primary", place(servers[0])))
    as_replica.start()
    as_primary.start()

    assert is_there(servers[0], enqueue(app))
    assert sentinel.asked >= 3


def test_who_answers_is_asked_first_and_who_does_not_is_passed_over(servers: list[Server]) -> None:
    with fake_sentinel(place(servers[0])) as second, fake_sentinel(place(servers[0])) as third:
        wire = Wire(parse_url(url_of(f"127.0.0.1:{free_port()}", second, third)))
        for _ in range(3):
            wire.connect()
        wire.close()

    assert second.asked >= 3
    assert third.asked <= 1, "the thread that listens asks each once"


@pytest.mark.parametrize("password", ["hunter2#", "a&b"])
def test_the_sentinels_have_a_password_of_their_own_that_nobody_repeats(
    servers: list[Server], connect: Connect, password: str
) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in password.encode())
    with fake_sentinel(place(servers[0]), password) as sentinel:
        connect(url_of(sentinel, options=f"?sentinel_username=bob&sentinel_password={encoded}")).ping()
        for wrong in ("", f"?sentinel_username=ann&sentinel_password={encoded}"):
            with pytest.raises(StoreRefused) as raised:
                connect(url_of(sentinel, options=wrong)).ping()
            assert "sentinel_password=" in raised.value.hint
            assert password not in raised.value.in_one_line()


def test_a_service_that_no_sentinel_knows_is_told_as_such(sentinel: FakeSentinel, connect: Connect) -> None:
    with pytest.raises(StoreRefused, match="does not know it") as raised:
        connect(url_of(sentinel, service="other")).ping()
    assert "sentinel monitor" in raised.value.hint


def test_a_redis_is_no_sentinel_and_one_that_is_away_may_come_back(servers: list[Server], connect: Connect) -> None:
    with pytest.raises(StoreRefused, match="no Sentinel") as raised:
        connect(url_of("{}:{}".format(*place(servers[0])))).ping()
    assert "26379" in raised.value.hint

    with pytest.raises(StoreUnavailable, match=r"tells where the primary of mymaster is: .*refused"):
        connect(url_of(f"127.0.0.1:{free_port()}")).ping()


def test_a_primary_that_cannot_be_reached_where_the_sentinels_say_is_told_as_such(sentinel: FakeSentinel) -> None:
    sentinel.primary = ("127.0.0.1", free_port())
    address = parse_url(url_of(sentinel))
    for connect in (Wire(address).connect, lambda: asyncio.run(AsyncWire(address).connect())):
        with pytest.raises(StoreUnavailable, match=str(sentinel.primary[1])) as raised:
            connect()
        assert "the sentinels name that address" in raised.value.hint


def test_the_thread_that_listens_ends_with_the_last_connection(sentinel: FakeSentinel) -> None:
    wire = Wire(parse_url(url_of(sentinel)))
    wire.connect()
    eventually(lambda: sentinel.subscribers)
    [ear] = [thread for thread in threading.enumerate() if thread.name == "jqjobs-sentinel" and _is_of(thread, wire)]
    wire.close()
    eventually(lambda: not ear.is_alive())


def _is_of(thread: Any, wire: Wire) -> bool:
    return bool(thread._sentinels == wire.address.sentinels)


def test_who_waits_for_a_job_hears_of_nothing_and_goes_on_where_the_primary_is(
    app: App, servers: list[Server], sentinel: FakeSentinel
) -> None:
    first = enqueue(app)
    eventually(lambda: sentinel.subscribers)
    threading.Timer(0.2, sentinel.switch, [place(servers[1])]).start()
    with pytest.raises(NotFound):
        first.result(timeout="10s")
    assert app.handle(first.ref).state() is None
    assert enqueue(app).state() == State.READY
