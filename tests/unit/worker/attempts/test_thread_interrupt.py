"""An exception for a job on a thread reaches that job and nothing else, however late it comes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts import thread_interrupt
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.reasons import REASONS
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter
from waiting import eventually


@pytest.fixture
def event_loop() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.close()


@pytest.fixture
def interrupter(event_loop: LoopThread) -> ThreadInterrupter:
    return ThreadInterrupter(lambda: False, event_loop)


def job(job_id: str = "a") -> TakenJob:
    return TakenJob("q", job_id, 1, "name", b"{}")


class Slot(threading.Thread):
    """A thread that runs one job, and says what came out of it."""

    def __init__(self, interrupter: ThreadInterrupter, job: TakenJob, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._interrupter, self._job, self._work = interrupter, job, work
        self.raised: BaseException | None = None
        self.is_armed = threading.Event()

    def run(self) -> None:
        try:
            self._interrupter.arm(self._job)
            self.is_armed.set()
            self._work()
        except BaseException as error:
            self.raised = error
        finally:
            self._interrupter.disarm()

    def begin(self) -> Slot:
        self.start()
        assert self.is_armed.wait(20)
        return self


def spin() -> None:
    while True:
        pass


@pytest.mark.parametrize("reason", REASONS)
def test_the_job_hears_the_reason_in_words_and_its_neighbour_nothing(
    interrupter: ThreadInterrupter, reason: type[BaseException]
) -> None:
    go_on = threading.Event()
    first, second = job("a"), job("b")
    told, neighbour = Slot(interrupter, first, spin).begin(), Slot(interrupter, second, go_on.wait).begin()
    assert interrupter.interrupt(first, reason, "that is enough")
    told.join(20)
    assert isinstance(told.raised, reason)
    assert (type(told.raised).__name__, str(told.raised)) == (reason.__name__, "that is enough")
    go_on.set()
    neighbour.join(20)
    assert neighbour.raised is None


def test_except_exception_does_not_swallow_a_cancel(interrupter: ThreadInterrupter) -> None:
    def stubborn() -> None:
        while True:
            try:
                spin()
            except Exception:
                continue

    running = job()
    slot = Slot(interrupter, running, stubborn).begin()
    interrupter.interrupt(running, JobCancelled, "enough")
    slot.join(20)
    assert isinstance(slot.raised, JobCancelled)


def test_a_reason_that_was_swallowed_is_raised_again_and_one_that_is_heeded_is_not(
    interrupter: ThreadInterrupter,
) -> None:
    rolls_back, goes_on = threading.Event(), threading.Event()
    heard: list[str] = []

    def swallows_once() -> None:
        with contextlib.suppress(BaseException):
            spin()
        try:
            spin()
        finally:
            rolls_back.set()
            heard.append("rolls back")
            while not goes_on.is_set():
                pass
            heard.append("rolled back")

    running = job()
    slot = Slot(interrupter, running, swallows_once).begin()
    eventually(lambda: interrupter.interrupt(running, JobTimeout, "late") and rolls_back.is_set(), 20)
    for _ in range(20):
        interrupter.interrupt(running, JobTimeout, "late")
    goes_on.set()
    slot.join(20)
    assert (type(slot.raised).__name__, heard) == ("JobTimeout", ["rolls back", "rolled back"])


def test_a_job_that_does_not_run_is_told_nothing(interrupter: ThreadInterrupter) -> None:
    running = job()
    assert not interrupter.interrupt(running, JobTimeout, "late")
    slot = Slot(interrupter, running, lambda: None).begin()
    slot.join(20)
    assert not interrupter.interrupt(running, JobTimeout, "late")
    interrupter.arm(job())
    assert not interrupter.interrupt(running, JobTimeout, "late"), "another one with the same id is another one"
    interrupter.disarm()


class LateLock:
    """A lock at which the exception comes, for whoever waits to disarm its job."""

    def __init__(self, interrupter: ThreadInterrupter, job: TakenJob) -> None:
        self._interrupter, self._job, self._real = interrupter, job, interrupter._lock
        self.came_late = False

    def __enter__(self) -> None:
        self._interrupter._lock = self._real
        self.came_late = True
        self._interrupter.interrupt(self._job, JobTimeout, "late")
        pytest.fail("it was raised in this very thread")

    def __exit__(self, *exc_info: object) -> None: ...


def test_an_exception_that_comes_when_the_job_is_just_over_goes_no_further(interrupter: ThreadInterrupter) -> None:
    running = job()
    interrupter.arm(running)
    late = interrupter._lock = LateLock(interrupter, running)  # type: ignore[assignment]
    interrupter.disarm()
    sum(range(1000))
    assert late.came_late
    assert interrupter._armed == {}


class Setting:
    """Stands in for PyThreadState_SetAsyncExc: what was to be raised in this thread, None for "nothing any more"."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    def __call__(self, thread: int, kind: type[BaseException] | None) -> None:
        assert thread == threading.get_ident()
        self.seen.append(kind and kind.__name__)


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    made = Setting()
    monkeypatch.setattr(thread_interrupt, "_set_exception", lambda: made)
    return made


