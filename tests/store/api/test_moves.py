"""Handles of jobs that are moved to another queue: they follow, in threads and in coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from jqjobs import App, JobHandle
from jqjobs.errors import Conflict, InvalidOption, NotFound
from jqjobs.jobs.records import Kind, State
from store.queue_system import QueueSystem, outcome


@pytest.fixture
def app(real_system: QueueSystem) -> Iterator[App]:
    made = App(redis_url=real_system.url)
    yield made
    made.client.close()


@pytest.fixture
def handle(app: App) -> JobHandle:
    @app.job(queue="q", keep="1h", name="n")
    def job() -> None: ...

    made: JobHandle = job.enqueue()
    return made


def finish(system: QueueSystem, queue: str) -> None:
    [job] = system.take("w", queues=(queue,))
    system.trip("w", 0, [outcome(job, Kind.KEPT, 60_000, line=b'"done"')], queues=(queue,))


def test_a_handle_leads_to_the_job_wherever_it_was_moved(real_system: QueueSystem, handle: JobHandle) -> None:
    there = handle.move("b").move("c")
    assert (there.queue, handle.info().queue, handle.state()) == ("c", "c", State.READY)
    assert handle.cancel() == "cancelled"
    assert there.state() is State.DEAD
    handle.retry()
    finish(real_system, "c")
    assert handle.result(5) == "done"
    handle.delete()
    assert (there.state(), handle.state()) == ("succeeded", "succeeded")
    with pytest.raises(NotFound):
        handle.move("d")


def test_a_handle_promotes_what_was_moved(real_system: QueueSystem, app: App) -> None:
    real_system.add("a", due="+60000")
    handle = app.handle("q/a")
    handle.move("b")
    handle.promote()
    assert real_system.states("a", "b") == ["ready"]
    with pytest.raises(Conflict, match="not scheduled"):
        handle.promote()


def test_what_cannot_be_moved_is_refused(real_system: QueueSystem, handle: JobHandle) -> None:
    with pytest.raises(InvalidOption, match="already"):
        handle.move("q")
    real_system.add(handle.id, queue="b")
    with pytest.raises(Conflict, match="has a job"):
        handle.move("b")
    assert real_system.states(handle.id) == ["ready"]


def test_who_waits_for_a_result_gets_that_of_the_other_queue(real_system: QueueSystem, handle: JobHandle) -> None:
    found: list[object] = []
    waiter = threading.Thread(target=lambda: found.append(handle.result(30)))
    waiter.start()
    handle.move("b")
    finish(real_system, "b")
    waiter.join(30)
    assert found == ["done"]


def test_so_does_a_coroutine(real_system: QueueSystem, handle: JobHandle) -> None:
    async def wait() -> object:
        waiting = asyncio.create_task(handle.result_async(30))
        await asyncio.sleep(0)
        await asyncio.to_thread(handle.move, "b")
        await asyncio.to_thread(finish, real_system, "b")
        return await waiting

    assert asyncio.run(wait()) == "done"
