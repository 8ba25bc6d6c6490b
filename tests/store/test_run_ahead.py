"""Store.run_ahead: calls in order, sent before the answers to earlier ones are there, over servers that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from jqjobs.errors import StoreError, StoreFull, StoreUnavailable
from jqjobs.jobs.records import NewJob
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first
from servers import Server
from store.queue_system import QueueSystem


def new(job_id: str) -> Call[list]:
    return enqueueing.enqueue("q", [NewJob("n", b"{}", id=job_id)])


def run_ahead(store: Store, *ids: str, before: Callable[[str], object] = str) -> list[bool]:
    """Whether each job was created; ``before`` is called before its call is made."""

    def coming() -> Iterator[Call[list]]:
        for job_id in ids:
            before(job_id)
            yield new(job_id)

    with closing(store.run_ahead(coming())) as found:
        return [answer[0].created for answer in raise_first(list(found))]


def test_calls_made_ahead_answer_in_order(system: QueueSystem) -> None:
    ids = [f"j{n}" for n in range(10)]

    assert run_ahead(system.store, *ids, "j3", "last") == [True] * 10 + [False, True]
    assert system.ids("ready") == [*ids, "last"]
    assert run_ahead(system.store) == []


def test_the_first_call_goes_alone_and_then_so_many_are_on_their_way(system: QueueSystem) -> None:
    made: list[str] = []
    found = system.store.run_ahead(made.append(job_id) or new(job_id) for job_id in "abcdefgh")  # type: ignore[func-returns-value]
    counts = []
    for _ in found:
        counts.append(len(made))

    assert counts == [1, 4, 5, 6, 7, 8, 8, 8]


def test_calls_made_ahead_survive_forgotten_scripts_in_order(real_system: QueueSystem) -> None:
    ids = [f"j{n}" for n in range(10)]
    with Server(real_system.kind, real_system.store.address.path).connect() as other:

        def forget(job_id: str) -> None:
            if job_id in ("j0", "j5"):
                other.sendall(b"SCRIPT FLUSH\r\n")
                assert other.recv(100) == b"+OK\r\n"

        assert run_ahead(real_system.store, *ids, before=forget) == [True] * 10
    assert real_system.ids("ready") == ids


@pytest.mark.parametrize("at", range(7))
def test_calls_made_ahead_are_not_sent_again_when_the_connection_breaks(real_system: QueueSystem, at: int) -> None:
    ids = [f"j{n}" for n in range(7)]
    number = real_system.redis("CLIENT", "ID")
    with Server(real_system.kind, real_system.store.address.path).connect() as other:

        def coming() -> Iterator[Call[list]]:
            for job_id in ids:
                if job_id == ids[at]:
                    other.sendall(b"CLIENT KILL ID %d\r\n" % number)
                    assert other.recv(100) == b":1\r\n"
                yield new(job_id)

        with closing(real_system.store.run_ahead(coming())) as answers:
            found = list(answers)
    done = [answer for answer in found if not isinstance(answer, StoreError)]
    lost = found[len(done) :]
    stored = real_system.ids("ready")
    assert ids[: len(done)] == stored[: len(done)], "what has an answer is stored"
    assert all(isinstance(error, StoreUnavailable) for error in lost)
    assert lost
    assert set(stored) <= set(ids[: len(done) + sum(error.unanswered for error in lost)]), "what was not sent is not"


def test_an_error_among_calls_made_ahead_is_raised_and_leaves_no_reply_behind(real_system: QueueSystem) -> None:
    def fill(job_id: str) -> None:
        if job_id == "c":
            other.sendall(b"CONFIG SET maxmemory 1\r\n")
            assert other.recv(100) == b"+OK\r\n"

    with Server(real_system.kind, real_system.store.address.path).connect() as other:
        with pytest.raises(StoreFull):
            run_ahead(real_system.store, *"abcdefgh", before=fill)
        held = real_system.store.wire.fileno()
        real_system.redis("CONFIG", "SET", "maxmemory", 0)

    assert real_system.ids("ready") == ["a", "b"] or real_system.ids("ready") == ["a"]
    assert held == real_system.store.wire.fileno(), "the connection is good for more"


def test_calls_made_ahead_and_given_up_leave_no_reply_behind(system: QueueSystem) -> None:
    with closing(system.store.run_ahead(map(new, "abcdef"))) as answers:
        next(answers)
        next(answers)

    assert system.redis("ECHO", "mine") == b"mine"


def test_nobody_there_is_said_at_the_first_call_made_ahead(connect: Callable[..., Store]) -> None:
    store = connect("unix:///nowhere/redis.sock")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        run_ahead(store, "a", "b")
