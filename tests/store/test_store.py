"""store.py: scripts the server forgot, broken connections, and what is repeated and what never is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.errors import StoreBusy, StoreError, StoreFull, StoreUnavailable
from jqjobs.jobs.records import NewJob, Status
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, leases, trips, upkeep
from jqjobs.store.reads.jobs import job_info
from jqjobs.store.store import Store
from proxy import Proxy
from servers import Server
from store.queue_system import LEASE_MS, QueueSystem, answers
from waiting import eventually

#: As a lease it breaks the script.
NO_NUMBER: Any = "soon"


def new(job_id: str) -> Call[list]:
    return enqueueing.enqueue("q", [NewJob("n", b"{}", id=job_id)])


def forget_scripts(system: QueueSystem) -> None:
    system.redis("SCRIPT", "FLUSH")


def cut_connection(system: QueueSystem) -> None:
    """End the system's connection from the server's side, as CLIENT KILL does."""
    number = system.redis("CLIENT", "ID")
    with Server(system.kind, system.store.address.path).connect() as other:
        other.sendall(b"CLIENT KILL ID %d\r\n" % number)
        assert other.recv(100) == b":1\r\n"


def test_a_script_the_server_forgot_is_sent_again(system: QueueSystem) -> None:
    system.add("a")
    forget_scripts(system)

    assert system.add("b")[0].created
    assert system.ids("ready") == ["a", "b"]


def test_an_exchange_survives_forgotten_scripts_and_runs_once(system: QueueSystem) -> None:
    system.add("a", "b")
    system.join("w")
    forget_scripts(system)
    answer = system.trip("w", 1)

    assert (answer.status, [job.id for job in answer.jobs]) == (Status.OK, ["a"])


def test_several_calls_share_a_round_trip_and_answer_in_order(system: QueueSystem) -> None:
    answers = system.store.run_many([new("a"), new("b"), new("a")])

    assert [answer[0].created for answer in answers] == [True, True, False]


def test_several_calls_survive_forgotten_scripts(system: QueueSystem) -> None:
    system.add("x")
    forget_scripts(system)
    answers = system.store.run_many([new("a"), leases.join("q", "w", LEASE_MS), new("b")])

    assert [type(answer) for answer in answers] == [list, bool, list]
    assert system.ids("ready") == ["x", "a", "b"]


def test_an_error_stands_in_the_place_of_its_answer(real_system: QueueSystem) -> None:
    good, bad, last = real_system.store.run_many([new("a"), leases.join("q", "w", NO_NUMBER), new("b")])

    assert good[0].created
    assert last[0].created
    assert isinstance(bad, StoreError)


def test_no_calls_need_no_round_trip(system: QueueSystem) -> None:
    assert system.store.run_many([]) == []


def test_a_script_error_is_typed_and_the_connection_goes_on(real_system: QueueSystem) -> None:
    with pytest.raises(StoreError, match="arithmetic"):
        real_system.run(leases.join("q", "w", NO_NUMBER))

    assert real_system.redis("PING") in (b"PONG", "PONG")


def test_a_repeatable_call_is_sent_again_on_a_new_connection(real_system: QueueSystem) -> None:
    real_system.add("a")
    cut_connection(real_system)

    assert real_system.run(job_info("q", "a")) is not None


#: Calls that must not run twice.
ONCE = pytest.mark.parametrize(
    "call", [enqueueing.ingest("q", "n"), trips.exchange(["q"], "w", 1, 1, LEASE_MS), new("a")]
)


@ONCE
def test_a_call_whose_connection_was_cut_before_it_was_sent_is_made_over_another(
    real_system: QueueSystem, call: Call
) -> None:
    real_system.join("w")
    cut_connection(real_system)

    assert real_system.run(call)


@ONCE
def test_a_call_that_must_not_run_twice_is_not_repeated(
    real_system: QueueSystem, connect: Callable[..., Store], call: Call
) -> None:
    real_system.join("w")
    proxy = Proxy(real_system.store.address).start()
    store = connect(proxy.url)
    store.ping()
    proxy.weather.loss = 1
    with pytest.raises(StoreUnavailable):
        store.run(call)
    assert proxy.lost == 1, "it was sent once"

    proxy.weather.loss = 0
    store.ping()  # the next call connects again
    proxy.close()


def test_several_calls_are_not_repeated_after_a_broken_connection(real_system: QueueSystem) -> None:
    real_system.add("x")
    cut_connection(real_system)
    with pytest.raises(StoreUnavailable):
        real_system.store.run_many([new("a"), new("b")])

    assert real_system.ids("ready") == ["x"]


def test_a_server_that_is_gone_and_comes_back_is_found_again(start_server: Callable[..., Server]) -> None:
    server = start_server("valkey")
    system = QueueSystem(server.url)  # its connection is dropped by the errors it meets
    system.add("a")
    server.kill()
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        system.add("b")
    assert server.url in str(raised.value)
    server.restart()

    assert system.add("c")[0].created
    system.store.close()


def test_a_server_that_does_not_answer_in_time_is_unavailable(
    start_server: Callable[..., Server], connect: Callable[..., Store]
) -> None:  # fmt: skip
    server = start_server("valkey")
    store = connect(server.url, timeout_s=0.2)
    store.ping()
    os.kill(server.pid, signal.SIGSTOP)
    with pytest.raises(StoreUnavailable, match="no answer in time"):
        store.run(enqueueing.ingest("q", "n"))
    assert not store.wire.connected
    os.kill(server.pid, signal.SIGCONT)

    eventually(lambda: answers(store), what="it answers again")


def test_a_late_reply_is_never_taken_for_the_next_ones(real_system: QueueSystem, connect: Callable[..., Store]) -> None:
    """A call that gives up drops its connection, and with it the reply that is still to come."""
    store = connect(real_system.url, timeout_s=0.1)
    with pytest.raises(StoreUnavailable):
        store.wire.call("BLPOP", "nothing", 1)

    assert store.wire.call("ECHO", "mine") == b"mine"


def test_a_forked_child_does_not_use_its_parents_connection(
    real_system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_system.redis("PING")
    parents = real_system.redis("CLIENT", "ID")
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert real_system.redis("CLIENT", "ID") != parents


def test_known_queues_are_sorted(system: QueueSystem) -> None:
    system.store.run(upkeep.add_queues(["b", "a"]))
    system.store.run(upkeep.add_queues(["a"]))

    assert system.store.queues() == ["a", "b"]


def test_a_busy_server_is_not_asked_twice(real_system: QueueSystem, connect: Callable[..., Store]) -> None:
    """While a script of somebody else blocks it, Redis answers BUSY; that is no broken connection."""
    real_system.add("a")
    real_system.redis("CONFIG", "SET", "busy-reply-threshold", 50)
    stuck = connect(real_system.url, timeout_s=20)
    blocker = threading.Thread(target=lambda: _until_killed(stuck))
    blocker.start()
    try:
        eventually(lambda: is_busy(real_system), what="it is busy")
    finally:
        eventually(lambda: killed(real_system), what="the script is killed")
        blocker.join(20)
        real_system.redis("CONFIG", "SET", "busy-reply-threshold", 5000)

    assert real_system.add("b")[0].created


def _until_killed(store: Store) -> None:
    with pytest.raises(StoreError):
        store.wire.call("EVAL", "while true do end", 0)


def is_busy(system: QueueSystem) -> bool:
    try:
        system.add("a")
    except StoreBusy:
        return True
    return False


def killed(system: QueueSystem) -> bool:
    try:
        system.redis("SCRIPT", "KILL")
    except StoreError as error:
        return "NOTBUSY" in str(error)
    return True


def test_a_full_server_is_told_apart_inside_a_batch_with_forgotten_scripts(real_system: QueueSystem) -> None:
    real_system.join("w")
    forget_scripts(real_system)
    real_system.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        full, held = real_system.store.run_many([new("a"), leases.renew(["q"], LEASE_MS, ["w"])])
    finally:
        real_system.redis("CONFIG", "SET", "maxmemory", 0)

    assert isinstance(full, StoreFull)
    assert held == [leases.Renewed([True], set())]


def test_after_an_interrupt_the_next_command_gets_its_own_answer(system: QueueSystem) -> None:
    wire = system.store.wire

    class Interrupted(BaseException):
        pass

    def interrupted() -> None:
        with wire.whole:
            wire.send(("ECHO", "one"))
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert wire.call("ECHO", "mine") == b"mine"
