"""Chains and batches with a real daemon, over three queues."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.daemon import Site
from jqjobs import App, BatchState
from waiting import eventually

pytestmark = pytest.mark.xdist_group("flows")
APP = """
from jqjobs import App, Previous, current_job

app = App()


@app.job(queue="one")
def fetch(n: int) -> list[int]:
    return [n] * 3


@app.job(queue="two", keep="1h")
def double(numbers: Previous[list[int]]) -> list[int]:
    return [2 * number for number in numbers]


@app.job(queue="three", keep="1h")
def total(numbers: Previous[list[int]], more: int = 0) -> int:
    return sum(numbers) + more


@app.job(queue="one", keep="1h")
def row(n: int) -> int:
    if n == 1:
        current_job().batch.add(row.options(queue="two").call(100))
    return n


@app.job(queue="three", keep="1h")
def report(summary: Previous[dict] = None) -> dict:
    return summary
"""


@pytest.fixture(scope="module")
def site(module_site: Site) -> Site:
    """A site with one daemon for all tests."""
    module_site.start_daemon("--app", module_site.write_app("flows", APP), "--processes", "2")
    return module_site


@pytest.fixture
def app(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    space: dict[str, object] = {"__name__": "flows"}
    monkeypatch.setenv("JQ_REDIS_URL", site.server.url)
    exec(compile(APP, str(Path("flows.py")), "exec"), space)
    made = space["app"]
    assert isinstance(made, App)
    yield made
    made.client.close()


def test_a_result_goes_through_a_chain_over_three_queues(app: App) -> None:
    jobs = app.jobs
    chain = app.chain(jobs["fetch"].call(7), jobs["double"].call(), jobs["total"].call(more=1)).enqueue()

    eventually(lambda: chain.steps[2].state() == "kept", what="the last step has run")
    assert chain.steps[2].result(60) == 43


def test_a_batch_over_queues_waits_for_what_its_members_add(app: App) -> None:
    jobs = app.jobs
    with app.batch("b", queue="three", then=jobs["report"].call()) as batch:
        batch.add_many(jobs["row"], [(n,) for n in range(10)])
    assert batch.wait(60).state is BatchState.SUCCEEDED

    assert sorted(value for _, value in batch.results()) == [*range(10), 100]
    assert app.handle("three/b.then").result(60) == {"batch": "three/b", "succeeded": 11, "dead": 0}


def test_coroutines_do_the_same(app: App) -> None:
    async def run() -> list[object]:
        jobs = app.jobs
        async with app.batch(queue="three") as batch:
            await batch.add_async(jobs["row"].call(5))
        await batch.wait_async(20)
        chain = await app.chain(jobs["fetch"].call(1), [jobs["row"].call(2)], jobs["report"].call()).enqueue_async()
        while chain.steps[2].state() != "kept":
            await asyncio.sleep(0.05)
        found = [value async for _, value in batch.results_async()]
        await app.client.close_async()
        return found

    assert asyncio.run(run()) == [5]
