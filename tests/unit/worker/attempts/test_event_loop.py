"""One event loop for all coroutines of a worker, whatever they leave behind or do to it."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.event_loop import EventLoop, LoopThread, MainLoop


@pytest.fixture(params=[MainLoop, LoopThread])
def event_loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    made: EventLoop = request.param()
    yield made
    made.close()


@pytest.fixture
def main_loop() -> Iterator[MainLoop]:
    made = MainLoop()
    yield made
    made.close()


async def here() -> asyncio.AbstractEventLoop:
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


def test_it_is_one_from_start_to_end_and_closed_then(event_loop: EventLoop) -> None:
    first, second = (event_loop.run(here(), AsyncWork()) for _ in range(2))
    assert first is second
    assert not first.is_closed()
    event_loop.close()
    assert first.is_closed()


def test_what_a_job_has_left_on_it_is_cancelled_at_the_end(event_loop: EventLoop) -> None:
    left: list[str] = []

    async def lasts() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            left.append("cleaned up")

    async def leaves() -> None:
        left_task.append(asyncio.ensure_future(lasts()))
        await asyncio.sleep(0)

    left_task: list[asyncio.Task[None]] = []
    event_loop.run(leaves(), AsyncWork())
    assert not left_task[0].done(), "a client's own task may serve the next job"
    event_loop.close()
    assert left == ["cleaned up"]


def test_a_task_that_exits_ends_nobody_but_itself(event_loop: EventLoop) -> None:
    async def exits() -> None:
        raise SystemExit(3)

    async def leaves() -> None:
        left.append(asyncio.ensure_future(exits()))

    async def innocent() -> int:
        await asyncio.sleep(0.01)
        return 5

    left: list[asyncio.Task[None]] = []
    event_loop.run(leaves(), AsyncWork())
    assert event_loop.run(innocent(), AsyncWork()) == 5
    assert isinstance(left[0].exception(), SystemExit)


def test_a_job_that_stops_or_closes_it_harms_no_later_one(main_loop: MainLoop) -> None:
    async def stops() -> int:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return 5

    assert main_loop.run(stops(), AsyncWork()) == 5
    main_loop.run(here(), AsyncWork()).close()
    assert not main_loop.run(here(), AsyncWork()).is_closed()


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals are for the main thread")
def test_what_a_signal_handler_of_the_job_raises_leaves_no_task_to_the_next_job(main_loop: MainLoop) -> None:
    def raises(number: int, frame: FrameType | None) -> None:
        raise LookupError

    async def waits() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        await asyncio.sleep(3600)

    before = signal.signal(signal.SIGALRM, raises)
    try:
        with pytest.raises(LookupError):
            main_loop.run(waits(), AsyncWork())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert asyncio.all_tasks(main_loop.run(here(), AsyncWork())) == set()


def test_a_task_that_does_not_end_holds_up_the_end_for_a_while_only(main_loop: MainLoop) -> None:
    held = threading.Event()

    async def blocks() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            held.wait(60)

    async def leaves() -> None:
        left.append(asyncio.ensure_future(blocks()))
        await asyncio.sleep(0)

    left: list[asyncio.Task[None]] = []

    main_loop.run(leaves(), AsyncWork())
    began = time.monotonic()
    main_loop.close()
    assert time.monotonic() - began < 30
    held.set()
