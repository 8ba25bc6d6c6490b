"""`app.queue(…)` and `app.daemons()`: a queue as an application sees it, from threads and from coroutines."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from jqjobs import App, InvalidName, InvalidOption, NeedsRedis, Queue
from jqjobs.inprocess.engines import MemoryEngine
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import daemons, upkeep
from store.queue_system import QueueSystem


@pytest.fixture
def system(live_system: QueueSystem) -> QueueSystem:
    """One quick real server by its own clock, as an app sees it."""
    return live_system


@pytest.fixture
def app(system: QueueSystem) -> Iterator[App]:
    made = App(redis_url=system.url)
    yield made
    made.client.close()


def kill(system: QueueSystem, *ids: str, name: str = "n", text: str = "boom") -> None:
    system.add(*ids, name=name)
    for job in system.take(want=len(ids)):
        system.settle("w", job, Kind.DISCARDED, text=text)


def in_loop(app: App, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine in an event loop of its own."""

    async def run() -> Any:
        try:
            return await work()
        finally:
            await app.client.close_async()

    return asyncio.run(run())


def test_jobs_are_iterated_page_by_page_by_what_is_said_of_them(system: QueueSystem, app: App) -> None:
    kill(system, *[f"d{n:03}" for n in range(230)], text="SMTPError")
    kill(system, "other", text="KeyError")
    system.add("ready")
    queue = app.queue("q")
    assert len(list(queue.jobs())) == 232
    found = list(queue.jobs(error="SMTP"))
    assert sorted(row.id for row in found) == [f"d{n:03}" for n in range(230)]
    assert (found[0].ref, found[0].reason) == ("q/d000", "discarded")
    assert [row.id for row in queue.jobs(state="ready")] == ["ready"]
    assert list(queue.jobs(older_than="1h")) == []
    assert len(list(queue.jobs(since="1h"))) == 232
    assert list(queue.jobs(since=datetime(2100, 1, 1, tzinfo=UTC))) == []


def test_a_span_ends_now_by_the_clock_of_redis(
    system: QueueSystem, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """That of this host may be wrong, and then other jobs would be deleted."""
    kill(system, "a")
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 3 * 3600 * 10**9)
    queue = app.queue("q")
    assert [row.id for row in queue.jobs(since="1h")] == ["a"]
    assert in_loop(app, lambda: queue.delete_async(state="dead", since="1h")).done == 1


def test_what_matches_is_acted_on(system: QueueSystem, app: App) -> None:
    kill(system, "a", "b", name="mail")
    kill(system, "c", name="bill")
    queue = app.queue("q")
    assert queue.retry(name="mail", dry_run=True)[:2] == (2, 0)
    assert queue.retry(name="mail")[:2] == (2, 2)
    assert queue.cancel(name="mail").done == 2
    assert queue.delete(state="dead", error="cancelled").done == 2
    assert system.ids("dead") == ["c"]
    assert queue.move("graveyard", state="dead", dry_run=True)[:2] == (1, 0)
    assert queue.move("graveyard", name="bill")[:2] == (1, 1)
    assert (system.ids("dead"), system.ids("dead", queue="graveyard")) == ([], ["c"])
    assert (queue.counts().dead, queue.counts().ready) == (0, 0)


def test_coroutines_have_the_same(system: QueueSystem, app: App) -> None:
    kill(system, *[f"d{n:03}" for n in range(120)])

    async def work() -> Any:
        queue = app.queue("q")
        seen = [row.id async for row in queue.jobs_async(state="dead")]
        done = await queue.retry_async(error="boom")
        paused = await queue.pause_async(reason="lunch")
        counts = await queue.counts_async()
        return len(seen), done.done, paused, counts.ready, counts.paused_reason, await app.daemons_async()

    assert in_loop(app, work) == (120, 120, True, 120, "lunch", ())


def test_each_act_has_a_twin_of_the_same_parameters_and_words() -> None:
    named = {name for name, found in vars(Queue).items() if not name.startswith("_") and callable(found)}
    acts = {name for name in named if not name.endswith("_async")}
    assert named == acts | {f"{name}_async" for name in acts}
    for name in acts:
        one, twin = getattr(Queue, name), getattr(Queue, f"{name}_async")
        assert inspect.signature(one).parameters == inspect.signature(twin).parameters
        assert one.__doc__
        assert twin.__doc__
        assert (one.__name__, twin.__name__) == (name, f"{name}_async")


def test_a_queue_that_is_purged_has_nothing_left_that_waits(system: QueueSystem, app: App) -> None:
    kill(system, "dead")
    system.add("runs")
    system.take("w2")
    system.add(*[f"r{n:03}" for n in range(150)])
    system.add("later", due="+60000")
    system.push({"job": "n"}, {"job": "n"})
    assert app.queue("q").purge() == 153
    assert (system.ids("ready"), system.ids("scheduled"), system.ids("dead")) == ([], [], ["dead"])
    assert system.active() == {"w2": ["runs"]}
    assert system.redis("LLEN", system.key("inbox")) == 0


def test_a_purge_takes_what_was_there_also_where_no_more_may_come_in_and_however_much_comes(
    system: QueueSystem, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.add(*[f"r{n}" for n in range(5)])
    system.run(upkeep.settings("q", {"max_length": 5}))
    system.push(*[{"job": "n"}] * 3)
    ask = app.client.run

    def ask_while_others_push(call: Any) -> Any:
        answer = ask(call)
        system.push(*[{"job": "n"}] * 101)  # more than one ingestion takes in
        return answer

    monkeypatch.setattr(app.client, "run", ask_while_others_push)
    assert app.queue("q").purge() == 8
    assert system.ids("ready") == []
    assert system.redis("LLEN", system.key("inbox")) > 0
    assert system.redis("EXISTS", system.key("wake")) == 1, "what came meanwhile is taken in"


def test_a_queue_is_paused_and_resumed(system: QueueSystem, app: App) -> None:
    queue = app.queue("q")
    assert queue.pause(reason="the provider is down", until="in 2h", by="ann") is True
    counts = queue.counts()
    assert (counts.paused_reason, counts.paused_by) == ("the provider is down", "ann")
    assert counts.paused_until_ms is not None
    assert 7_190_000 < counts.paused_until_ms - counts.now_ms < 7_210_000
    assert (queue.resume(), queue.resume()) == (True, False)
    with pytest.raises(InvalidOption):
        queue.pause(until=0)


def test_daemons_are_those_that_have_registered(system: QueueSystem, app: App) -> None:
    system.run(daemons.register("d1", 60_000, {"name": "web", "state": "running", "queues": "q", "pid": 7}, {}))
    [daemon] = app.daemons()
    assert (daemon.name, daemon.queues) == ("web", ("q",))


@pytest.mark.parametrize("said", [{"state": "bogus"}, {"error": ""}, {"since": "soon"}, {"older_than": "much"}])
def test_what_selects_nothing_is_refused(app: App, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        list(app.queue("q").jobs(**said))


def test_a_queue_has_a_name(app: App) -> None:
    with pytest.raises(InvalidName):
        app.queue("a:b")


def test_jobs_in_memory_are_in_no_queue_to_look_into(app: App) -> None:
    app.use(MemoryEngine(app))
    with pytest.raises(NeedsRedis):
        app.queue("q").counts()


def test_the_answer_can_be_told_as_json(system: QueueSystem, app: App) -> None:
    assert json.dumps(app.queue("q").retry().as_json()) == '{"matched": 0, "done": 0, "left": 0, "cursor": null}'