def test_an_exception_that_has_not_arrived_when_the_job_is_over_is_called_back(
    interrupter: ThreadInterrupter, setting: Setting
) -> None:
    running = job()
    interrupter.arm(running)
    assert interrupter.interrupt(running, JobTimeout, "late")
    interrupter.disarm()
    assert setting.seen == ["JobTimeout", None]


def test_a_job_that_was_told_nothing_ends_without_a_word_to_its_thread(
    interrupter: ThreadInterrupter, setting: Setting
) -> None:
    interrupter.arm(job())
    interrupter.disarm()
    interrupter.disarm()
    assert setting.seen == []


class LockOfAnother:
    """A lock that a thread holds which does not exist in this process."""

    def __enter__(self) -> None:
        pytest.fail("that waits forever")

    def __exit__(self, *exc_info: object) -> None: ...


def test_in_a_child_that_a_job_has_forked_nothing_is_waited_for(event_loop: LoopThread) -> None:
    interrupter = ThreadInterrupter(lambda: True, event_loop)
    interrupter._lock = LockOfAnother()  # type: ignore[assignment]
    interrupter.disarm()


@pytest.mark.parametrize("reason", [JobTimeout, JobInterrupted])
def test_a_coroutine_on_a_thread_is_cancelled_and_ends_with_the_reason(
    interrupter: ThreadInterrupter, reason: type[BaseException]
) -> None:
    cleaned_up = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned_up.append(True)

    running = job()
    slot = Slot(interrupter, running, lambda: interrupter.run_async(work())).begin()
    eventually(lambda: interrupter._armed and next(iter(interrupter._armed.values())).work.task, 20)
    assert interrupter.interrupt(running, reason, "enough")
    slot.join(20)
    assert (type(slot.raised), str(slot.raised), cleaned_up) == (reason, "enough", [True])


@pytest.mark.usefixtures("switching")
def test_whenever_it_comes_it_stays_inside_of_its_job(interrupter: ThreadInterrupter) -> None:
    current: list[TakenJob] = []
    strays: list[BaseException] = []
    enough = threading.Event()

    def slot() -> None:
        while not enough.is_set():
            running = job()
            current[:] = [running]
            try:
                try:
                    interrupter.arm(running)
                    sum(range(20))
                except REASONS:
                    pass
                finally:
                    interrupter.disarm()
                sum(range(20))
            except REASONS as stray:
                strays.append(stray)

    thread = threading.Thread(target=slot)
    thread.start()
    told = 0
    while told < 500:
        told += any(interrupter.interrupt(running, JobTimeout, "late") for running in list(current))
    enough.set()
    thread.join()
    # One that comes between the job's own `except` and `disarm` is raised there, and ends that job all the same.
    assert len(strays) <= told / 10


def test_what_is_on_its_way_when_a_plain_function_is_over_tears_no_coroutine_that_awaited_it(
    interrupter: ThreadInterrupter,
) -> None:
    went_on: list[int] = []

    async def around() -> None:
        result = await outside[0](lambda: 5)
        await asyncio.sleep(0.01)
        went_on.append(result)

    def work() -> None:
        outside.append(interrupter.outside)
        assert may_begin.wait(20)
        interrupter.run_async(around())

    outside: list[Any] = []
    may_begin, running = threading.Event(), job()
    slot = Slot(interrupter, running, work).begin()
    eventually(lambda: outside, 20)
    with interrupter._lock:  # as `interrupt` has it, when the function is over
        may_begin.set()
        eventually(lambda: sys._current_frames()[slot.ident or 0].f_code.co_name == "_go_back", 20)
        interrupter._armed[slot.ident or 0].was_told = True
        thread_interrupt._set_exception()(slot.ident or 0, JobTimeout)
    slot.join(20)
    assert (slot.raised, went_on) == (None, [5])
