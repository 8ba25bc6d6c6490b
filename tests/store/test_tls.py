"""TLS to a real Redis: commands work, and an idle connection says nothing by itself."""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ports import free_port
from jqjobs import App
from jqjobs.base.wakeup import Wakeup
from jqjobs.errors import ConfigError, StoreUnavailable
from jqjobs.link.channel import Channel
from jqjobs.store.address import parse_url
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire
from jqjobs.worker.trips.token_line import Heard, TokenLine
from jqjobs.worker.trips.wake_wait import WakeWait
from servers import Server

#: A wait that ends by itself lasts as long as it was told; one that is woken by a stray byte ends at once.
WAIT_S = 1.5


@pytest.fixture
def url(start_server: Callable[..., Server], certificate: Path) -> str:
    """The URL of a Redis that speaks TLS 1.3, whose two session tickets come unasked after the handshake."""
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-ca-cert-file", str(certificate),
               "--tls-key-file", str(certificate.with_name("key.pem")), "--tls-auth-clients", "no",
               "--tls-protocols", "TLSv1.3"]  # fmt: skip
    start_server("redis", *options)
    return f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"


@pytest.fixture
def line() -> Iterator[Channel]:
    """The control socket of a worker that is told nothing."""
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel
    channel.close()
    theirs.close()


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


def test_commands_and_scripts_work(url: str, connect: Callable[..., Store]) -> None:
    store = connect(url)
    store.ping()
    assert store.wire.call("SET", "key", b"x" * 100_000) == b"OK"
    assert store.wire.call("GET", "key") == b"x" * 100_000, "several records of TLS are one reply"


@pytest.mark.parametrize("db", [0, 3])
def test_a_connection_that_was_just_made_has_nothing_to_read(url: str, db: int) -> None:
    wire = Wire(parse_url(url.replace("/0?", f"/{db}?")))
    wire.send(("BZPOPMIN", "jq:{q}:wake", 20))
    with selectors.DefaultSelector() as selector:
        selector.register(wire, selectors.EVENT_READ)
        assert selector.select(WAIT_S) == []
    wire.close()


def test_an_idle_worker_waits_as_long_as_it_is_told_and_a_token_ends_that(
    url: str, connect: Callable[..., Store], line: Channel, wakeup: Wakeup
) -> None:
    wire, store = Wire(parse_url(url)), connect(url)
    wake_wait = WakeWait([TokenLine(wire, lambda: ["q"], (), Heard())], line, wakeup)
    began_s = time.monotonic()
    assert not wake_wait.wait(WAIT_S)
    assert time.monotonic() - began_s >= WAIT_S
    store.wire.call("ZADD", "jq:{q}:wake", 0, "1")
    assert wake_wait.wait(60)
    assert store.wire.call("EXISTS", "jq:{q}:wake") == 0, "it was taken"
    wire.close()


def test_a_worker_may_leave_out_the_token_of_a_queue_while_it_waits_for_others(
    url: str, connect: Callable[..., Store], line: Channel, wakeup: Wakeup
) -> None:
    wire, store, full = Wire(parse_url(url)), connect(url), frozenset({"full"})
    wake_wait = WakeWait([TokenLine(wire, lambda: ["full", "q"], (), Heard())], line, wakeup)
    assert not wake_wait.wait(0)
    store.wire.call("ZADD", "jq:{full}:wake", 0, "1")
    assert wake_wait.wait(60), "it was asked for"
    store.wire.call("ZADD", "jq:{full}:wake", 0, "1")
    assert not wake_wait.wait(WAIT_S, but=full)
    store.wire.call("ZADD", "jq:{q}:wake", 0, "1")
    assert wake_wait.wait(60, but=full)
    assert not wake_wait.wait(0, but=frozenset({"full", "q"}))
    assert wake_wait.wait(60)
    assert store.wire.call("EXISTS", "jq:{full}:wake") == 0
    wire.close()


def ping(url: str, how: str) -> None:
    """Speak to a server from a thread, or from a coroutine."""
    if how == "thread":
        with closing(Wire(parse_url(url), timeout_s=3)) as wire:
            wire.call("PING")
    else:
        asyncio.run(ping_async(url))


async def ping_async(url: str) -> None:
    wire = AsyncWire(parse_url(url), timeout_s=3)
    try:
        await wire.call("PING")
    finally:
        await wire.aclose()


both = pytest.mark.parametrize("how", ["thread", "coroutine"])


