"""Exceptions raised from outside reach the running job and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts import runner
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
    made.event_loop.close()
    signal.signal(TIME_LIMIT_SIGNAL, before[0])
    signal.signal(signal.SIGUSR2, before[1])


def job(timeout_ms: int = 50) -> TakenJob:
    return TakenJob("q", "id", 1, "name", b"{}", timeout_ms=timeout_ms)


def from_another_thread(action: Callable[[], Any]) -> threading.Thread:
    """Do something shortly after the main thread went on."""
    thread = threading.Timer(0.05, action)
    thread.start()
    return thread


@contextlib.contextmanager
def signal_on_its_way() -> Iterator[None]:
    """A time-limit signal that is sent in here arrives at the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [TIME_LIMIT_SIGNAL])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [TIME_LIMIT_SIGNAL])


def stop() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)


def test_a_time_limit_ends_a_sleep_in_the_armed_job(interrupter: Interrupter) -> None:
    interrupter.armed = running = job()
    timer = from_another_thread(lambda: interrupter.time_out(running))
    with pytest.raises(JobTimeout, match="50 ms"):
        time.sleep(30)
    timer.join()


END = pytest.mark.parametrize("end", [Interrupter.time_out, Interrupter.cancel], ids=["limit", "cancel"])
End = Callable[[Interrupter, TakenJob], bool]


@END
def test_a_job_that_is_over_is_sent_no_signal_and_that_is_said(interrupter: Interrupter, end: End) -> None:
    signals: list[int] = []
    signal.signal(TIME_LIMIT_SIGNAL, lambda number, _: signals.append(number))
    earlier = job()
    assert not end(interrupter, earlier)
    interrupter.arm(job())
    assert not end(interrupter, earlier)
    assert signals == []


@END
def test_a_signal_that_comes_when_its_job_is_over_does_not_hit_the_next_one(interrupter: Interrupter, end: End) -> None:
    earlier = job()
    interrupter.arm(earlier)
    with signal_on_its_way():
        assert end(interrupter, earlier)
        interrupter.disarm()
        interrupter.arm(job())


@END
def test_a_signal_that_comes_when_its_job_is_over_and_none_runs_raises_nothing(
    interrupter: Interrupter, end: End
) -> None:
    earlier = job()
    interrupter.arm(earlier)
    with signal_on_its_way():
        assert end(interrupter, earlier)
        interrupter.disarm()


def test_a_cancel_ends_a_sleep_in_the_armed_job(interrupter: Interrupter) -> None:
    interrupter.armed = running = job()
    timer = from_another_thread(lambda: interrupter.cancel(running))
    with pytest.raises(JobCancelled):
        time.sleep(30)
    timer.join()


def test_a_job_both_late_and_cancelled_hears_that_it_is_cancelled(interrupter: Interrupter) -> None:
    interrupter._timed_out = interrupter._cancelled = interrupter.armed = job()
    with pytest.raises(JobCancelled):
        signal.raise_signal(TIME_LIMIT_SIGNAL)


def test_nothing_is_raised_outside_of_a_job(interrupter: Interrupter) -> None:
    signal.raise_signal(TIME_LIMIT_SIGNAL)
    signal.raise_signal(signal.SIGUSR2)


@pytest.mark.parametrize("reason", [JobTimeout, JobCancelled, JobInterrupted])
def test_what_was_swallowed_is_raised_again(interrupter: Interrupter, reason: type[BaseException]) -> None:
    interrupter.armed = running = job()
    interrupter._timed_out = running
    interrupter._cancelled = running if reason is JobCancelled else None
    interrupter._must_stop = reason is JobInterrupted
    for _ in range(2):
        with pytest.raises(reason):
            signal.raise_signal(TIME_LIMIT_SIGNAL)


def test_what_is_heeded_is_not_torn_by_another_one(interrupter: Interrupter) -> None:
    interrupter.armed = interrupter._timed_out = job()

    def rolls_back() -> None:
        try:
            signal.raise_signal(TIME_LIMIT_SIGNAL)
        finally:
            signal.raise_signal(TIME_LIMIT_SIGNAL)
            try:
                raise KeyError("of the rollback")
            except KeyError:
                signal.raise_signal(TIME_LIMIT_SIGNAL)
                signal.raise_signal(signal.SIGUSR2)
                raise

    with pytest.raises(KeyError) as raised:
        rolls_back()
    assert isinstance(raised.value.__context__, JobTimeout)


def test_nothing_is_raised_where_the_job_is_not_under_way(interrupter: Interrupter) -> None:
    """Between its last line and `disarm`, say: the exception would leave the runner."""
    interrupter.armed = running = job()
    interrupter._timed_out = running
    frame = SimpleNamespace(f_code=SimpleNamespace(co_filename=runner.__file__))
    interrupter.on_time_limit(0, frame)  # type: ignore[arg-type]
    with pytest.raises(JobTimeout):
        interrupter.on_time_limit(0, None)


def test_after_the_word_to_stop_no_job_begins(interrupter: Interrupter) -> None:
    interrupter.stop_now()
    with pytest.raises(JobInterrupted):
        interrupter.arm(job())
    with pytest.raises(JobInterrupted):
        interrupter.call_limited(job(), lambda: pytest.fail("it began"))
    assert interrupter.armed is None


def test_what_has_a_limit_of_its_own_is_ended_by_it(interrupter: Interrupter) -> None:
    with pytest.raises(JobTimeout, match="50 ms"):
        interrupter.call_limited(job(), lambda: time.sleep(30))
    assert interrupter.armed is None


def test_a_limit_of_its_own_goes_with_what_had_it(interrupter: Interrupter) -> None:
    seen: list[tuple[float, float]] = []
    interrupter.call_limited(job(), lambda: seen.append(signal.getitimer(signal.ITIMER_REAL)))
    assert seen[0][0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    signal.raise_signal(TIME_LIMIT_SIGNAL)
    assert interrupter.armed is None


@pytest.mark.parametrize("error", [JobTimeout, JobInterrupted, JobCancelled])
def test_except_exception_swallows_no_reason(interrupter: Interrupter, error: type[BaseException]) -> None:
    interrupter.armed = running = job()
    ways = {JobInterrupted: stop, JobTimeout: lambda: interrupter.time_out(running)}
    timer = from_another_thread(ways.get(error, lambda: interrupter.cancel(running)))
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


def test_in_an_event_loop_that_a_plain_job_runs_tasks_are_cancelled_and_it_ends_with_the_reason(
    interrupter: Interrupter,
) -> None:
    cleaned_up = []

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(True)

    interrupter.armed = running = job()
    timer = from_another_thread(lambda: interrupter.time_out(running))
    loop = asyncio.new_event_loop()
    with pytest.raises(asyncio.CancelledError) as raised:
        loop.run_until_complete(work())
    timer.join()
    assert (cleaned_up, asyncio.all_tasks(loop)) == ([True], set()), "and a later job does not meet it"
    loop.close()
    assert isinstance(interrupter.reason_for(running, raised.value), JobTimeout)
    assert interrupter.reason_for(job(), raised.value) is raised.value
