"""The batch: nothing is lost and nothing doubled between the slots, the monitor thread and the board."""

from __future__ import annotations

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link import worker_board as board_module
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage, Word
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.worker.trips import batch as batch_module
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.solitude import Solitude
from unit.worker.batches import ended, jobs, reported, started


def stages(board: Board) -> list[Stage]:
    return [entry.stage for entry in board.entries()]


def test_jobs_are_run_from_the_left_and_shown_on_the_board(board: Board, batch: Batch) -> None:
    batch.add(jobs(3))
    assert (batch.busy.is_set(), batch.unstarted_count) == (True, 3)
    first = started(batch)
    assert (first.id, batch.running, batch.unstarted_count) == ("id-0", [first], 2)
    assert stages(board) == [Stage.RUNNING, Stage.IN_HAND, Stage.IN_HAND]
    assert [job.id for job in batch.in_hand()] == ["id-0", "id-1", "id-2"]
    batch.finish(first)
    assert batch.running == []
    assert stages(board) == [Stage.SUCCEEDED, Stage.IN_HAND, Stage.IN_HAND]
    assert [job.id for job in batch.in_hand()] == ["id-1", "id-2"]
    assert batch.reports.pending
    assert reported(batch) == ["id-0"]
    assert not batch.reports.pending


def test_several_slots_run_side_by_side_and_end_in_any_order(board: Board, batch: Batch) -> None:
    batch.add(jobs(3))
    first, second = started(batch), started(batch)
    assert [entry.id for entry in board.running()] == ["id-0", "id-1"]
    batch.finish(second)
    third = started(batch)
    batch.finish(first, ended(first))
    assert (batch.running, batch.in_hand()) == ([third], [third])
    assert stages(board) == [Stage.FAILED, Stage.SUCCEEDED, Stage.RUNNING]
    assert reported(batch) == ["id-1", "id-0 failed"]


def test_the_board_says_since_when_a_job_runs(board: Board, batch: Batch) -> None:
    before = monotonic_ms()
    batch.add(jobs(1))
    job = started(batch)
    assert before <= job.started_ms == batch.last_start_ms <= monotonic_ms()
    assert [entry.since_ms for entry in board.running()] == [job.started_ms]


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        (Kind.DONE, Stage.SUCCEEDED), (Kind.KEPT, Stage.SUCCEEDED), (Kind.FAILED, Stage.FAILED),
        (Kind.HUNG, Stage.FAILED),
        (Kind.DISCARDED, Stage.FAILED), (Kind.UNKNOWN, Stage.RELEASED), (Kind.MALFORMED, Stage.RELEASED),
        (Kind.MISFIT, Stage.RELEASED),
        # Its worker was stopped; if that dies before it reports, the job is charged an interrupt and no failure.
        (Kind.INTERRUPTED, Stage.RUNNING),
    ],
)  # fmt: skip
def test_how_a_job_ended_is_on_the_board_before_redis_knows(
    board: Board, batch: Batch, kind: Kind, stage: Stage
) -> None:
    batch.add(jobs(1))
    job = started(batch)
    batch.finish(job, ended(job, kind))
    assert stages(board) == [stage]


@pytest.mark.parametrize("kind", Kind)
def test_the_board_has_a_stage_for_every_way_a_job_can_end(board: Board, batch: Batch, kind: Kind) -> None:
    batch.add(jobs(1))
    job = started(batch)
    batch.finish(job, ended(job, kind))
    assert stages(board) not in ([], [Stage.IN_HAND])


def test_what_is_given_back_is_released_last_one_first(board: Board, batch: Batch) -> None:
    batch.add(jobs(4))
    started(batch)
    assert batch.give_back() == 3
    assert batch.give_back() == 0
    assert reported(batch) == ["id-3 released", "id-2 released", "id-1 released"]
    assert stages(board) == [Stage.RUNNING, Stage.RELEASED, Stage.RELEASED, Stage.RELEASED]
    assert batch.start_next() is None
    assert batch.unstarted_count == 0


def test_a_job_that_waits_is_on_the_board_with_the_time_it_may_wait(board: Board, batch: Batch) -> None:
    batch.add(jobs(1))
    job = started(batch)
    batch.finish(job, ended(job, Kind.WAITING, wait_ms=3_600_000))
    [entry] = board.entries()
    assert (entry.stage, entry.since_ms) == (Stage.WAITING, 3_600_000)


def test_who_slept_through_its_lease_begins_nothing(board: Board, batch: Batch) -> None:
    batch.add(jobs(2))
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() - 1)
    assert batch.start_next() is None
    assert stages(board) == [Stage.IN_HAND, Stage.IN_HAND]
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() + 3_600_000)
    assert started(batch).id == "id-0"


# Cancelling


