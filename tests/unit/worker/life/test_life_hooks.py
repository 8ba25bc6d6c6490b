"""What an app registers for the beginning and the end of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from jqjobs import App
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.life import life_hooks
from jqjobs.worker.life.life_hooks import LifeHooks


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    made = Interrupter()
    made.install()
    yield made
    made.event_loop.close()


def test_all_are_called_in_order_coroutines_in_the_event_loop_of_the_jobs(app: App, interrupter: Interrupter) -> None:
    said: list[object] = []

    @app.on_worker_start
    async def open_pool() -> None:
        said.append(asyncio.get_running_loop())

    app.on_worker_start(lambda: said.append("start"))
    app.on_worker_stop(lambda: said.append("stop"))

    @app.on_worker_stop
    async def close_pool() -> None:
        said.append(asyncio.get_running_loop())

    async def job() -> object:
        return asyncio.get_running_loop()

    hooks = LifeHooks(app.registry.app_hooks, interrupter)
    hooks.start()
    loop = interrupter.run_async(job())
    hooks.stop()
    assert said == [loop, "start", loop, "stop"]  # the end is the beginning backwards


def test_what_one_sets_of_the_event_loop_the_next_one_leaves(app: App, interrupter: Interrupter) -> None:
    def handler(*_: object) -> None: ...

    @app.on_worker_start
    async def set_handler() -> None:
        asyncio.get_running_loop().set_exception_handler(handler)

    @app.on_worker_start
    async def other() -> None: ...

    async def job() -> object:
        return asyncio.get_running_loop().get_exception_handler()

    LifeHooks(app.registry.app_hooks, interrupter).start()
    assert interrupter.run_async(job()) is handler


def test_what_the_start_raises_comes_through(app: App, interrupter: Interrupter) -> None:
    app.on_worker_start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        LifeHooks(app.registry.app_hooks, interrupter).start()


def test_an_end_that_raises_or_hangs_keeps_no_other_from_being_called(
    app: App, interrupter: Interrupter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life_hooks, "HOOK_LIMIT_MS", 50)
    said = []
    app.on_worker_stop(lambda: said.append("first"))

    @app.on_worker_stop
    async def hangs() -> None:
        await asyncio.sleep(60)

    app.on_worker_stop(lambda: 1 / 0)
    LifeHooks(app.registry.app_hooks, interrupter).stop()
    assert said == ["first"]
    assert [record.getMessage() for record in caplog.records] == ["hook.failed", "hook.ended"]
