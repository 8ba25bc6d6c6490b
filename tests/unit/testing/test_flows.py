"""Chains and batches in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs import App, Batch, BatchState, Discard, Previous, RateLimit, current_job
from jqjobs.errors import Conflict, InvalidArguments, InvalidName, InvalidOption, NotFound, ResultTimeout
from jqjobs.inprocess.engines import SyncEngine
from jqjobs.testing import InMemory, in_memory

app = App()
ran: list[object] = []


@app.job(queue="one", keep="1h")
def double(n: int) -> int:
    if n == 1:
        current_job().batch.add(double.options(queue="two").call(50))  # type: ignore[union-attr]
    if n == 13:
        raise Discard("unlucky")
    return 2 * n


@app.job(queue="two")
def note(what: Previous[object], more: str = "") -> None:
    ran.append((what, more))


@app.job(queue="two")
def report(before: Previous[object] = "nothing") -> str:
    ran.append(before)
    return "told"


@pytest.fixture
def jobs() -> InMemory:
    ran.clear()
    with in_memory(app) as found:
        yield found  # type: ignore[misc]


def test_a_chain_runs_step_by_step_and_waits_for_lists(jobs: InMemory) -> None:
    app.chain(double.call(4), note.call("a")).enqueue()
    app.chain(double.call(2), [double.call(3), double.call(4)], double.call(5)).enqueue()
    jobs.drain()

    assert ran == [(8, "a")]
    assert [record.state for record in jobs.all if record.name == "double"] == ["kept"] * 5


def test_each_member_of_a_list_has_what_the_step_before_returned(jobs: InMemory) -> None:
    app.chain(double.call(4), [note.call("a"), note.options(queue="one").call("b")], double.call(5)).enqueue()
    with app.batch("b", then=[note.call("then")]):
        pass
    jobs.drain()

    said = ({"batch": "two/b", "succeeded": 0, "dead": 0}, "then")
    assert sorted(ran, key=str) == [(8, "a"), (8, "b"), said]


def test_a_batch_calls_what_is_to_come_when_its_dead_member_is_retried(jobs: InMemory) -> None:
    with app.batch("b", then=note.call("then"), always=note.call("always")) as batch:
        batch.add_many(double, [(1,), (13,)])
    jobs.drain()
    assert (batch.status().state, ran) == (
        BatchState.WAITING,
        [({"batch": "two/b", "succeeded": 2, "dead": 1}, "always")],
    )

    [dead] = jobs.dead
    dead.payload = b'{"args":[7]}'
    assert (batch.retry(), batch.retry()) == (1, 0)
    jobs.drain()

    assert (batch.wait(1).state, ran[1]) == (
        BatchState.SUCCEEDED,
        ({"batch": "two/b", "succeeded": 3, "dead": 0}, "then"),
    )
    assert sorted(value for _, value in batch.results()) == [2, 14, 100]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_sync_engine_runs_all_steps_of_a_chain_and_what_a_batch_calls(is_async: bool) -> None:
    ran.clear()
    app.use(SyncEngine(app))
    chain = app.chain(double.call(2), [double.call(3), double.call(4)], double.call(5), note.call("last"))
    batch = app.batch(then=note.call("then"), always=note.call("always"))

    async def both() -> None:
        await chain.enqueue_async()
        async with batch as filled:
            await filled.add_async(double.call(5))

    try:
        if is_async:
            asyncio.run(both())
        else:
            chain.enqueue()
            with batch as filled:
                filled.add(double.call(5))
    finally:
        app.use(None)

    assert [more for _, more in ran] == ["last", "always", "then"]  # type: ignore[misc]


def test_a_step_has_the_options_of_its_call_wherever_it_stands(jobs: InMemory) -> None:
    said = {"group": "tenant:7", "tags": ["a", "b"], "expires": "1h", "timeout": "2m", "max_crashes": 2}
    step = note.options(**said).call
    app.chain(double.call(4), step("next"), [double.options(**said).call(5)]).enqueue()
    with app.batch(then=step("then"), always=step("always")):
        pass
    jobs.drain()

    words = ("fair", "tags", "timeout", "max_crashes")
    found = {record.args[0]: record.fields for record in jobs.all if record.args[0] != 4}
    assert {*found} == {"next", 5, "then", "always"}
    for fields in found.values():
        assert [fields[word] for word in words] == ["=tenant:7", "a b", 120_000, 2]
        assert fields["expires"] == jobs.clock.now_ms + 3_600_000


def test_a_list_of_a_chain_has_at_most_a_thousand_steps() -> None:
    most = [double.call(1)] * 1000
    app.chain(most, double.call(2))
    for steps in ([[*most, double.call(1)]], [double.call(2), [*most, double.call(1)]]):
        with pytest.raises(InvalidOption, match="a list of 1001 steps, more than 1000"):
            app.chain(*steps)


def test_a_chain_whose_ids_would_be_too_long_is_refused() -> None:
    lists = [[double.call(1)]] * 14
    app.chain(double.options(id="i" * 40).call(1), *lists)
    with pytest.raises(InvalidOption, match="more than 128"):
        app.chain(double.options(id="i" * 64).call(1), *lists)


def test_who_waits_for_a_batch_looks_first_and_last(jobs: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.batch() as batch:
        batch.add(double.call(3))
    waited_s = 0.0

    def sleep(pause_s: float) -> None:
        nonlocal waited_s
        waited_s += pause_s
        if waited_s >= 1:
            jobs.drain()

    with monkeypatch.context() as patch:
        clock = SimpleNamespace(sleep=sleep, monotonic=lambda: waited_s)
        patch.setattr("jqjobs.api.watched_batches.time", clock)
        patch.setattr(jobs.engine, "check_runs", lambda what, state: None)  # as where workers run jobs
        with pytest.raises(ResultTimeout, match="was not over within 0"):
            batch.wait(timeout=0)
        assert batch.wait(timeout=1).state is BatchState.SUCCEEDED
    assert batch.wait(timeout=0).state is asyncio.run(batch.wait_async(timeout=0)).state is BatchState.SUCCEEDED


def test_who_waits_for_a_batch_before_the_drain_hears_that_nothing_runs(jobs: InMemory) -> None:
    with app.batch(id="b", queue="two") as batch:
        batch.add(double.call(3))
    for wait in (batch.wait, lambda: asyncio.run(batch.wait_async())):
        with pytest.raises(ResultTimeout, match="batch two/b has not run: it is running") as late:
            wait()
        assert "drain" in late.value.hint


def test_a_process_that_runs_jobs_at_once_forgets_old_batches_and_counts_no_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jqjobs.inprocess.flows.MOST_OVER", 2)
    limited = App()
    send = limited.job(name="send", rate_limit=RateLimit(1, seconds=60, key="{n}"))(lambda n: n)
    engine = SyncEngine(limited)
    limited.use(engine)
    for n in range(5):
        with limited.batch(str(n)) as batch:
            batch.add(send.call(n))

    assert [batch_id for _, batch_id in engine.flows._batches] == ["2", "3", "4"]
    assert batch.status().state is BatchState.SUCCEEDED
    assert engine.gates._starts == engine.gates._started == {}


def test_a_cancelled_batch_cancels_its_members(jobs: InMemory) -> None:
    with app.batch(then=note.call("then"), always=note.call("always")) as batch:
        batch.add(double.call(3))
    batch.cancel()
    jobs.drain()

    assert (batch.status().state, [more for _, more in ran]) == (BatchState.CANCELLED, ["always"])  # type: ignore[misc]


def test_nothing_comes_after_a_list_of_which_a_member_finds_another_job_under_its_id(jobs: InMemory) -> None:
    app.chain(double.options(id="c").call(2), [double.call(3), double.call(4)], double.call(5)).enqueue()
    double.options(id="c.2.1", delay="1h").enqueue(1)
    jobs.drain()

    assert [app.batch_at("one/c.2").status().state, app.handle("one/c.2.2").state()] == [BatchState.FAILED, "kept"]


def test_a_chain_ends_at_a_list_of_which_another_batch_has_the_id(jobs: InMemory) -> None:
    for n in (2, 3):
        app.chain(double.options(id="c").call(n), [report.options(queue="one").call()], report.call()).enqueue()
        jobs.drain()
        app.handle("one/c").delete()
    assert ran == [4, "nothing"]


def test_a_chain_whose_first_job_is_there_already_says_so(jobs: InMemory) -> None:
    there = double.options(key="k", delay="1h").enqueue(2)
    chain = app.chain(double.options(key="k").call(3), note.call()).enqueue()
    assert (chain.created, chain.id, len(jobs.all)) == (False, there.id, 1)
    assert app.chain(double.call(4)).enqueue().created


@pytest.mark.parametrize(("end", "state"), [("close", "kept"), ("cancel", "dead")])
def test_a_batch_that_is_ended_inside_its_block_is_not_closed_again(jobs: InMemory, end: str, state: str) -> None:
    with app.batch("b") as batch:
        batch.add(double.call(2))
        getattr(batch, end)()
    jobs.drain()
    assert [record.state for record in jobs.all] == [state]


@pytest.mark.parametrize("way", [
    lambda: note.enqueue(), lambda: asyncio.run(note.enqueue_async()), lambda: note.enqueue_many([()]),
    lambda: asyncio.run(note.enqueue_many_async([note.call()])), lambda: app.batch_at("one/b").add(note.call()),
    lambda: app.batch_at("one/b").add_many(note, [()]), lambda: app.chain([double.call(1), note.call()]),
    lambda: app.periodic(every="1h")(note), lambda: app.schedules.add("n", note, every="1h"),
])  # fmt: skip
def test_nobody_enqueues_alone_what_cannot_do_without_the_step_before(
    jobs: InMemory, way: Callable[[], object]
) -> None:
    with pytest.raises(InvalidArguments, match=r"nothing is before <Job two/note>, which wants .* as 'what'"):
        way()
    assert (jobs.all, [*app.registry.schedules]) == ([], [])


def test_what_has_a_default_may_be_enqueued_alone(jobs: InMemory) -> None:
    report.enqueue()
    app.schedules.add("n", report, every="1h")
    jobs.clock.advance("1h")
    jobs.drain()
    assert ran == ["nothing", "nothing"]


def test_a_batch_outside_of_its_block_says_where_it_is_open(jobs: InMemory) -> None:
    opening: Any = app.batch("b", queue="one")
    for name in ("add", "add_many_async", "status", "ref"):
        with pytest.raises(InvalidOption, match=f"batch one/b is not open: '{name}' is for its block"):
            getattr(opening, name)
    assert not hasattr(opening, "ad")
    with pytest.raises(InvalidOption, match="is no job"), opening as batch:
        batch.add_many(double.call(1), [(1,)])


@pytest.mark.parametrize("is_async", [False, True])
def test_who_adds_from_outside_to_a_batch_that_is_not_open_is_told(jobs: InMemory, is_async: bool) -> None:
    def add(batch: Batch) -> object:
        if is_async:
            return asyncio.run(batch.add_many_async(double, [(2,)]))
        return batch.add(double.call(2))

    with pytest.raises(NotFound, match="one/nobody"):
        add(app.batch_at("one/nobody"))
    with pytest.raises(NotFound, match="one/nobody"):
        list(app.batch_at("one/nobody").results())
    with app.batch("b", queue="one") as batch:
        add(app.batch_at("one/b"))
        add(batch)
        batch.add(double.call(1))
    for each in (batch, app.batch_at("one/b")):
        with pytest.raises(Conflict, match="closed: nobody adds to it but its members"):
            add(each)
    jobs.drain()
    with pytest.raises(Conflict, match="over already"):
        add(batch)
    assert (batch.status().succeeded, len(jobs.all)) == (4, 4)


def test_after_a_list_a_previous_has_its_default(jobs: InMemory) -> None:
    app.chain(double.call(3), [double.call(2)], report.call()).enqueue()
    app.chain([double.call(2)], report.call(), report.call()).enqueue()
    with app.batch("mine", then=report.call()):
        pass
    jobs.drain()

    assert sorted(ran, key=str) == ["nothing", "nothing", "told", {"batch": "two/mine", "succeeded": 0, "dead": 0}]
    assert [each.fields.get("caller") for each in jobs.all if each.id == "mine.then"] == ["two/mine"]


def test_a_coroutine_does_with_chains_and_jobs_what_others_do(jobs: InMemory) -> None:
    async def all_of_it() -> list[object]:
        chain = await app.chain(double.call(2), note.call()).enqueue_async()
        job = await double.options(delay="1h").enqueue_async(3)
        told: list[object] = [await job.state_async(), await job.promote_async(), (await job.info_async()).state]
        told += [await chain.cancel_async(), await chain.cancel_async(), await chain.steps[0].retry_async()]
        told += [await app.cancel_async(job.ref), await job.retry_async(), await job.delete_async()]
        with pytest.raises(NotFound):
            await job.cancel_async()
        return told

    told = ["scheduled", None, "ready", True, False, None, "cancelled", None, None]
    assert asyncio.run(all_of_it()) == told


@pytest.mark.parametrize("what", [double, app.chain(double.call(2))], ids=["a job", "a chain"])
def test_what_is_no_call_is_refused_with_what_is_meant(jobs: InMemory, what: Any) -> None:
    with pytest.raises(InvalidOption, match=r"no step"):
        app.chain(what)
    with pytest.raises(InvalidOption, match=r"no step"):
        app.batch(then=what)
    with app.batch() as batch, pytest.raises(InvalidOption, match=r"no call"):
        batch.add(what)


def test_the_id_of_a_batch_says_no_queue() -> None:
    with pytest.raises(InvalidName, match=r"^id 'web/b' is not"):
        app.batch("web/b")
