"""store.py: scripts the server forgot, broken connections, and what is repeated and what never is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from jqjobs.errors import StoreBusy, StoreError, StoreFull, StoreUnavailable
from jqjobs.job import NewJob, Status
from jqjobs.store import calls, trips
from jqjobs.store.store import Store
from servers import Server
from store.rig import LEASE_MS, Rig, answers
from waiting import eventually


def new(job_id: str) -> calls.Call[list]:
    return calls.enqueue("q", [NewJob("n", b"{}", id=job_id)])


def forget_scripts(rig: Rig) -> None:
    rig.redis("SCRIPT", "FLUSH")


def cut_connection(rig: Rig) -> None:
    """End the rig's connection from the server's side, as CLIENT KILL does."""
    number = rig.redis("CLIENT", "ID")
    with Server(rig.kind, rig.store.address.path).connect() as other:
        other.sendall(b"CLIENT KILL ID %d\r\n" % number)
        assert other.recv(100) == b":1\r\n"


def test_a_script_the_server_forgot_is_sent_again(rig: Rig) -> None:
    rig.add("a")
    forget_scripts(rig)

    assert rig.add("b")[0].created
    assert rig.ids("ready") == ["a", "b"]


def test_an_exchange_survives_forgotten_scripts_and_runs_once(rig: Rig) -> None:
    rig.add("a", "b")
    rig.join("w")
    forget_scripts(rig)
    answer = rig.trip("w", 1)

    assert (answer.status, [job.id for job in answer.jobs]) == (Status.OK, ["a"])


def test_several_calls_share_a_round_trip_and_answer_in_order(rig: Rig) -> None:
    answers = rig.store.run_many([new("a"), new("b"), new("a")])

    assert [answer[0].created for answer in answers] == [True, True, False]


def test_several_calls_survive_forgotten_scripts(rig: Rig) -> None:
    rig.add("x")
    forget_scripts(rig)
    answers = rig.store.run_many([new("a"), calls.join("q", "w", LEASE_MS), new("b")])

    assert [type(answer) for answer in answers] == [list, bool, list]
    assert rig.ids("ready") == ["x", "a", "b"]


def test_an_error_stands_in_the_place_of_its_answer(rig: Rig) -> None:
    rig.redis("SET", "jq:{bad}:leases", "not a sorted set")
    good, bad, last = rig.store.run_many([new("a"), calls.join("bad", "w", LEASE_MS), new("b")])

    assert good[0].created
    assert last[0].created
    assert isinstance(bad, StoreError)


def test_no_calls_need_no_round_trip(rig: Rig) -> None:
    assert rig.store.run_many([]) == []


def test_a_script_error_is_typed_and_the_connection_goes_on(rig: Rig) -> None:
    rig.redis("SET", rig.key("leases"), "not a sorted set")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        rig.run(calls.join("q", "w", LEASE_MS))

    assert rig.redis("PING") in (b"PONG", "PONG")


def test_a_repeatable_call_is_sent_again_on_a_new_connection(real_rig: Rig) -> None:
    real_rig.add("a")
    cut_connection(real_rig)

    assert real_rig.add("b")[0].created


@pytest.mark.parametrize("call", [calls.ingest("q", "n"), trips.exchange(["q"], "w", 1, 1, LEASE_MS)])
def test_a_call_that_must_not_run_twice_is_not_repeated(real_rig: Rig, call: calls.Call) -> None:
    real_rig.join("w")
    real_rig.push({"job": "n"})
    cut_connection(real_rig)
    with pytest.raises(StoreUnavailable):
        real_rig.run(call)

    assert real_rig.redis("LLEN", real_rig.key("inbox")) == 1
    assert real_rig.redis("GET", real_rig.key("trip:w")) == b"0"


def test_several_calls_are_not_repeated_after_a_broken_connection(real_rig: Rig) -> None:
    real_rig.add("x")
    cut_connection(real_rig)
    with pytest.raises(StoreUnavailable):
        real_rig.store.run_many([new("a"), new("b")])

    assert real_rig.ids("ready") == ["x"]


def test_the_next_call_after_an_error_connects_again(real_rig: Rig) -> None:
    real_rig.join("w")
    cut_connection(real_rig)
    with pytest.raises(StoreUnavailable):
        real_rig.run(calls.ingest("q", "n"))

    assert real_rig.ingest() == (0, 0, 0, 0)


def test_a_server_that_is_gone_and_comes_back_is_found_again(start_server: Callable[..., Server]) -> None:
    server = start_server("valkey")
    rig = Rig(server.url)  # its connection is dropped by the errors it meets
    rig.add("a")
    server.kill()
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        rig.add("b")
    assert server.url in str(raised.value)
    server.restart()

    assert rig.add("c")[0].created
    rig.store.close()


def test_a_server_that_does_not_answer_in_time_is_unavailable(
    start_server: Callable[..., Server], connect: Callable[..., Store]
) -> None:  # fmt: skip
    server = start_server("valkey")
    store = connect(server.url, timeout_s=0.2)
    store.ping()
    os.kill(server.pid, signal.SIGSTOP)
    with pytest.raises(StoreUnavailable, match="no answer in time"):
        store.run(calls.ingest("q", "n"))
    assert not store.wire.connected
    os.kill(server.pid, signal.SIGCONT)

    eventually(lambda: answers(store), what="it answers again")


def test_a_late_reply_is_never_taken_for_the_next_ones(real_rig: Rig, connect: Callable[..., Store]) -> None:
    """A call that gives up drops its connection, and with it the reply that is still to come."""
    store = connect(real_rig.url, timeout_s=0.1)
    with pytest.raises(StoreUnavailable):
        store.wire.call("BLPOP", "nothing", 1)

    assert store.wire.call("ECHO", "mine") == b"mine"


def test_a_forked_child_does_not_use_its_parents_connection(real_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    real_rig.redis("PING")
    parents = real_rig.redis("CLIENT", "ID")
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert real_rig.redis("CLIENT", "ID") != parents


def test_known_queues_are_sorted(rig: Rig) -> None:
    rig.store.run(calls.know(["b", "a"]))
    rig.store.run(calls.know(["a"]))

    assert rig.store.queues() == ["a", "b"]


def test_a_busy_server_is_not_asked_twice(real_rig: Rig, connect: Callable[..., Store]) -> None:
    """While a script of somebody else blocks it, Redis answers BUSY; that is no broken connection."""
    real_rig.add("a")
    real_rig.redis("CONFIG", "SET", "busy-reply-threshold", 50)
    stuck = connect(real_rig.url, timeout_s=20)
    blocker = threading.Thread(target=lambda: _until_killed(stuck))
    blocker.start()
    try:
        eventually(lambda: is_busy(real_rig), what="it is busy")
    finally:
        eventually(lambda: killed(real_rig), what="the script is killed")
        blocker.join(20)
        real_rig.redis("CONFIG", "SET", "busy-reply-threshold", 5000)

    assert real_rig.add("b")[0].created


def _until_killed(store: Store) -> None:
    with pytest.raises(StoreError):
        store.wire.call("EVAL", "while true do end", 0)


def is_busy(rig: Rig) -> bool:
    try:
        rig.add("a")
    except StoreBusy:
        return True
    return False


def killed(rig: Rig) -> bool:
    try:
        rig.redis("SCRIPT", "KILL")
    except StoreError as error:
        return "NOTBUSY" in str(error)
    return True


def test_a_full_server_is_told_apart_inside_a_batch_with_forgotten_scripts(real_rig: Rig) -> None:
    real_rig.join("w")
    forget_scripts(real_rig)
    real_rig.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        full, held = real_rig.store.run_many([new("a"), calls.renew("q", LEASE_MS, ["w"])])
    finally:
        real_rig.redis("CONFIG", "SET", "maxmemory", 0)

    assert isinstance(full, StoreFull)
    assert held == [0]


def test_after_an_interrupt_the_next_command_gets_its_own_answer(rig: Rig) -> None:
    wire = rig.store.wire

    class Interrupted(BaseException):
        pass

    def interrupted() -> None:
        with wire.whole:
            wire.send(("ECHO", "one"))
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert wire.call("ECHO", "mine") == b"mine"
