"""The batch: nothing is lost and nothing doubled between the main thread, the monitor thread and the board."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.board import Board, Stage
from jqjobs.job import Kind, Outcome, TakenJob
from jqjobs.worker.batch import Batch, next_want


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board.create(tmp_path / "w.board")
    yield made
    made.close()


def jobs(count: int) -> list[TakenJob]:
    return [TakenJob("q", f"id-{n}", 1, "name", b"{}") for n in range(count)]


def ended(job: TakenJob, kind: Kind = Kind.DONE) -> Outcome:
    return Outcome(job.queue, job.id, job.attempt, kind)


def stages(board: Board) -> list[Stage]:
    return [entry.stage for entry in board.entries()]


def test_a_batch_is_run_from_the_left_and_shown_on_the_board(board: Board) -> None:
    batch = Batch(board)
    batch.begin(jobs(3))
    assert batch.busy.is_set()
    first = batch.start_next()
    assert first is not None
    assert (first.id, batch.current) == ("id-0", first)
    assert stages(board) == [Stage.RUNNING, Stage.HELD, Stage.HELD]
    assert [job.id for job in batch.held()] == ["id-0", "id-1", "id-2"]
    batch.finish(ended(first))
    assert batch.current is None
    assert stages(board) == [Stage.SUCCEEDED, Stage.HELD, Stage.HELD]
    assert [job.id for job in batch.held()] == ["id-1", "id-2"]
    assert [(o.id, o.kind) for o in batch.take_outcomes()] == [("id-0", Kind.DONE)]
    assert not batch.has_outcomes


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        (Kind.DONE, Stage.SUCCEEDED), (Kind.KEPT, Stage.SUCCEEDED), (Kind.FAILED, Stage.FAILED),
        (Kind.HUNG, Stage.FAILED),
        (Kind.DISCARDED, Stage.FAILED), (Kind.UNKNOWN, Stage.RELEASED), (Kind.MALFORMED, Stage.RELEASED),
        # Its worker was stopped; if that dies before it reports, the job is charged an interrupt and no failure.
        (Kind.INTERRUPTED, Stage.RUNNING),
    ],
)  # fmt: skip
def test_how_a_job_ended_is_on_the_board_before_redis_knows(board: Board, kind: Kind, stage: Stage) -> None:
    batch = Batch(board)
    batch.begin(jobs(1))
    job = batch.start_next()
    assert job is not None
    batch.finish(ended(job, kind))
    assert stages(board) == [stage]


def test_what_is_given_back_is_released_last_one_first(board: Board) -> None:
    batch = Batch(board)
    batch.begin(jobs(4))
    batch.start_next()
    assert batch.give_back() == 3
    assert batch.give_back() == 0
    assert [(o.id, o.kind) for o in batch.take_outcomes()] == [(f"id-{n}", Kind.RELEASED) for n in (3, 2, 1)]
    assert stages(board) == [Stage.RUNNING, Stage.RELEASED, Stage.RELEASED, Stage.RELEASED]
    assert batch.start_next() is None
    assert not batch.has_held


def test_a_job_that_waits_is_on_the_board_with_the_time_it_may_wait(board: Board) -> None:
    batch = Batch(board)
    batch.begin(jobs(1))
    batch.start_next()
    batch.finish(Outcome("q", "id-0", 1, Kind.WAITING, 3_600_000))
    [entry] = board.entries()
    assert (entry.stage, entry.since_ms) == (Stage.WAITING, 3_600_000)


def test_a_job_that_is_cancelled_before_it_starts_is_dropped_and_given_back(board: Board) -> None:
    batch = Batch(board)
    batch.begin(jobs(4))
    for job_id in ("id-0", "id-2", "id-3"):
        board.cancel("q", job_id, 1, 5)
    started = batch.start_next()
    assert started is not None
    assert started.id == "id-1"
    batch.finish(ended(started))
    assert batch.start_next() is None
    assert batch.current is None
    assert stages(board) == [Stage.RELEASED, Stage.SUCCEEDED, Stage.RELEASED, Stage.RELEASED]
    reported = [(outcome.id, outcome.kind) for outcome in batch.take_outcomes()]
    released = Kind.RELEASED
    assert reported == [("id-0", released), ("id-1", Kind.DONE), ("id-2", released), ("id-3", released)]


def test_a_cancel_is_about_the_running_job_and_no_other(board: Board) -> None:
    batch = Batch(board)
    first, second, third = jobs(3)
    batch.begin([first, second, third])
    batch.start_next()
    board.cancel("q", "id-1", 1, 5)
    assert [batch.is_cancelled(job) for job in (first, second, third)] == [False] * 3
    batch.finish(ended(first))
    batch.start_next()  # id-1 is dropped
    assert [batch.is_cancelled(job) for job in (first, second, third)] == [False] * 3
    board.cancel("q", "id-2", 1, 5)
    assert [batch.is_cancelled(job) for job in (first, second, third)] == [False, False, True]
    batch.finish(ended(third))
    assert not batch.is_cancelled(third)


def test_outcomes_that_did_not_get_through_come_first_next_time(board: Board) -> None:
    batch = Batch(board)
    batch.begin(jobs(3))
    for _ in range(2):
        job = batch.start_next()
        assert job is not None
        batch.finish(ended(job))
    lost = batch.take_outcomes()
    last = batch.start_next()
    assert last is not None
    batch.finish(ended(last))
    batch.put_back_outcomes(lost)
    assert [o.id for o in batch.take_outcomes()] == ["id-0", "id-1", "id-2"]


def test_two_threads_lose_and_double_nothing(board: Board) -> None:
    batch, rounds, count = Batch(board), 200, 50
    giving_back = threading.Event()

    def monitor() -> None:
        while not giving_back.is_set():
            batch.give_back()

    for _ in range(rounds):
        giving_back.clear()
        batch.begin(jobs(count))
        thread = threading.Thread(target=monitor)
        thread.start()
        while (job := batch.start_next()) is not None:
            batch.finish(ended(job))
        giving_back.set()
        thread.join()
        seen = sorted(outcome.id for outcome in batch.take_outcomes())
        assert seen == sorted(job.id for job in jobs(count))


@given(
    average_ms=st.floats(0, 1e9), prefetch_ms=st.integers(0, 10**6), most=st.integers(1, 500), last=st.integers(0, 500)
)
def test_the_next_batch_is_bounded(average_ms: float, prefetch_ms: int, most: int, last: int) -> None:
    want = next_want(average_ms, prefetch_ms, most, last)
    assert 1 <= want <= min(most, 2 * max(last, 1))
    if average_ms:
        assert want == 1 or want * average_ms <= prefetch_ms


def test_the_batch_grows_slowly_and_shrinks_at_once() -> None:
    wants = [1]
    for _ in range(8):
        wants.append(next_want(0.01, 20, 64, wants[-1]))
    assert wants == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert next_want(500, 20, 64, 64) == 1
    assert next_want(0.0, 0, 64, 64) == 1, "no prefetch: one at a time"
