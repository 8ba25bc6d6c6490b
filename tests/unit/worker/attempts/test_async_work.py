"""A coroutine that others may end: it ends for their reason, and what its task does later is not hit."""

from __future__ import annotations

import asyncio

import pytest

from jqjobs.errors import JobCancelled, JobTimeout
from jqjobs.worker.attempts.async_work import AsyncWork


@pytest.fixture
def work() -> AsyncWork:
    return AsyncWork()


def test_it_ends_where_it_waits_and_for_the_reason_given(work: AsyncWork) -> None:
    async def waits() -> None:
        assert work.end(JobTimeout("late"))
        await asyncio.sleep(3600)

    with pytest.raises(JobTimeout, match="late"):
        asyncio.run(work.run(waits()))


def test_what_does_not_run_yet_or_any_more_is_not_ended_and_that_is_said(work: AsyncWork) -> None:
    async def returns() -> int:
        return 5

    assert not work.end(JobTimeout("early"))
    assert asyncio.run(work.run(returns())) == 5
    assert not work.end(JobTimeout("late"))


def test_an_end_that_comes_when_it_is_over_does_not_hit_what_its_task_does_next(work: AsyncWork) -> None:
    async def is_over_first() -> None:
        assert work.end(JobTimeout("late"))  # the loop hears of it at the next turn

    async def task() -> str:
        await work.run(is_over_first())
        await asyncio.sleep(0.01)
        return "went on"

    assert asyncio.run(task()) == "went on"


def told_often(work: AsyncWork, reasons: list[BaseException]) -> int:
    """Tell a coroutine that swallows it each of these reasons; return how often it was cancelled."""
    cancelled: list[asyncio.CancelledError] = []

    async def stubborn(over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError as error:
                cancelled.append(error)

    async def tell() -> None:
        over = asyncio.Event()
        task = asyncio.ensure_future(work.run(stubborn(over)))
        await asyncio.sleep(0)
        for reason in reasons:
            assert work.end(reason)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        over.set()
        await task

    asyncio.run(tell())
    return len(cancelled)


def test_a_coroutine_that_goes_on_is_cancelled_once_more_and_not_before_its_time() -> None:
    reasons: list[BaseException] = [JobTimeout("late")] * 5
    assert told_often(AsyncWork(again_ms=3_600_000), reasons) == 1
    assert told_often(AsyncWork(again_ms=0), reasons) == 2, "whatever it does then, it is left alone"


def test_another_reason_is_told_at_once() -> None:
    assert told_often(AsyncWork(again_ms=3_600_000), [JobTimeout("late"), JobCancelled("enough")]) == 2


def test_an_end_that_comes_when_the_loop_is_closed_raises_nothing(work: AsyncWork) -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(work.run(asyncio.sleep(3600)))
    loop.run_until_complete(asyncio.sleep(0))
    work.task, running = None, work.task
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    work.task = running
    assert work.end(JobTimeout("late"))
