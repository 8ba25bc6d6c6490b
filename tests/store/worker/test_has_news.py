"""The cheap look of an idle worker: it must not miss anything that a trip would find, and costs one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.errors import StoreError
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.outcome import Outcome
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.store import Store
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.queue_order import queue_order
from jqjobs.worker.trips.suspects import SuspectTurn
from jqjobs.worker.trips.tail import Tail
from servers import Server
from store.queue_system import LEASE_MS, QueueSystem


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board.create(tmp_path / "w.board")
    board.set_word(Word.LEASE_UNTIL, 2**60)
    yield board
    board.close()


@pytest.fixture
def batch(board: Board) -> Batch:
    return Batch(WorkerBoard(board.path))


def exchanger_of(store: Store, queues: tuple[str, ...], board: Board, batch: Batch) -> Exchanger:
    order, suspects = queue_order(queues, ()), SuspectTurn(WorkerBoard(board.path), batch)
    return Exchanger(store, order, "w", LEASE_MS, batch, suspects, lambda job: job, Tail("w"), set())


@pytest.fixture
def worker(system: QueueSystem, board: Board, batch: Batch) -> Exchanger:
    """A worker of two queues that has looked once and found nothing."""
    system.join("w", queues=("a", "b"))
    exchanger = exchanger_of(system.store, ("a", "b"), board, batch)
    assert exchanger.trip(1).jobs == []
    return exchanger


def test_in_empty_queues_there_is_no_news(worker: Exchanger) -> None:
    for _ in range(3):
        assert not worker.has_news()


@pytest.mark.parametrize("queue", ["a", "b"])
def test_a_job_that_is_ready_is_news(worker: Exchanger, system: QueueSystem, queue: str) -> None:
    system.add("x", queue=queue)
    assert worker.has_news()
    [job] = worker.trip(1).jobs
    assert (job.id, worker.has_news()) == ("x", False)


@pytest.mark.parametrize("queue", ["a", "b"])
def test_an_envelope_is_news_also_without_a_wake_token(worker: Exchanger, system: QueueSystem, queue: str) -> None:
    system.push({"job": "n"}, queue=queue)
    assert worker.has_news()


def test_what_is_not_due_or_is_another_queues_is_no_news(worker: Exchanger, system: QueueSystem) -> None:
    system.add("later", queue="a", due="+60000")
    system.add("elsewhere", queue="c")
    assert not worker.has_news()


@pytest.mark.parametrize("is_plain", [True, False], ids=["plain", "other"])
def test_an_outcome_that_is_not_reported_is_news(
    worker: Exchanger, system: QueueSystem, batch: Batch, *, is_plain: bool
) -> None:
    system.add("x", queue="a")
    [job] = worker.trip(1).jobs
    assert batch.start_next() == job
    batch.finish(job, None if is_plain else Outcome.discarded(job, error="no", line=b"{}"))
    assert worker.has_news()
    worker.trip(0)
    assert not worker.has_news()


def test_it_is_one_command_however_many_queues_there_are(
    worker: Exchanger, system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, ...]] = []
    call = system.store.wire.call

    def count(*command: object) -> object:
        sent.append(command)
        return call(*command)  # type: ignore[arg-type]

    monkeypatch.setattr(system.store.wire, "call", count)
    assert not worker.has_news()
    assert sent == [("EXISTS", "jq:{a}:ready", "jq:{a}:inbox", "jq:{b}:ready", "jq:{b}:inbox")]


def test_suspects_are_news_for_who_takes_them(system: QueueSystem, board: Board, worker: Exchanger) -> None:
    system.redis("ZADD", system.key("suspects", "b"), 1, "x")
    assert not worker.has_news()
    board.set_word(Word.SUSPECTS, Scope.WORKER)
    assert worker.has_news()


def test_an_error_is_news_and_the_next_trip_says_it_and_sorts_it_out(
    start_server: Callable[..., Server], connect: Callable[..., Store], board: Board, batch: Batch
) -> None:
    server = start_server("valkey", "--appendonly", "yes", "--appendfsync", "always")
    system = QueueSystem(server.url)
    system.join("w")
    worker = exchanger_of(connect(server.url), ("q",), board, batch)
    worker.trip(1)
    server.kill()
    assert worker.has_news()
    with pytest.raises(StoreError):
        worker.trip(1)
    server.restart()
    assert worker.has_news(), "after a broken trip nobody knows what became of it: the next one is a resync"
    worker.trip(1)
    assert not worker.has_news()
    system.store.close()
