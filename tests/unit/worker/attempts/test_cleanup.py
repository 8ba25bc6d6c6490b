"""cleanup.py: between the end of an attempt and its report, in the thread or the task of the attempt."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import JobCancelled
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts import cleanup
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.interrupt import TIME_LIMIT_SIGNAL, Interrupter
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    before = signal.getsignal(TIME_LIMIT_SIGNAL)
    made = Interrupter()
    made.install()
    yield made
    signal.signal(TIME_LIMIT_SIGNAL, before)


class Stand:
    """A runner, and what happened in order."""

    def __init__(self, interrupter: Interrupter) -> None:
        self.app = App()
        self.lines: list[Any] = []
        self.has_lease = True
        self.interrupter = interrupter

    def note(self, job: JobContext) -> None:
        self.lines.append(("cleanup", job.attempt))

    def may_clean_up(self, outcome: Outcome) -> bool:
        self.lines.append(("board", outcome.kind.value))
        return self.has_lease

    def runner(self, guard: Any = None) -> Runner:
        rng = random.Random(1)
        return Runner(self.app, "w", guard or self.interrupter, rng, may_clean_up=self.may_clean_up)

    def run(self, payload: bytes = b"{}", **job: Any) -> Outcome | None:
        return self.runner().run(TakenJob("q", "a", 2, "job", payload, **job))

    def run_on_thread(self) -> Outcome | None:
        outcomes: list[Outcome | None] = []
        loop = LoopThread()
        runner = self.runner(ThreadInterrupter(lambda: False, loop))
        thread = threading.Thread(target=lambda: outcomes.append(runner.run(TakenJob("q", "a", 2, "job", b"{}"))))
        thread.start()
        thread.join(20)
        loop.close()
        return outcomes[0]

    def run_as_task(self) -> Outcome | None:
        return asyncio.run(self.runner().run_as_task(TakenJob("q", "a", 2, "job", b"{}"), AsyncWork()))


@pytest.fixture
def stand(interrupter: Interrupter) -> Stand:
    return Stand(interrupter)


ways = pytest.mark.parametrize("run", [Stand.run, Stand.run_on_thread, Stand.run_as_task])
Run = Callable[[Stand], Outcome | None]


@ways
def test_the_board_says_how_it_ended_before_the_cleanup_and_the_report_comes_after(stand: Stand, run: Run) -> None:
    async def job() -> None:
        stand.lines.append("ran")
        raise ValueError("boom")

    stand.app.job(name="job", cleanup=stand.note)(job)
    outcome = run(stand)
    assert outcome is not None
    assert outcome.kind is Kind.FAILED
    assert stand.lines == ["ran", ("board", "failed"), ("cleanup", 2)]


def test_who_may_have_lost_the_job_cleans_nothing_up(stand: Stand) -> None:
    stand.has_lease = False
    stand.app.job(name="job", cleanup=stand.note)(lambda: None)
    stand.run()
    assert stand.lines == [("board", "done")]


def test_an_attempt_that_did_not_begin_is_not_cleaned_up_after_but_an_earlier_one_is(stand: Stand) -> None:
    stand.app.job(name="job", cleanup=stand.note)(lambda: None)
    stand.run(b'{"args":[1]}')
    assert stand.lines == []
    stand.run(b'{"args":[1]}', uncleaned=1)
    assert stand.lines == [("board", "misfit"), ("cleanup", 1)]


@ways
def test_a_cleanup_that_takes_too_long_is_ended_and_the_next_one_called(
    stand: Stand, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cleanup, "HOOK_LIMIT_MS", 50)

    async def endless(job: JobContext) -> None:
        await asyncio.sleep(60)

    stand.app.job(name="job", cleanup=[endless, stand.note])(lambda: None)
    outcome = run(stand)
    assert outcome is not None
    assert outcome.kind is Kind.DONE
    assert stand.lines == [("board", "done"), ("cleanup", 2)]
    assert [record.getMessage() for record in caplog.records] == ["hook.ended"]


@ways
@pytest.mark.parametrize("error", [TimeoutError("its own"), JobCancelled("its own")], ids=repr)
def test_what_a_cleanup_raises_is_logged_and_the_next_one_called(
    stand: Stand, run: Run, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(job: JobContext) -> None:
        raise error

    stand.app.job(name="job", cleanup=[fails, stand.note])(lambda: None)
    run(stand)
    assert stand.lines[-1] == ("cleanup", 2)
    assert [record.getMessage() for record in caplog.records] in (["hook.failed"], ["hook.ended"])


@ways
def test_a_hook_that_awaits_what_it_has_cancelled_has_failed_and_ends_nothing_else(
    stand: Stand, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancels(job: JobContext) -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    async def job() -> None:
        stand.lines.append("ran")

    stand.app.job(name="job", on_start=cancels, cleanup=[cancels, stand.note])(job)
    outcome = run(stand)
    assert outcome is not None
    assert outcome.kind is Kind.DONE
    assert stand.lines == ["ran", ("board", "done"), ("cleanup", 2)]
    assert [record.getMessage() for record in caplog.records] == ["hook.failed"] * 2


def test_a_stop_of_the_worker_ends_the_job_and_not_its_cleanup(stand: Stand) -> None:
    def job() -> None:
        stand.interrupter.stop_now()

    def stopped_again(job: JobContext) -> None:
        stand.interrupter.stop_now()
        stand.note(job)

    stand.app.job(name="job", cleanup=stopped_again)(job)
    outcome = stand.run()
    assert outcome is not None
    assert outcome.kind is Kind.INTERRUPTED
    assert stand.lines == [("board", "interrupted"), ("cleanup", 2)]


def test_a_late_word_that_the_job_is_over_time_does_not_end_its_cleanup(stand: Stand) -> None:
    job = TakenJob("q", "a", 2, "job", b"{}")

    def told_late(context: JobContext) -> None:
        stand.interrupter.time_out(job)
        signal.raise_signal(TIME_LIMIT_SIGNAL)
        stand.note(context)

    stand.app.job(name="job", cleanup=told_late)(lambda: None)
    stand.runner().run(job)
    assert stand.lines == [("board", "done"), ("cleanup", 2)]


def test_what_an_earlier_attempt_left_is_cleaned_up_first(stand: Stand) -> None:
    stand.app.job(name="job", cleanup=stand.note, on_start=lambda job: stand.lines.append("on_start"))(
        lambda: stand.lines.append("ran")
    )
    stand.run(uncleaned=1)
    assert stand.lines == [("cleanup", 1), "on_start", "ran", ("board", "done"), ("cleanup", 2)]
