"""The batch: what is finished and not yet recorded keeps its place, gets through once, and is never lost."""

from __future__ import annotations

import threading

import pytest

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import PLACES
from jqjobs.worker.trips.batch import Batch
from unit.worker.batches import ended, jobs, reported, started

# Places


def test_a_place_is_used_again_only_after_the_outcome_is_recorded(board: Board, batch: Batch) -> None:
    batch.add(jobs(PLACES))
    done, failed = started(batch), started(batch)
    batch.finish(done)
    batch.finish(failed, ended(failed))
    assert batch.free_places == 0
    lost = batch.reports.take()
    assert (batch.free_places, len(board.entries())) == (0, PLACES), "it is on its way, and may be lost"
    batch.reports.put_back(lost)
    batch.reports.recorded(batch.reports.take())
    assert (batch.free_places, len(board.entries())) == (2, PLACES - 2)
    late = [TakenJob("q", "late", 1, "name", b"{}")]
    batch.add(late)
    assert late[0].place in (done.place, failed.place)


def test_what_was_given_back_keeps_its_place_until_that_is_recorded(board: Board, batch: Batch) -> None:
    batch.add(jobs(3))
    batch.give_back()
    assert batch.free_places == PLACES - 3
    batch.reports.recorded(batch.reports.take())
    assert (batch.free_places, board.entries()) == (PLACES, [])


# Reports


def test_outcomes_that_did_not_get_through_come_first_next_time(batch: Batch) -> None:
    batch.add(jobs(6))
    for number in range(4):
        job = started(batch)
        batch.finish(job, ended(job) if number % 2 else None)
    lost = batch.reports.take()
    for number in range(2):
        job = started(batch)
        batch.finish(job, ended(job) if number % 2 else None)
    batch.reports.put_back(lost)
    assert reported(batch) == ["id-0", "id-2", "id-4", "id-1 failed", "id-3 failed", "id-5 failed"]


def test_whether_hooks_wait_is_known_until_it_is_reported_and_again_when_that_went_wrong(batch: Batch) -> None:
    batch.add(jobs(2))
    job = started(batch)
    batch.finish(job, ended(job, after=object()))
    other = started(batch)
    batch.finish(other, ended(other))
    assert batch.reports.has_hooked
    lost = batch.reports.take()
    assert not batch.reports.has_hooked
    batch.reports.put_back(lost)
    assert batch.reports.has_hooked


def test_with_nothing_in_hand_there_is_nothing_to_look_at(batch: Batch) -> None:
    batch.add(jobs(1))
    batch.rest()
    assert batch.busy.is_set(), "it is to be run"
    job = started(batch)
    batch.rest()
    assert batch.busy.is_set(), "it runs"
    batch.finish(job)
    batch.rest()
    assert not batch.busy.is_set()


@pytest.mark.usefixtures("switching")
def test_slots_and_the_monitor_thread_lose_and_double_nothing(board: Board, batch: Batch) -> None:
    rounds, count = 60, 50
    is_over = threading.Event()
    seen: list[str] = []

    def slot() -> None:
        while (job := batch.start_next()) is not None:
            batch.finish(job, ended(job) if int(job.id[3:]) % 3 == 0 else None)

    def monitor() -> None:
        while not is_over.is_set():
            batch.give_back()
            report()

    def report() -> None:
        taken = batch.reports.take()
        if len(seen) % 7 == 0:
            batch.reports.put_back(taken)
            taken = batch.reports.take()
        seen.extend([*(job.id for job in taken.done), *(outcome.job.id for outcome in taken.outcomes)])
        batch.reports.recorded(taken)

    for _ in range(rounds):
        is_over.clear()
        seen.clear()
        batch.add(jobs(count))
        slots = [threading.Thread(target=slot) for _ in range(3)]
        watching = threading.Thread(target=monitor)
        for thread in (*slots, watching):
            thread.start()
        for thread in slots:
            thread.join()
        is_over.set()
        watching.join()
        report()
        assert sorted(seen) == sorted(job.id for job in jobs(count))
        assert (batch.free_places, board.entries(), batch.running) == (PLACES, [], [])


def test_a_report_is_bounded_and_the_rest_comes_with_the_next_one(batch: Batch) -> None:
    """By number, and by the bytes of what is said; one of very many bytes goes alone."""
    sizes = [0] * 200 + [4096] * 100 + [1_000_000, 0, 1_000_000]
    batch.add(jobs(len(sizes)))
    all_jobs = [started(batch) for _ in sizes]
    for job, size in zip(all_jobs, sizes, strict=True):
        batch.finish(job, Outcome.kept(job, result=b"x" * size))
    lengths, told = [], []
    while batch.reports.pending:
        report = batch.reports.take()
        lengths.append(len(report.outcomes))
        told += [each.job for each in report.outcomes]

    assert told == all_jobs
    assert lengths == [64, 64, 64, 36, 32, 32, 8, 1, 1, 1]


def test_a_report_is_bounded_by_successes_with_limits_too_which_count_with_the_outcomes(batch: Batch) -> None:
    batch.add(jobs(300))
    for n in range(300):
        job = started(batch)
        job.limits = "" if n < 100 else "c 1 0 name"
        batch.finish(job, Outcome.kept(job, result=b"1") if n < 10 else None)
    lengths = []
    while batch.reports.pending:
        report = batch.reports.take()
        lengths.append((len(report.done), len(report.outcomes), batch.reports.was_cut_short))

    assert lengths == [(90 + 54, 10, True), (64, 0, True), (64, 0, True), (18, 0, False)]


def test_a_resync_reports_all(batch: Batch) -> None:
    """What it does not name goes back, and would run again."""
    batch.add(jobs(200))
    for _ in range(200):
        job = started(batch)
        batch.finish(job, ended(job))
    assert len(batch.reports.take(is_all=True).outcomes) == 200
    assert not batch.reports.pending
