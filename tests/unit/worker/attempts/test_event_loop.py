"""One event loop for all coroutines of a worker, whatever they leave behind or do to it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest

from jqjobs.errors import JobTimeout
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.event_loop import EventLoop, LoopThread, MainLoop

Job = Callable[[], Coroutine[Any, Any, None]]


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


# What jobs do to it


def fails(*_: object, **__: object) -> None:
    raise SystemExit(3)


async def stops() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)


async def closes() -> None:
    with pytest.raises(RuntimeError, match="serves all async jobs"):
        asyncio.get_running_loop().close()


async def ends_own_threads() -> None:
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)


async def ends_all_threads() -> None:
    await asyncio.to_thread(int)
    await asyncio.get_running_loop().shutdown_default_executor()


async def sets_everything() -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.set_exception_handler(fails)
    loop.set_task_factory(fails)  # type: ignore[arg-type]


async def settings() -> list[object]:
    loop = asyncio.get_running_loop()
    thread = await asyncio.wait_for(asyncio.to_thread(threading.current_thread), 20)
    return [loop.get_debug(), loop.get_exception_handler(), loop.get_task_factory(), thread.name.rpartition("_")[0]]


@pytest.mark.parametrize("vandal", [stops, closes, ends_own_threads, ends_all_threads, sets_everything])
def test_what_a_job_does_to_it_no_later_one_meets(event_loop: EventLoop, vandal: Job) -> None:
    before = event_loop.run(settings(), AsyncWork())
    event_loop.run(vandal(), AsyncWork())
    assert event_loop.run(settings(), AsyncWork()) == before


@pytest.mark.parametrize("ends", [stops, closes, ends_all_threads, sets_everything])
def test_what_the_app_sets_when_its_worker_starts_is_for_all_jobs(event_loop: EventLoop, ends: Job) -> None:
    def handler(loop: asyncio.AbstractEventLoop, context: object) -> None: ...

    async def set_up() -> None:
        asyncio.get_running_loop().set_default_executor(threads)
        asyncio.get_running_loop().set_exception_handler(handler)

    with ThreadPoolExecutor(1, "the app's") as threads:
        event_loop.run(set_up(), AsyncWork())
        event_loop.keep()
        event_loop.run(ends(), AsyncWork())
        assert event_loop.run(settings(), AsyncWork()) == [False, handler, None, "the app's"]


def test_threads_that_a_job_has_left_busy_are_not_wanting_in_the_next_one(main_loop: MainLoop) -> None:
    async def leaves_threads() -> None:
        left.extend(asyncio.get_running_loop().run_in_executor(None, gate.wait, 60) for _ in range(64))

    left: list[object] = []
    gate = threading.Event()
    main_loop.run(leaves_threads(), AsyncWork())
    assert main_loop.run(settings(), AsyncWork())[0] is False
    gate.set()


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


# What is called outside of it


@pytest.fixture
def loop_thread() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.close()


class Lost(Exception):
    pass


def restoring(work: AsyncWork) -> Callable[[asyncio.Task[Any] | None], None]:
    def go_back(task: asyncio.Task[Any] | None) -> None:
        work.task = task

    return go_back


def test_a_time_limit_that_arrives_when_the_function_is_over_tears_nothing(loop_thread: LoopThread) -> None:
    def go_back(task: asyncio.Task[Any] | None) -> None:
        if arrivals:
            raise arrivals.pop()
        work.task = task

    async def around() -> tuple[object, bool]:
        result = await work.outside(go_back, lambda: 5)
        await asyncio.sleep(0.01)  # it cleans up
        return result, work.task is asyncio.current_task()

    work, arrivals = AsyncWork(), [JobTimeout("late"), JobTimeout("late")]
    assert loop_thread.run(around(), work) == (5, True)


def test_what_a_function_had_in_memory_goes_with_its_error(loop_thread: LoopThread) -> None:
    left: list[weakref.ref[Any]] = []

    def fails() -> None:
        large = Lost()
        left.append(weakref.ref(large))
        raise ValueError("boom")

    async def around() -> None:
        await work.outside(restoring(work), fails)

    work = AsyncWork()
    loop_thread.run(asyncio.sleep(0), AsyncWork())
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            loop_thread.run(around(), work)
        loop_thread.run(asyncio.sleep(0), AsyncWork())  # the loop is through with the task
        assert left[0]() is None, "a circle holds the frames of the job"
    finally:
        gc.enable()