@both
@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        (lambda url: url.partition("?")[0], "certificate", "ssl_ca_certs"),
        (lambda url: url.replace("127.0.0.1", "localhost"), "certificate", "ssl_check_hostname"),
    ],
)
def test_a_certificate_that_is_refused_is_said_as_such(
    url: str, how: str, change: Callable[[str], str], reason: str, hint: str
) -> None:
    with pytest.raises(StoreUnavailable, match="its certificate is refused") as raised:
        ping(change(url), how)
    assert (raised.value.reason, hint in raised.value.hint) == (reason, True)
    assert "is it running" not in raised.value.hint


@both
@pytest.mark.parametrize(
    "change",
    [
        lambda url: f"{url.partition('?')[0]}?ssl_cert_reqs=none",
        lambda url: f"{url}&ssl_cert_reqs=optional",
        lambda url: f"{url}&ssl_cert_reqs=required&ssl_check_hostname=true",
        lambda url: f"{url}&ssl_check_hostname=false".replace("127.0.0.1", "localhost"),
        lambda url: url.replace("rediss", "valkeys"),
    ],
)
def test_the_options_are_those_of_redis_py(url: str, how: str, change: Callable[[str], str]) -> None:
    ping(change(url), how)


def test_a_file_that_went_away_is_said_as_such_and_read_when_it_is_back(
    url: str, certificate: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "ca.pem"
    ours.write_bytes(certificate.read_bytes())
    with closing(Wire(parse_url(f"{url.partition('?')[0]}?ssl_ca_certs={ours}"), timeout_s=3)) as wire:
        ours.rename(tmp_path / "away.pem")
        with pytest.raises(StoreUnavailable, match="No such file") as raised:
            wire.call("PING")
        assert (raised.value.reason, "PEM" in raised.value.hint) == ("certificate", True)
        (tmp_path / "away.pem").rename(ours)
        wire.call("PING")


@both
def test_a_server_that_wants_our_certificate_gets_it_and_without_it_that_is_said(
    url: str, certificate: Path, connect: Callable[..., Store], how: str
) -> None:
    connect(url).wire.call("CONFIG", "SET", "tls-auth-clients", "yes")
    with pytest.raises(StoreUnavailable) as raised:
        ping(url, how)
    assert "ssl_certfile" in raised.value.hint
    ping(f"{url}&ssl_certfile={certificate}&ssl_keyfile={certificate.with_name('key.pem')}", how)


@pytest.mark.parametrize(
    "options",
    ["ssl_cert_reqs=never", "ssl_check_hostname=perhaps", "ssl_ca_certs=/nowhere.pem", "ssl_certfile=/nowhere.pem",
     "ssl_keyfile=/nowhere.pem", "ssl=1"],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_a_configuration_error(options: str) -> None:
    with pytest.raises(ConfigError):
        parse_url(f"rediss://host?{options}")


def test_options_of_tls_without_tls_are_refused() -> None:
    with pytest.raises(ConfigError, match="without"):
        parse_url("redis://host?ssl_cert_reqs=required")


def test_who_does_not_check_the_certificate_is_warned(url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = App(redis_url=f"{url.partition('?')[0]}?ssl_cert_reqs=none")

    @app.job
    def send() -> None: ...

    for _ in range(2):
        send.enqueue()
    app.client.close()
    assert caplog.messages == ["redis.unverified"]


@both
def test_a_url_without_tls_at_a_port_with_it_is_told_to_say_so(url: str, how: str) -> None:
    with pytest.raises(StoreUnavailable) as raised:
        ping(url.replace("rediss://", "redis://").partition("?")[0], how)
    assert "write rediss://" in raised.value.hint


def test_a_server_without_tls_is_an_error_and_no_hang(start_server: Callable[..., Server]) -> None:
    server = start_server("redis", tcp=True)
    wire = Wire(parse_url(server.url.replace("redis://", "rediss://")), timeout_s=2)
    with pytest.raises(StoreUnavailable) as raised:
        wire.connect()
    assert "is TLS spoken" in raised.value.hint


@pytest.mark.parametrize(("scheme", "hint"), [("redis", "write rediss://"), ("rediss", "ssl_ca_certs")])
def test_what_is_wrong_with_the_tls_of_a_sentinel_is_said_as_such(url: str, scheme: str, hint: str) -> None:
    place = url.partition("://")[2].partition("/")[0]
    with pytest.raises(StoreUnavailable, match="none of the sentinels") as raised:
        Wire(parse_url(f"{scheme}+sentinel://{place}/mymaster")).connect()
    assert hint in raised.value.hint