def test_a_job_that_is_cancelled_before_it_starts_is_given_back(board: Board, batch: Batch) -> None:
    batch.add(jobs(4))
    for job_id in ("id-0", "id-2", "id-3"):
        board.cancel("q", job_id, 1, 5)
    job = started(batch)
    assert job.id == "id-1"
    batch.finish(job)
    assert batch.start_next() is None
    assert batch.running == []
    assert stages(board) == [Stage.RELEASED, Stage.SUCCEEDED, Stage.RELEASED, Stage.RELEASED]
    assert reported(batch) == ["id-1", "id-0 released", "id-2 released", "id-3 released"]


def test_a_cancel_is_about_the_running_job_and_no_other(board: Board, batch: Batch) -> None:
    first, second, third = jobs(3)
    batch.add([first, second, third])
    started(batch)
    board.cancel("q", "id-1", 1, 5)
    assert [batch.is_cancelled(job) for job in (first, second, third)] == [False] * 3
    batch.finish(first)
    started(batch)  # id-1 is dropped
    assert [batch.is_cancelled(job) for job in (first, second, third)] == [False] * 3
    board.cancel("q", "id-2", 1, 5)
    assert [batch.is_cancelled(job) for job in (first, second, third)] == [False, False, True]
    batch.finish(third)
    assert not batch.is_cancelled(third)


# Recall


def test_what_is_recalled_goes_back_unstarted_and_the_daemon_hears_that_it_was_heard(
    board: Board, batch: Batch
) -> None:
    batch.add(jobs(4))
    running = started(batch)
    board.set_word(Word.RECALL, 77)
    assert batch.start_next() is None
    assert board.word(Word.RECALL) == 0
    assert stages(board) == [Stage.RUNNING, Stage.RELEASED, Stage.RELEASED, Stage.RELEASED]
    assert (batch.running, batch.in_hand()) == ([running], [running])
    assert sorted(reported(batch)) == ["id-1 released", "id-2 released", "id-3 released"]


def test_after_a_recall_the_next_jobs_are_run(board: Board, batch: Batch) -> None:
    batch.add(jobs(1))
    board.set_word(Word.RECALL, 77)
    assert batch.start_next() is None
    batch.add([TakenJob("q", "next", 1, "name", b"{}")])
    assert started(batch).id == "next"


def test_who_gives_back_of_its_own_accord_has_heard_the_recall(board: Board, batch: Batch) -> None:
    batch.add(jobs(2))
    started(batch)
    board.set_word(Word.RECALL, 77)
    batch.give_back()
    assert board.word(Word.RECALL) == 0


def test_before_its_cleanup_the_board_says_how_a_job_ended_and_who_may_have_lost_it_does_not_begin_that(
    board: Board, batch: Batch
) -> None:
    batch.add(jobs(1))
    job = started(batch)
    assert batch.may_clean_up(ended(job))
    assert stages(board) == [Stage.FAILED]
    assert batch.running == [job], "it is still in hand, for a resync"
    board.set_word(Word.LEASE_UNTIL, monotonic_ms())
    assert not batch.may_clean_up(ended(job))


def test_one_that_is_to_be_alone_starts_when_what_runs_has_ended_and_what_was_not_started_is_back(
    batch: Batch,
) -> None:
    others, suspect = jobs(2), TakenJob("q", "alone", 1, "name", b"{}")
    batch.add(others)
    running = started(batch)
    batch.give_back(way_for=Solitude(suspect, monotonic_ms() + 60_000))
    assert reported(batch) == ["id-1 released"]
    batch.add([suspect])
    assert batch.start_next() is None
    batch.finish(running)
    assert batch.start_next() is suspect


def test_one_that_is_to_be_alone_does_not_wait_for_ever(batch: Batch) -> None:
    batch.add(jobs(1))
    started(batch)
    suspect = TakenJob("q", "alone", 1, "name", b"{}")
    batch.give_back(way_for=Solitude(suspect, monotonic_ms()))
    batch.add([suspect])
    assert batch.start_next() is suspect


def test_a_limited_job_behind_one_that_took_longer_than_expected_goes_back(
    worker_board: WorkerBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = monotonic_ms()
    for module in (batch_module, board_module):
        monkeypatch.setattr(module, "monotonic_ms", lambda: now_ms)
    batch = Batch(worker_board, is_for_one_slot=True)
    limited = [TakenJob("q", f"l{n}", 1, "name", b"{}", limits="r 1 1000 x/1s") for n in range(3)]
    batch.add([*limited, *jobs(1)])
    now_ms += 1000  # the host stood still: the first one starts all the same
    first = started(batch)
    now_ms += 1000
    batch.finish(first)
    assert started(batch).id == "id-0", "one that has no limits"
    assert reported(batch) == ["l0", "l1 released", "l2 released"]
