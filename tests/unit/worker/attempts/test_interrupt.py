"""Exceptions raised from outside reach the running job and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.records import TakenJob
from jqjobs.worker.attempts.interrupt import TIME_LIMIT_SIGNAL, Interrupter

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals belong to the main thread"
)


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    before = signal.getsignal(TIME_LIMIT_SIGNAL), signal.getsignal(signal.SIGUSR2)
    made = Interrupter()
    made.install()
    signal.signal(signal.SIGUSR2, lambda *_: made.stop_now())
    yield made
    signal.signal(TIME_LIMIT_SIGNAL, before[0])
    signal.signal(signal.SIGUSR2, before[1])


def job(timeout_ms: int = 50) -> TakenJob:
    return TakenJob("q", "id", 1, "name", b"{}", timeout_ms=timeout_ms)


def from_another_thread(action: Callable[[], Any]) -> threading.Thread:
    """Do something shortly after the main thread went on."""
    thread = threading.Timer(0.05, action)
    thread.start()
    return thread


def stop() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)


def test_a_time_limit_ends_a_sleep_in_the_armed_job(interrupter: Interrupter) -> None:
    interrupter.armed = running = job()
    timer = from_another_thread(lambda: interrupter.time_out(running))
    with pytest.raises(JobTimeout, match="50 ms"):
        time.sleep(30)
    timer.join()
    assert interrupter.armed is None


def test_a_limit_of_a_job_that_is_over_does_not_hit_the_next_one(interrupter: Interrupter) -> None:
    earlier = job()
    interrupter.armed = job()
    interrupter.time_out(earlier)
    interrupter.armed = None
    interrupter.time_out(earlier)


def test_a_cancel_ends_a_sleep_in_the_armed_job(interrupter: Interrupter) -> None:
    interrupter.armed = running = job()
    timer = from_another_thread(lambda: interrupter.cancel(running))
    with pytest.raises(JobCancelled):
        time.sleep(30)
    timer.join()
    assert interrupter.armed is None


def test_a_cancel_of_a_job_that_is_over_does_not_hit_the_next_one(interrupter: Interrupter) -> None:
    earlier = job()
    interrupter.armed = job()
    assert not interrupter.cancel(earlier)
    signal.raise_signal(TIME_LIMIT_SIGNAL)
    interrupter.armed = None
    assert not interrupter.cancel(earlier)


def test_a_job_both_late_and_cancelled_hears_that_it_is_cancelled(interrupter: Interrupter) -> None:
    interrupter._timed_out = interrupter._cancelled = interrupter.armed = job()
    with pytest.raises(JobCancelled):
        signal.raise_signal(TIME_LIMIT_SIGNAL)


def test_nothing_is_raised_outside_of_a_job(interrupter: Interrupter) -> None:
    signal.raise_signal(TIME_LIMIT_SIGNAL)
    signal.raise_signal(signal.SIGUSR2)


def test_a_stop_is_raised_once(interrupter: Interrupter) -> None:
    interrupter.armed = job()
    with pytest.raises(JobInterrupted):
        signal.raise_signal(signal.SIGUSR2)
    signal.raise_signal(signal.SIGUSR2)


@pytest.mark.parametrize("error", [JobInterrupted, JobCancelled])
def test_except_exception_does_not_swallow_a_stop_or_a_cancel(
    interrupter: Interrupter, error: type[BaseException]
) -> None:
    interrupter.armed = running = job()
    timer = from_another_thread(stop if error is JobInterrupted else lambda: interrupter.cancel(running))
    with pytest.raises(error), contextlib.suppress(Exception):
        time.sleep(30)
    timer.join()


@pytest.mark.parametrize("error", [JobTimeout, JobInterrupted, JobCancelled])
def test_a_coroutine_is_cancelled_and_ends_with_the_reason(
    interrupter: Interrupter, error: type[BaseException]
) -> None:
    cleaned_up = []

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaned_up.append(True)

    interrupter.armed = running = job()
    ways = {JobInterrupted: stop, JobTimeout: lambda: interrupter.time_out(running)}
    timer = from_another_thread(ways.get(error, lambda: interrupter.cancel(running)))
    with pytest.raises(error) as raised:
        interrupter.run_async(work())
    timer.join()
    assert cleaned_up == [True]
    assert any(entry.name == "work" for entry in raised.traceback), "the traceback shows where it was"


def test_a_coroutine_that_ends_by_itself_returns_its_result(interrupter: Interrupter) -> None:
    async def work() -> int:
        return 5

    assert interrupter.run_async(work()) == 5


def test_a_coroutine_that_cancels_itself_is_no_interrupt(interrupter: Interrupter) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        interrupter.run_async(work())


def test_a_later_coroutine_is_not_hit_by_an_earlier_reason(interrupter: Interrupter) -> None:
    async def swallow() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "swallowed"
        return "slept"

    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    interrupter.armed = running = job()
    timer = from_another_thread(lambda: interrupter.time_out(running))
    assert interrupter.run_async(swallow()) == "swallowed"
    timer.join()
    with pytest.raises(asyncio.CancelledError):
        interrupter.run_async(cancel_itself())
