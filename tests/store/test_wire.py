"""wire.py: which error of a real server becomes which class."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from jqjobs.errors import ConfigError, ScriptMissing, StoreBusy, StoreError, StoreFull, StoreRefused, StoreUnavailable
from jqjobs.store.address import parse_url
from jqjobs.store.calls import leases
from jqjobs.store.error_replies import error_of
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire
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
        ("MOVED 3999 127.0.0.1:6381", StoreRefused),
        ("CROSSSLOT Keys in request don't hash to the same slot", StoreRefused),
        ("ERR DB index is out of range", StoreRefused),
        ("ERR SELECT is not allowed in cluster mode", StoreRefused),
        ("ERR Error running script: script tried accessing undeclared key", StoreRefused),
        ("NOSCRIPT No matching script. Please use EVAL.", ScriptMissing),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreError),
        ("ERR unknown command 'FOO'", StoreError),
        ("ERR unknown command 'TIME', with args beginning with: ", StoreRefused),
        ("ERR unknown command 'EVALSHA', with args beginning with: 'ebc62' '1' ", StoreRefused),
    ],
)
def test_an_error_reply_is_told_by_its_first_word(reply: str, kind: type) -> None:
    error = error_of(Exception(reply))
    assert type(error) is kind
    if issubclass(kind, (StoreBusy, StoreFull, StoreRefused)):
        assert error.hint, "says what to do"
        assert "@user_script" not in str(error)


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


def test_who_repeats_what_it_was_told_is_not_repeated(peer: Callable[..., Peer], connect: Connect) -> None:
    """A Redis whose AUTH is renamed, or a proxy: it quotes the arguments of a command that it does not know."""
    said = b"-ERR unknown command 'AUTH', with args beginning with: 'hunter2' \r\n"
    store = connect(peer(b"SETNAME", said * 2).url.format(":hunter2@"), timeout_s=2)
    with pytest.raises(StoreError) as raised:
        store.ping()

    assert "hunter2" not in str(raised.value) + repr(raised.value.__context__)


def test_a_server_without_scripts_is_refused_and_arguments_of_jobs_are_not_repeated() -> None:
    refusal = error_of(Exception("ERR unknown command 'EVALSHA', with args beginning with: 'ebc62' 'secret' "))
    assert "rename-command" in refusal.hint
    assert "secret" not in str(refusal)


def test_who_answers_with_an_alert_of_tls_is_said_to_speak_it(peer: Callable[..., Peer], connect: Connect) -> None:
    store = connect(peer(b"SETNAME", b"\x15\x03\x01\x00\x02\x02\x0a").url.format(""), timeout_s=2)
    with pytest.raises(StoreError) as raised:
        store.ping()
    assert "write rediss://" in raised.value.hint


def test_a_user_without_a_password_is_not_taken_for_the_default_one(guarded: str, connect: Connect) -> None:
    connect(with_password(guarded, ":secret")).wire.call("ACL", "SETUSER", "default", "nopass")
    with pytest.raises(StoreRefused, match="WRONGPASS"):
        connect(with_password(guarded, "ghost")).ping()


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


def test_a_password_on_a_server_without_one_is_refused(real_system: QueueSystem, connect: Connect) -> None:
    store = connect(with_password(real_system.url, ":secret"))
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


@pytest.mark.parametrize("word", ["READONLY", "MASTERDOWN", "UNBLOCKED"])
def test_a_server_that_is_no_primary_any_more_is_left_before_the_next_command(
    peer: Callable[..., Peer], connect: Connect, word: str
) -> None:
    demoted = peer(b"PING", f"+OK\r\n-{word} it is no primary\r\n+PONG\r\n".encode())
    wire = connect(demoted.url.format(""), timeout_s=2).wire
    error, after = wire.pipeline([("INCR", "x"), ("PING",)])
    assert (type(error), after) == (StoreBusy, b"PONG"), "what is under way is read"
    assert not wire.connected
    wire.close()


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


class Peer:
    """A server of one connection: hears until there is a certain word, then gives a certain answer."""

    def __init__(self, until: bytes, answer: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://{{}}127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = b""
        self._thread = threading.Thread(target=self._serve, args=(until, answer), daemon=True)
        self._thread.start()

    def _serve(self, until: bytes, answer: bytes) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while until not in self.heard:
                self.heard += connection.recv(65536)
            connection.sendall(answer)
            while more := connection.recv(65536):
                self.heard += more

    def end(self) -> None:
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Make peers; asked for before `connect`, which hangs up: a peer ends when its client has gone."""
    made: list[Peer] = []

    def one(until: bytes, answer: bytes) -> Peer:
        made.append(Peer(until, answer))
        return made[-1]

    yield one
    for each in made:
        each.end()


