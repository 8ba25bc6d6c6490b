"""wire.py: which error of a real server becomes which class."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from jqjobs.errors import ConfigError, ScriptMissing, StoreBusy, StoreError, StoreFull, StoreRefused, StoreUnavailable
from jqjobs.store.address import parse_url
from jqjobs.store.calls import leases
from jqjobs.store.store import Store
from jqjobs.store.wire import error_of
from servers import Server
from store.queue_system import LEASE_MS, QueueSystem, answers
from waiting import eventually


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", StoreFull),
        ("OOM command not allowed when used memory > 'maxmemory'. script: abc, on @user_script:10.", StoreFull),
        ("READONLY You can't write against a read only replica.", StoreBusy),
        ("READONLY You can't write against a read only replica. script: abc, on @user_script:1.", StoreBusy),
        ("LOADING Redis is loading the dataset in memory", StoreBusy),
        ("BUSY Redis is busy running a script.", StoreBusy),
        ("MASTERDOWN Link with MASTER is down", StoreBusy),
        ("NOREPLICAS Not enough good replicas to write.", StoreBusy),
        ("MISCONF Redis is configured to save RDB snapshots, but it's unable to persist", StoreBusy),
        ("UNBLOCKED force unblock from blocking operation", StoreBusy),
        ("TRYAGAIN Multiple keys request during rehashing of slot", StoreBusy),
        ("CLUSTERDOWN The cluster is down", StoreBusy),
        ("ERR max number of clients reached", StoreBusy),
        ("NOAUTH Authentication required.", StoreRefused),
        ("WRONGPASS invalid username-password pair or user is disabled.", StoreRefused),
        ("NOPERM this user has no permissions to run the 'evalsha' command", StoreRefused),
        ("ERR The user executing the script can't run this command or subcommand script: abc", StoreRefused),
        ("DENIED Redis is running in protected mode", StoreRefused),
        ("NOSCRIPT No matching script. Please use EVAL.", ScriptMissing),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreError),
        ("ERR unknown command 'FOO'", StoreError),
    ],
)
def test_an_error_reply_is_told_by_its_first_word(reply: str, kind: type) -> None:
    assert type(error_of(Exception(reply))) is kind


def test_busy_is_a_kind_of_unavailable_and_full_is_not() -> None:
    assert issubclass(StoreBusy, StoreUnavailable)
    assert not issubclass(StoreFull, StoreUnavailable)
    assert not issubclass(StoreRefused, StoreUnavailable)


Connect = Callable[..., Store]


def with_password(url: str, credentials: str) -> str:
    return url.replace("unix://", f"unix://{credentials}@")


@pytest.fixture(params=["valkey", "redis"])
def guarded(request: pytest.FixtureRequest, start_server: Callable[..., Server], connect: Connect) -> str:
    """The URL of a server with a password for everybody and users who may do little."""
    server = start_server(request.param)
    store = connect(server.url)
    store.wire.call("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+eval", "+evalsha", "+ping")
    store.wire.call("ACL", "SETUSER", "nobody", "on", ">secret", "-@all")
    store.wire.call("CONFIG", "SET", "requirepass", "secret")
    return server.url


def test_a_missing_password_is_refused(guarded: str, connect: Connect) -> None:
    store = connect(guarded)
    with pytest.raises(StoreRefused, match="NOAUTH"):
        store.ping()


@pytest.mark.parametrize("credentials", [":wrong", "ghost:secret", "reader:wrong"])
def test_a_wrong_password_is_refused_and_not_repeated_in_the_message(
    guarded: str, connect: Connect, credentials: str
) -> None:
    store = connect(with_password(guarded, credentials))
    with pytest.raises(StoreRefused) as raised:
        store.ping()

    assert not store.wire.connected
    assert credentials not in str(raised.value) + raised.value.hint


def test_the_right_password_gets_in(guarded: str, connect: Connect) -> None:
    for credentials in (":secret", "reader:secret"):
        connect(with_password(guarded, credentials)).ping()


def test_a_missing_permission_is_refused(guarded: str, connect: Connect) -> None:
    store = connect(with_password(guarded, "nobody:secret"))
    with pytest.raises(StoreRefused, match="NOPERM"):
        store.run(leases.join("q", "w", LEASE_MS))


def test_a_permission_that_is_missing_inside_a_script_is_refused_too(guarded: str, connect: Connect) -> None:
    store = connect(with_password(guarded, "reader:secret"))
    with pytest.raises(StoreRefused):
        store.run(leases.join("q", "w", LEASE_MS))


def test_a_password_on_a_server_without_one_is_refused(real_rig: QueueSystem, connect: Connect) -> None:
    store = connect(with_password(real_rig.url, ":secret"))
    with pytest.raises(StoreRefused):
        store.ping()


def test_a_read_only_replica_is_busy(start_server: Callable[..., Server], connect: Connect) -> None:
    server = start_server("valkey")
    store = connect(server.url)
    store.wire.call("REPLICAOF", "127.0.0.1", 1)
    with pytest.raises(StoreBusy):
        store.run(leases.join("q", "w", LEASE_MS))
    with pytest.raises(StoreBusy):
        store.wire.call("SET", "x", 1)


def test_too_many_clients_is_busy(start_server: Callable[..., Server], connect: Connect) -> None:
    server = start_server("valkey")
    first = connect(server.url)
    first.wire.call("CONFIG", "SET", "maxclients", 1)
    second = connect(server.url)
    with pytest.raises(StoreUnavailable):
        second.ping()
    first.wire.call("CONFIG", "SET", "maxclients", 100)

    eventually(lambda: answers(second), what="it is let in")


@pytest.mark.parametrize("url", ["unix:///nowhere/at/all.sock", "redis://127.0.0.1:1", "redis://no.such.host.invalid"])
def test_nobody_there_is_unavailable_and_says_where(url: str, connect: Connect) -> None:
    store = connect(url, timeout_s=2)
    with pytest.raises(StoreUnavailable) as raised:
        store.ping()

    assert url in str(raised.value)
    assert "\n" not in str(raised.value)


def test_something_that_is_no_redis_is_a_store_error(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = connect(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout_s=2)
        store.wire.connect()
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(StoreError):
                store.ping()

    assert not store.wire.connected


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http://h", "redis://h:port", "redis://h/x", "unix://", "redis://h?ssl=1", "redis://h:99999"],
)
def test_a_url_of_another_form_is_a_configuration_error_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_url(url.replace("//h", "//user:hunter2@h"))

    assert "hunter2" not in str(raised.value) + raised.value.hint
