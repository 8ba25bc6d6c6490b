"""Several slots: so many jobs at once and no more, each on the right kind of slot, each with one outcome."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from jqjobs import current_job
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.worker.slots import coroutines, threads
from log_lines import Lines
from unit.worker.slots.pool_bench import Bench
from waiting import eventually


@pytest.fixture
def bench(worker_board: WorkerBoard) -> Iterator[Bench]:
    made = Bench(worker_board)
    made.app.job(name="plain", timeout=None)(made.hold)
    made.app.job(name="task", timeout=None)(made.hold_async)
    yield made
    made.gate.set()
    eventually(lambda: made.batch.running_count == 0, 20, "all slots are free")
    made.pool.close()


@pytest.mark.parametrize("names", [["plain"] * 9, ["task"] * 9, ["plain", "task"] * 5], ids=["plain", "task", "mixed"])
def test_so_many_run_at_once_whatever_their_kind_and_all_have_one_outcome(bench: Bench, names: list[str]) -> None:
    sent = bench.send(*names)
    bench.wait_for_running(4)
    assert bench.batch.running_count == 4
    bench.gate.set()
    assert bench.outcomes(len(names)) == {job.id: "done" for job in sent}
    assert bench.most == 4


def test_plain_functions_have_threads_and_coroutine_functions_share_one(bench: Bench) -> None:
    seen: list[tuple[str, int]] = []
    bench.app.job(name="where")(lambda: seen.append(("plain", threading.get_ident())))

    @bench.app.job(name="where_async")
    async def where_async() -> None:
        seen.append(("task", threading.get_ident()))

    bench.send("where", "where_async", "where", "where_async")
    bench.outcomes(4)
    assert len({thread for kind, thread in seen if kind == "task"}) == 1
    assert threading.get_ident() not in {thread for _, thread in seen}
    assert not {thread for kind, thread in seen if kind == "task"} & {
        thread for kind, thread in seen if kind == "plain"
    }


def test_a_thread_that_is_idle_is_used_again(bench: Bench) -> None:
    for _ in range(10):
        bench.send("unknown")
        bench.outcomes(1)
        eventually(lambda: bench.pool._threads._idle == 1, 20)
    assert bench.pool._threads._count == 1


def test_nothing_is_begun_once_the_worker_drains(bench: Bench) -> None:
    bench.send("plain", "task")
    bench.wait_for_running(2)
    bench.signals.draining = True
    bench.send("plain", "task")
    bench.gate.set()
    bench.outcomes(2)
    assert (bench.batch.unstarted_count, bench.batch.running_count) == (2, 0)


def test_without_a_lease_nothing_is_begun_and_later_it_is(bench: Bench, board: Board) -> None:
    board.set_word(Word.LEASE_UNTIL, 1)
    bench.send("plain", "task")
    assert bench.batch.running_count == 0
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() + 3_600_000)
    bench.pool.run(lambda: None)
    bench.wait_for_running(2)


def test_jobs_see_themselves_and_not_what_others_have_set(bench: Bench) -> None:
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="")
    seen: list[tuple[str, str]] = []

    def look() -> None:
        job = current_job()
        assert job is not None
        seen.append((mark.get(), job.name))
        mark.set("left behind")

    async def look_async() -> None:
        await asyncio.sleep(0)
        look()

    bench.app.job(name="look")(look)
    bench.app.job(name="look_async")(look_async)
    bench.send(*["look", "look_async"] * 10)
    bench.outcomes(20)
    assert sorted(seen) == [("", "look")] * 10 + [("", "look_async")] * 10


# When the main thread is woken


def test_the_main_thread_is_woken_once_when_little_is_left(bench: Bench) -> None:
    release = threading.Semaphore(0)
    bench.app.job(name="step")(lambda: release.acquire(timeout=30))
    bench.send(*["step"] * 10)
    bench.pool.listen(3, for_outcomes=False)
    for ended in range(1, 11):
        release.release()
        eventually(lambda ended=ended: bench.batch.unstarted_count + bench.batch.running_count == 10 - ended, 20)
        if ended == 2:
            assert bench.bell.rung == 0
    eventually(lambda: bench.bell.rung == 1, 20)
    release.release(10)


def test_the_main_thread_is_woken_by_the_first_outcome_if_it_wants(bench: Bench) -> None:
    bench.send("plain", "task")
    bench.wait_for_running(2)
    bench.pool.listen(-1, for_outcomes=True)
    assert bench.bell.rung == 0
    bench.gate.set()
    bench.outcomes(2)
    eventually(lambda: bench.bell.rung == 1, 20)


# Interrupts


@pytest.mark.parametrize("name", ["plain", "task"])
@pytest.mark.parametrize("way", ["time_out", "cancel", "stop"])
def test_each_kind_hears_each_reason_and_neighbours_hear_nothing(bench: Bench, name: str, way: str) -> None:
    @bench.app.job(name="spin", timeout="1h", backoff=0)
    def spin() -> None:
        bench.begin()
        while True:
            pass

    @bench.app.job(name="spin_async", timeout="1h", backoff=0)
    async def spin_async() -> None:
        bench.begin()
        await asyncio.sleep(3600)

    neighbours = bench.send("plain", "task")
    [job] = bench.send("spin" if name == "plain" else "spin_async", timeout_ms=1000)
    bench.wait_for_running(3)
    ask: Callable[[TakenJob], bool] = getattr(bench.pool, way)
    eventually(lambda: ask(job), 20, "it is armed")
    kind = {"time_out": Kind.HUNG, "cancel": Kind.CANCELLED, "stop": Kind.INTERRUPTED}[way]
    assert bench.outcomes(1) == {job.id: kind}
    assert not ask(job), "it is over"
    bench.gate.set()
    assert bench.outcomes(2) == {job.id: "done" for job in neighbours}


def test_an_interrupt_that_comes_when_the_job_is_over_leaves_one_outcome(bench: Bench) -> None:
    @bench.app.job(name="short", backoff=0)
    def short() -> None:
        sum(range(50))

    names = {job.id for job in bench.send(*["short"] * 300)}
    found: dict[str, str] = {}
    while bench.batch.running_count or bench.batch.unstarted_count:
        for job in bench.batch.running:
            bench.pool.cancel(job)
    found = bench.outcomes(300)
    assert set(found) == names
    assert set(found.values()) <= {"done", Kind.CANCELLED}


# What goes wrong


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_whatever_a_job_raises_its_slot_works_on(bench: Bench, error: BaseException) -> None:
    def fails() -> None:
        raise error

    async def fails_async() -> None:
        await asyncio.sleep(0)
        raise error

    bench.app.job(name="fails", backoff=0)(fails)
    bench.app.job(name="fails_async", backoff=0)(fails_async)
    sent = bench.send(*["fails", "fails_async"] * 5)
    assert bench.outcomes(10) == {job.id: Kind.FAILED for job in sent}


@pytest.mark.parametrize("name", ["plain", "task"])
def test_what_goes_wrong_once_a_job_is_over_is_its_end_and_costs_no_slot(bench: Bench, name: str) -> None:
    def is_gone(_: object) -> bool:
        raise OSError("the board is gone")

    bench.runner._may_clean_up = is_gone
    bench.app.jobs[name].hooks.add("cleanup", lambda job: None)
    bench.gate.set()
    for _ in range(3):
        sent = bench.send(*[name] * 4)
        assert bench.outcomes(4) == {job.id: Kind.FAILED for job in sent}


def test_a_task_of_a_job_that_exits_does_not_end_the_event_loop(bench: Bench) -> None:
    @bench.app.job(name="exits", keep="1h")
    async def exits() -> str:
        async def inner() -> None:
            raise SystemExit(3)

        [result] = await asyncio.gather(asyncio.ensure_future(inner()), return_exceptions=True)
        return repr(result)

    for _ in range(3):
        [job] = bench.send("exits", keep_ms=1)
        assert bench.outcomes(1) == {job.id: Kind.KEPT}


def test_where_the_system_has_no_thread_left_the_job_comes_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, logged: Lines
) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads.threading.Thread, "start", start)
    sent = bench.send(*["plain"] * 6)
    assert bench.outcomes(6) == {job.id: Kind.DEFERRED for job in sent}
    assert {line["event"] for line in logged} == {"slot.not_started"}


def test_who_blocks_the_event_loop_is_named_once(bench: Bench, monkeypatch: pytest.MonkeyPatch, logged: Lines) -> None:
    monkeypatch.setattr(coroutines, "_BLOCKED_MS", 10)

    @bench.app.job(name="blocks")
    async def blocks() -> None:
        bench.hold()

    bench.send("task")
    [job] = bench.send("blocks")
    bench.wait_for_running(2)

    def is_said() -> bool:
        bench.pool.look_for_blocked()
        return bool(logged)

    eventually(is_said, 20)
    is_said()
    assert [(line["event"], line["job"]) for line in logged] == [("loop.blocked", f"q/{job.id}")]


# Memory, middleware


def test_a_job_that_needs_memory_waits_for_the_main_thread_and_holds_up_nobody(bench: Bench) -> None:
    bench.refusals[:] = [5, None]
    bench.send("plain")
    large = bench.send("plain", "task", memory_bytes=5)
    bench.send("task")
    bench.wait_for_running(3)
    assert bench.outcomes(1) == {large[0].id: Kind.DEFERRED}
    assert bench.refusals == []


def test_a_slot_that_meets_a_job_which_needs_memory_calls_the_main_thread(bench: Bench) -> None:
    bench.refusals[:] = [None]
    bench.send(*["plain"] * 4)
    bench.wait_for_running(4)
    bench.send("plain", memory_bytes=5)
    assert bench.bell.rung == 0
    bench.gate.set()
    bench.outcomes(4)
    eventually(lambda: bench.bell.rung == 1, 20)
    bench.pool.run(lambda: None)
    bench.outcomes(1)


def test_who_waits_for_memory_when_the_worker_drains_goes_back(bench: Bench) -> None:
    bench.send(*["plain"] * 4)
    bench.wait_for_running(4)
    [large] = bench.send("plain", memory_bytes=5)
    bench.gate.set()
    bench.outcomes(4)
    eventually(lambda: bench.bell.rung == 1, 20)
    bench.signals.draining = True
    bench.pool.run(lambda: None)
    assert bench.outcomes(1) == {large.id: Kind.RELEASED}


def test_a_plain_middleware_takes_async_jobs_to_threads_and_an_async_one_does_not(bench: Bench) -> None:
    assert bench.runner.runs_as_task("task")

    @bench.app.middleware
    async def around(job: Any, call: Any) -> Any:
        return await call()

    assert bench.runner.runs_as_task("task")

    @bench.app.middleware
    def outside(job: Any, call: Any) -> Any:
        return call()

    assert not bench.runner.runs_as_task("task")
    assert not bench.runner.runs_as_task("plain")
    bench.app.middlewares.reverse()
    bench.app.async_middlewares.reverse()
    sent = bench.send("plain")
    bench.wait_for_running(1)
    sent += bench.send("task")
    bench.wait_for_running(2)
    bench.gate.set()
    assert bench.outcomes(2) == {job.id: "done" for job in sent}


tenant: ContextVar[str] = ContextVar("tenant", default="")


def test_a_plain_job_inside_an_async_middleware_blocks_no_event_loop_and_sees_its_context(bench: Bench) -> None:
    seen: list[tuple[str, bool]] = []

    @bench.app.middleware
    async def around(job: Any, call: Any) -> Any:
        tenant.set("ann")
        return [await call(), await call()]

    @bench.app.middleware
    def between(job: Any, call: Any) -> Any:
        return call()

    @bench.app.middleware
    async def innermost(job: Any, call: Any) -> Any:
        return await call()

    @bench.app.job(name="blocks")
    def blocks() -> None:
        bench.begin()
        asyncio.run(asyncio.sleep(0))  # there is no event loop around it
        seen.append((tenant.get(), bench.gate.wait(20)))

    bench.send("blocks")
    bench.wait_for_running(1)
    bench.app.middlewares.clear()
    bench.app.async_middlewares.clear()
    bench.send("task")
    bench.wait_for_running(2)
    bench.gate.set()
    bench.outcomes(2)
    assert seen == [("ann", True)] * 2


@pytest.mark.parametrize(
    "error", [StopIteration("end"), StopAsyncIteration(), GeneratorExit(), SystemExit(3)], ids=repr
)
def test_whatever_a_plain_job_raises_inside_an_async_middleware_ends_it(bench: Bench, error: BaseException) -> None:
    @bench.app.middleware
    async def around(job: Any, call: Any) -> Any:
        return await call()

    @bench.app.job(name="fails", max_attempts=1)
    def fails() -> None:
        raise error

    [job] = bench.send("fails")
    assert bench.outcomes(1) == {job.id: Kind.FAILED}


def test_a_time_limit_reaches_a_plain_job_inside_an_async_middleware_which_may_clean_up(bench: Bench) -> None:
    cleaned: list[str] = []

    @bench.app.middleware
    async def around(job: Any, call: Any) -> Any:
        try:
            return await call()
        finally:
            await asyncio.sleep(0.3)  # it is not told again meanwhile
            cleaned.append(job.name)

    @bench.app.job(name="endless", max_attempts=1)
    def endless() -> None:
        bench.begin()
        while True:
            time.sleep(0.01)

    [job] = bench.send("endless")
    bench.wait_for_running(1)
    assert bench.pool.time_out(job)
    eventually(lambda: not bench.pool.time_out(job), 20, "it is over")
    assert bench.outcomes(1) == {job.id: Kind.HUNG}
    assert cleaned == ["endless"]


def test_a_plain_function_that_returns_a_coroutine_has_it_run(bench: Bench) -> None:
    seen: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(os.getpid())

    bench.app.job(name="decorated")(lambda: work())
    bench.send("decorated")
    bench.outcomes(1)
    assert seen == [os.getpid()]


def test_threads_and_settings_of_an_event_loop_are_given_back_when_the_next_job_begins(bench: Bench) -> None:
    def fails(*_: object) -> None:
        raise SystemExit(3)

    @bench.app.job(name="vandal")
    async def vandal() -> None:
        loop = asyncio.get_running_loop()
        left.extend(loop.run_in_executor(None, left_threads.wait, 60) for _ in range(64))
        loop.set_task_factory(fails)  # type: ignore[arg-type]

    @bench.app.job(name="innocent")
    async def innocent() -> None:
        await asyncio.create_task(asyncio.to_thread(int))

    left: list[object] = []
    left_threads = threading.Event()
    try:
        for name in ("vandal", "innocent"):
            [job] = bench.send(name)
            assert bench.outcomes(1) == {job.id: "done"}
    finally:
        left_threads.set()