def test_something_that_is_no_redis_is_a_store_error(peer: Callable[..., Peer], connect: Connect) -> None:
    stranger = peer(b"PING", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    store = connect(stranger.url.format(""), timeout_s=2)
    with pytest.raises(StoreError, match="no Redis"):
        store.ping()
    assert not store.wire.connected


@pytest.mark.parametrize("takes_poll_away", [False, True])
def test_a_connection_that_has_ended_is_seen_before_it_is_used(
    real_system: QueueSystem, connect: Connect, monkeypatch: pytest.MonkeyPatch, takes_poll_away: bool
) -> None:
    if takes_poll_away:
        monkeypatch.delattr(select, "poll")  # as eventlet does
    store = connect(real_system.url, patience_s=5.0)
    store.ping()
    assert not store.wire.poll(0)
    real_system.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert store.wire.poll(10)
    assert store.run(leases.join("q", "w", LEASE_MS))


# The name of a connection


def names(system: QueueSystem) -> set[str]:
    """The names that CLIENT LIST shows."""
    listed = system.redis("CLIENT", "LIST").decode().split()
    return {word.removeprefix("name=") for word in listed if word.startswith("name=")}


@pytest.mark.parametrize(
    ("name", "shown"), [("host:1:4f", "host:1:4f"), ("jqd-my shop\n\xe4", "jqd-my_shop__"), ("", "jqjobs")]
)
@pytest.mark.parametrize("db", ["", "?db=3"])
def test_client_list_shows_whose_connection_it_is(
    real_system: QueueSystem, connect: Connect, name: str, shown: str, db: str
) -> None:
    connect(real_system.url + db, name=name).ping()
    assert shown in names(real_system)


def test_who_may_have_no_name_works_without(guarded: str, connect: Connect) -> None:
    store = connect(with_password(guarded, "reader:secret"), name="w")
    store.ping()
    assert store.wire.call("GET", "x") is None
    listed = connect(with_password(guarded, ":secret"), name="admin").wire.call("CLIENT", "LIST").decode()
    assert "name=admin" in listed
    assert "name=w " not in listed


def test_a_server_that_does_not_know_names_is_no_less_a_server(peer: Callable[..., Peer], connect: Connect) -> None:
    old = peer(b"PING", b"-ERR unknown subcommand 'SETNAME'\r\n+PONG\r\n")
    connect(old.url.format(""), timeout_s=2).ping()


def test_a_name_costs_no_round_trip(peer: Callable[..., Peer], connect: Connect) -> None:
    """The peer answers nothing before it has heard all."""
    patient = peer(b"PING", b"+OK\r\n+PONG\r\n")
    connect(patient.url.format(""), timeout_s=2).ping()
    known = peer(b"SETNAME", b"+OK\r\n+OK\r\n+OK\r\n+PONG\r\n")
    connect(known.url.format(":secret@") + "/3", timeout_s=2).ping()


def test_who_selects_sees_an_answer_that_comes_at_once(real_system: QueueSystem) -> None:
    for _ in range(50):
        wire = Wire(real_system.store.address)
        wire.send(("PING",))
        seen = wire.poll(10)
        wire.close()
        assert seen, "it came along with the answer to the name"


def test_nothing_is_asked_before_it_is_clear_by_whom_and_of_which_database(
    peer: Callable[..., Peer], connect: Connect
) -> None:
    strict = peer(b"SETNAME", b"+OK\r\n-ERR DB index is out of range\r\n+OK\r\n")
    store = connect(strict.url.format(":secret@") + "/99", timeout_s=2)
    with pytest.raises(StoreError, match="out of range"):
        store.wire.call("SET", "x", 1)
    strict.end()
    assert b"SETNAME" in strict.heard
    assert b"SET\r\n" not in strict.heard


@pytest.mark.parametrize("reply", ["ERR max number of clients reached", "DENIED Redis is running in protected mode"])
def test_a_server_that_wants_no_connection_says_why(peer: Callable[..., Peer], connect: Connect, reply: str) -> None:
    full = peer(b"PING", f"-{reply}\r\n".encode())
    with pytest.raises(StoreError, match=reply):
        connect(full.url.format(""), timeout_s=2).ping()


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http://h", "redis://h:port", "redis://h/x", "unix://", "redis://h?ssl=1", "redis://h:99999"],
)
def test_a_url_of_another_form_is_a_configuration_error_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_url(url.replace("//h", "//user:hunter2@h"))

    assert "hunter2" not in str(raised.value) + raised.value.hint
