"""Jobs in memory and the engines that need no Redis: the same rules as with a worker, without waiting."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App, Discard, JobHandle, JobTimeout, Retry, Snooze, current_job
from jqjobs.errors import (
    ConfigError,
    Conflict,
    DrainedTooLong,
    InvalidArguments,
    InvalidOption,
    JobFailed,
    NeedsRedis,
    NotFound,
    ResultMissing,
    ResultTimeout,
)
from jqjobs.inprocess.engines import NullEngine, SyncEngine
from jqjobs.jobs.context import wait_async
from jqjobs.jobs.limits import RateLimit
from jqjobs.jobs.records import State
from jqjobs.testing import InMemory, in_memory, plugin


@pytest.fixture
def jobs(app: App) -> Iterator[InMemory]:
    with in_memory(app) as held:
        yield held


class Lines(list[Any]):
    """What jobs noted, in order."""

    def note(self, *what: Any) -> None:
        self.append(what[0] if len(what) == 1 else what)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def failing(times: int, lines: Lines) -> Callable[[], str]:
    """A job that raises so many times, then returns."""

    def job() -> str:
        me = current_job()
        assert me is not None
        lines.note(me.attempt)
        if me.attempt <= times:
            raise ValueError("boom")
        return "well"

    return job


# In memory


def test_nothing_runs_before_it_is_drained_and_then_in_order(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job")(lines.note)
    handles = [job.enqueue("a"), job.options(priority=5).enqueue("b"), job.enqueue("c")]
    assert lines == []
    assert [handle.state() for handle in handles] == [State.READY] * 3
    assert jobs.drain() == 3
    assert lines == ["b", "a", "c"]
    assert handles[0].state() == "succeeded"
    assert [record.state for record in jobs.all] == ["gone"] * 3


def test_what_a_job_enqueues_is_drained_too(app: App, jobs: InMemory, lines: Lines) -> None:
    second = app.job(name="second")(lines.note)
    first = app.job(name="first")(lambda: second.enqueue("2"))
    first.enqueue()
    assert jobs.drain() == 2
    assert lines == ["2"]


def test_jobs_that_enqueue_each_other_for_ever_are_stopped(
    app: App, jobs: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jqjobs.testing.memory._MOST_RUNS", 100)

    @app.job
    def again() -> None:
        again.enqueue()

    again.enqueue()
    with pytest.raises(DrainedTooLong):
        jobs.drain()


def test_the_clock_may_begin_where_code_says_moments_from(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job")(lines.note)
    jobs.clock.now = datetime.now(UTC)
    job.options(due=datetime.now(UTC) + timedelta(hours=1)).enqueue("soon")
    assert jobs.drain() == 0
    jobs.clock.advance("1h1m")
    assert jobs.drain() == 1
    assert jobs.clock.now > datetime.now(UTC) + timedelta(hours=1)


def test_a_delayed_job_waits_for_the_frozen_clock(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job")(lines.note)
    handle = job.options(delay="10m").enqueue("late")
    moment = datetime.fromtimestamp(jobs.clock.now_ms / 1000 + 60, UTC)
    job.options(due=moment).enqueue("soon")
    assert (handle.state(), jobs.drain(), jobs.all[0].delay_s) == (State.SCHEDULED, 0, 600)
    jobs.clock.advance("1m")
    assert (jobs.drain(), list(lines)) == (1, ["soon"])
    assert jobs.drain(delayed=True) == 1
    assert lines == ["soon", "late"]


def test_what_runs_into_its_time_limit_three_times_is_dead_until_somebody_retries_it(app: App, jobs: InMemory) -> None:
    @app.job(backoff=0)
    def slow() -> None:
        raise JobTimeout("its time is up")

    handle = slow.enqueue()
    assert [jobs.drain(), handle.info().reason] == [3, "hung"]
    handle.retry()
    assert [jobs.drain(), handle.info().failures] == [3, 6]


def test_failures_are_tried_again_after_their_delay_until_the_limit(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job", max_attempts=3, backoff="1m", keep="1h")(failing(9, lines))
    handle = job.enqueue()
    assert jobs.drain() == 1
    assert handle.state() is State.SCHEDULED
    assert jobs.drain(delayed=True) == 2
    info = handle.info()
    assert (info.state, info.reason, info.failures, info.error) == ("dead", "failed", 3, "ValueError: boom")
    assert [attempt.reason for attempt in info.history] == ["failed"] * 3
    assert jobs.dead[0].id == handle.id
    with pytest.raises(JobFailed, match="boom"):
        handle.result()


def test_a_result_is_there_after_the_drain_and_not_before(app: App, jobs: InMemory) -> None:
    handle = app.job(name="job", keep="1h")(lambda: {"a": [1]}).enqueue()
    with pytest.raises(ResultTimeout, match="has not run") as late:
        handle.result(timeout=10)
    assert "drain" in late.value.hint
    jobs.drain()
    assert handle.result() == {"a": [1]}
    assert asyncio.run(handle.result_async()) == {"a": [1]}
    assert app.handle(handle.ref).result() == {"a": [1]}


def test_a_result_that_is_missing_or_not_kept_says_so(app: App, jobs: InMemory) -> None:
    strange = app.job(name="strange", keep="1h")(object).enqueue()
    gone = app.job(name="gone")(lambda: 1).enqueue()
    jobs.drain()
    with pytest.raises(ResultMissing):
        strange.result()
    with pytest.raises(NotFound):
        gone.result()


def test_a_job_may_discard_itself_choose_its_delay_or_expire(app: App, jobs: InMemory) -> None:
    @app.job
    def discards() -> None:
        raise Discard("never")

    @app.job
    def chooses() -> None:
        raise Retry("later", delay="5m")

    discards.enqueue()
    chosen = chooses.enqueue()
    chooses.options(expires="1s", delay="2s").enqueue()
    assert jobs.drain() == 2
    jobs.clock.advance("2s")
    assert jobs.drain() == 0
    assert [(record.name, record.reason) for record in jobs.dead] == [("discards", "discarded"), ("chooses", "expired")]
    assert chosen.info().due_ms == jobs.clock.now_ms - 2000 + 300_000


def test_a_job_that_asks_to_run_later_does_free_of_charge_until_it_may_no_more(app: App, jobs: InMemory) -> None:
    @app.job(max_attempts=1, max_snoozes=2)
    def busy() -> None:
        raise Snooze("5m", "busy")

    busy.enqueue()
    assert jobs.drain() == 1
    [record] = jobs.enqueued(busy)
    assert (record.state, record.failures, record.snoozes) == ("scheduled", 0, 1)
    assert record.due_ms - jobs.clock() == 300_000
    assert jobs.drain(delayed=True) == 2
    assert [(each.reason, each.snoozes, each.error) for each in jobs.dead] == [
        ("discarded", 2, "Snooze: busy (it has snoozed 2 times, which is max_snoozes)")
    ]


@pytest.mark.parametrize("delay", [0, -5, "0s", "-5m", "5 parsecs", float("nan"), [5]], ids=repr)
def test_a_snooze_for_no_time_fails_where_it_is_written_and_says_so(app: App, jobs: InMemory, delay: Any) -> None:
    @app.job(max_attempts=1)
    def busy() -> None:
        raise Snooze(delay)

    busy.enqueue()
    with pytest.raises(InvalidOption, match="Snooze"):
        jobs.drain(raise_errors=True)

    assert [(each.reason, each.error.partition(" ")[0]) for each in jobs.dead] == [("failed", "InvalidOption:")]


def test_a_snooze_is_the_same_in_another_process() -> None:
    there = pickle.loads(pickle.dumps(Snooze("5m", "busy")))
    assert (str(there), there.delay) == ("busy", "5m")


def test_errors_can_be_raised_in_the_test(app: App, jobs: InMemory, lines: Lines) -> None:
    handle = app.job(name="job")(failing(9, lines)).enqueue()
    with pytest.raises(ValueError, match="boom"):
        jobs.drain(raise_errors=True)
    assert handle.info().failures == 1


def test_ids_and_keys_are_unique_as_in_redis(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job", keep="1h")(lines.note)
    assert job.options(id="x").enqueue(1).created
    assert not job.options(id="x").enqueue(2).created
    first = job.options(key="k").enqueue(3)
    second = job.options(key="k").enqueue(4)
    assert (second.id, second.created) == (first.id, False)
    assert job.options(key="k", queue="other").enqueue(5).created
    jobs.drain()
    assert job.options(key="k").enqueue(6).created
    assert lines == [1, 3, 5]


def test_keys_stand_as_long_as_they_say_and_may_replace(app: App, jobs: InMemory, lines: Lines) -> None:
    def fails(what: str) -> None:
        lines.note(what)
        raise Discard

    job = app.job(name="job")(fails)
    first = job.options(key="k", coalesce="stored").enqueue("a")
    second = job.options(key="k", coalesce="stored", replace=True).enqueue("b")
    assert (second.id, second.created, second.replaced) == (first.id, False, True)
    jobs.drain()
    assert lines == ["b"]
    assert not job.options(key="k", coalesce="stored").enqueue("c").created
    inner = app.job(name="inner")(lambda: lines.note(job.options(key="q", coalesce="queued").enqueue("d").created))
    inner.options(key="q", coalesce="queued").enqueue()
    jobs.drain()
    assert lines == ["b", True, "d"]


def test_hooks_and_middleware_are_called(app: App, jobs: InMemory, lines: Lines) -> None:
    for event in ("on_start", "cleanup"):
        getattr(app, event)(lambda job, event=event: lines.note(event))
    app.on_success(lambda job, result: lines.note("on_success", result))
    app.on_failure(lambda job, error: lines.note("on_failure", str(error)))
    app.on_retry(lambda job, error, delay_s: lines.note("on_retry", delay_s))
    app.on_state_change(lambda job, old, new, reason: lines.note(old, new))
    app.middleware(lambda job, call: [call()])
    app.job(name="job", backoff="1m", max_attempts=2)(failing(1, lines)).enqueue()
    app.job(name="last", max_attempts=1)(failing(9, lines)).enqueue()
    jobs.drain(delayed=True)
    start = [("ready", "active"), "on_start"]
    assert lines == [
        *start, 1, "cleanup", ("on_retry", 60.0), ("active", "scheduled"),
        *start, 1, "cleanup", ("on_failure", "boom"), ("active", "dead"),
        *start, 2, "cleanup", ("on_success", ["well"]), ("active", "gone"),
    ]  # fmt: skip


def test_a_job_knows_itself_and_what_it_says_is_kept(app: App, jobs: InMemory) -> None:
    @app.job(keep="1h")
    def job() -> str:
        me = current_job()
        assert me is not None
        me.progress(40, "half")
        me.log("a line\nand more")
        return me.id

    handle = job.enqueue()
    jobs.drain()
    info = handle.info()
    assert info.result == handle.id
    assert (info.progress["percent"], info.progress["attempt"]) == (40, 1)
    assert [line.text for line in info.log] == ["a line\nand more"]
    assert current_job() is None


def test_async_jobs_run_also_while_an_event_loop_runs_in_the_test(app: App, jobs: InMemory, lines: Lines) -> None:
    @app.job
    async def job(what: str) -> None:
        await asyncio.sleep(0)
        lines.note(what)

    job.enqueue("plain")
    jobs.drain()

    async def test() -> None:
        await job.enqueue_async("async")
        jobs.drain()

    asyncio.run(test())
    assert lines == ["plain", "async"]


def test_in_memory_too_a_job_can_be_promoted_and_deleted(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job", keep="1h")(lambda: lines.append("ran"))
    handle = job.options(delay="1h", key="k").enqueue()
    handle.promote()
    assert jobs.drain() == 1
    assert handle.state() is State.KEPT
    handle.delete()
    assert handle.state() == "succeeded"
    waits = job.options(delay="1h").enqueue()
    waits.delete()
    assert waits.state() is None
    for act in (waits.delete, waits.promote):
        with pytest.raises(NotFound):
            act()


def test_a_waiting_job_can_be_cancelled_and_a_dead_one_retried(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job", max_attempts=2, backoff=0)(failing(4, lines))
    handle = job.options(key="k").enqueue()
    assert handle.cancel() == "cancelled"
    assert jobs.drain() == 0
    assert handle.info().reason == "cancelled"
    assert handle.cancel() == "finished"
    handle.retry()
    assert jobs.drain() == 2
    handle.retry()
    assert jobs.drain() == 2
    assert (lines, handle.info().reason) == ([1, 2, 3, 4], "failed")
    job.options(key="k").enqueue()
    with pytest.raises(Conflict):
        handle.retry()
    jobs.drain()
    handle.retry()
    jobs.drain()
    assert handle.state() == "succeeded"
    with pytest.raises(NotFound, match="has succeeded, and nothing of it is kept"):
        handle.info()
    with pytest.raises(NotFound):
        handle.cancel()


def a_waiting_job(app: App, tokens: list[str], **settings: Any) -> JobHandle:
    def job() -> Any:
        me = current_job()
        assert me is not None
        tokens.append(me.wait_token())
        return wait_async("1h")

    return app.job(name="job", keep="1h", backoff="1m", **settings)(job).enqueue()


def test_a_job_that_waits_for_a_third_party_is_answered_in_the_test(app: App, jobs: InMemory) -> None:
    tokens: list[str] = []
    handle = a_waiting_job(app, tokens)
    with pytest.raises(Conflict):
        handle.resolve("x", result=1)
    jobs.drain()
    assert handle.state() is State.WAITING
    with pytest.raises(Conflict):
        handle.resolve("wrong", result=1)
    assert app.resolve(handle.ref, tokens[0], result={"paid": True}) == "resolved"
    assert handle.result() == {"paid": True}
    with pytest.raises(NotFound):
        app.resolve("default/nobody", result=1)


def test_an_answer_that_comes_first_is_kept_and_an_error_is_a_failure(app: App, jobs: InMemory) -> None:
    @app.job(keep="1h", max_attempts=2)
    def early() -> Any:
        me = current_job()
        assert me is not None
        token = me.wait_token()
        answers.append(app.resolve(f"{me.queue}/{me.id}", token, error="no money"))
        with pytest.raises(Conflict, match="already"):
            app.resolve(f"{me.queue}/{me.id}", token, result=1)
        return wait_async("1h")

    answers: list[str] = []
    handle = early.enqueue()
    jobs.drain(delayed=True)
    assert answers == ["early", "early"]
    info = handle.info()
    assert (info.reason, info.error, [attempt.reason for attempt in info.history]) == (
        "failed", "no money", ["failed", "failed"],
    )  # fmt: skip


def test_a_deadline_that_passes_is_a_failure_and_tried_again(app: App, jobs: InMemory) -> None:
    tokens: list[str] = []
    handle = a_waiting_job(app, tokens, max_attempts=2)
    jobs.drain()
    jobs.clock.advance("1h")
    with pytest.raises(Conflict, match="deadline"):
        handle.resolve(tokens[0], result=1)
    assert (handle.state(), jobs.drain()) == (State.SCHEDULED, 0)
    jobs.drain(delayed=True)
    assert (handle.info().reason, len(set(tokens))) == ("deadline", 2)


def test_limits_hold_nothing_back_here(app: App, jobs: InMemory, lines: Lines) -> None:
    job = app.job(name="job", rate_limit=RateLimit(1, days=1))(lines.note)
    job.enqueue_many([(1,), (2,)])
    assert jobs.drain() == 2


def test_what_only_redis_can_do_says_so(app: App, jobs: InMemory) -> None:
    with pytest.raises(NeedsRedis, match="move"):
        app.handle("q/x").move("other")


def test_a_paused_queue_holds_its_jobs_until_it_is_resumed_or_its_time_is_up(
    app: App, jobs: InMemory, lines: Lines
) -> None:
    job, queue = app.job(queue="held")(lines.note), app.queue("held")
    job.options(queue="other").enqueue("other")
    assert (queue.pause(until="10m"), queue.pause(), queue.resume(), queue.resume()) == (True, False, True, False)
    queue.pause(until="10m")
    job.enqueue("held")
    assert (jobs.drain(), jobs.run(limits=True), lines) == (1, 0, ["other"])
    jobs.clock.advance("9m")
    assert jobs.drain() == 0
    assert jobs.drain(delayed=True) == 1
    assert (jobs.clock.now.minute, lines) == (10, ["other", "held"])

    assert asyncio.run(queue.pause_async())
    job.enqueue("again")
    assert (jobs.drain(delayed=True), asyncio.run(queue.resume_async()), jobs.drain()) == (0, True, 1)


def test_the_engine_before_comes_back(app: App) -> None:
    with in_memory(app) as outer:
        with in_memory(app) as inner:
            assert app.engine is inner.engine
        assert app.engine is outer.engine
    assert app.engine is app.client


# Assertions


def test_a_call_is_found_however_its_arguments_were_passed(app: App, jobs: InMemory) -> None:
    @app.job
    def send(user_id: int, moment: datetime, template: str = "default") -> None: ...

    moment = datetime(2026, 5, 1, tzinfo=UTC)
    send.options(delay=60, priority=3).enqueue(42, moment=moment)
    record = jobs.assert_enqueued(send, 42, moment, "default")
    assert (record.delay_s, record.priority, record.args) == (60, 3, [42])
    jobs.assert_enqueued(send)
    jobs.assert_enqueued(send.options(priority=1), user_id=42, moment=moment, template="default")
    jobs.assert_not_enqueued(send, 43, moment)
    with pytest.raises(InvalidArguments):
        jobs.assert_enqueued(send, 42, nonsense=1)


def test_a_failed_assertion_names_what_there_is(app: App, jobs: InMemory) -> None:
    send = app.job(name="send")(lambda user_id=1: None)
    other = app.job(name="other")(lambda: None)
    with pytest.raises(AssertionError, match=r"no send\(42\) is enqueued, but nothing"):
        jobs.assert_enqueued(send, 42)
    send.enqueue(user_id=41)
    other.enqueue()
    with pytest.raises(AssertionError, match=r"no send\(42\) is enqueued, but send\(user_id=41\), other\(\)"):
        jobs.assert_enqueued(send, 42)
    with pytest.raises(AssertionError, match="is enqueued"):
        jobs.assert_not_enqueued(send)
    jobs.drain()
    jobs.assert_not_enqueued(send)
    assert jobs.enqueued() == []


# JQ_ENGINE


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setenv("JQ_ENGINE", name)


def test_the_environment_names_the_engine(app: App, engine: Callable[[str], None]) -> None:
    assert app.engine is app.client
    for name, kind in (("redis", type(app.client)), ("sync", SyncEngine), ("null", NullEngine)):
        engine(name)
        assert isinstance(App(redis_url="redis://127.0.0.1:1").engine, kind)
    engine("kafka")
    with pytest.raises(ConfigError, match="redis, sync, null"):
        _ = App().engine


def test_sync_runs_the_job_before_enqueue_returns_with_all_its_retries(
    app: App, engine: Callable[[str], None], lines: Lines
) -> None:
    engine("sync")
    job = app.job(name="job", keep="1h", backoff="1h")(failing(2, lines))
    handle = job.options(delay="1h").enqueue()
    assert lines == [1, 2, 3]
    assert handle.result(timeout=0) == "well"
    dead = job.options(max_attempts=1).enqueue()
    with pytest.raises(JobFailed, match="boom"):
        dead.result()


def test_sync_goes_on_after_an_answer_or_a_retry(app: App, engine: Callable[[str], None], lines: Lines) -> None:
    engine("sync")
    tokens: list[str] = []
    handle = a_waiting_job(app, tokens, max_attempts=2)
    handle.resolve(tokens[0], error="no money")
    assert (handle.state(), len(tokens)) == (State.WAITING, 2)
    handle.resolve(tokens[1], result=7)
    assert handle.result() == 7
    dead = app.job(name="dead", max_attempts=1)(failing(1, lines)).enqueue()
    dead.retry()
    assert lines == [1, 2]


def test_sync_runs_jobs_inside_of_jobs_and_each_is_the_current_one(
    app: App, engine: Callable[[str], None], lines: Lines
) -> None:
    engine("sync")

    def name() -> str:
        job = current_job()
        assert job is not None
        return job.name

    inner = app.job(name="inner")(lambda: lines.note(name()))

    def outside() -> None:
        inner.enqueue()
        lines.note(name())

    app.job(name="outer")(outside).enqueue()
    assert lines == ["inner", "outer"]
    assert current_job() is None


def test_sync_serves_coroutines(app: App, engine: Callable[[str], None]) -> None:
    engine("sync")

    @app.job(keep="1h")
    async def job(a: int) -> int:
        await asyncio.sleep(0)
        return a

    async def view() -> list[Any]:
        handles = [await job.enqueue_async(1), job.enqueue(2)]
        return [await handle.result_async(timeout=0) for handle in handles]

    assert asyncio.run(view()) == [1, 2]


def test_sync_lets_ctrl_c_through_to_the_caller(app: App, engine: Callable[[str], None]) -> None:
    engine("sync")

    @app.job
    def job() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.enqueue()


def test_sync_remembers_only_the_last_jobs(app: App, engine: Callable[[str], None]) -> None:
    engine("sync")
    job = app.job(name="job", keep="1h")(lambda: 1)
    handles = [job.enqueue() for _ in range(1100)]
    assert handles[0].state() is None
    assert handles[-1].state() is State.KEPT


def test_null_drops_and_records(app: App, engine: Callable[[str], None], lines: Lines) -> None:
    engine("null")
    handle = app.job(name="job", queue="mails")(lines.note).enqueue(1)
    assert isinstance(handle, JobHandle)
    assert (handle.created, handle.state(), lines) == (True, None, [])
    assert isinstance(app.engine, NullEngine)
    [(queue, job)] = app.engine.dropped
    assert (queue, job.name, json.loads(job.payload)) == ("mails", "job", {"args": [1]})
    with pytest.raises(NotFound):
        handle.result()


# pytest

PROJECT = {
    "shop.py": """
        from jqjobs import App
        app = App()
        @app.job
        def send(user_id: int): ...
        def sign_up(): send.enqueue(42)
    """,
    "test_shop.py": """
        import pytest
        from jqjobs.testing import in_memory
        from shop import send, sign_up
        def test_signing_up(jq):
            sign_up()
            jq.assert_enqueued(send, 42)
            assert jq.drain() == 1
        @pytest.fixture(scope="module")
        def held(jq_app):
            with in_memory(jq_app) as jobs:
                yield jobs
        def test_a_fixture_of_another_scope(held):
            assert held.app.jobs
        def test_each_test_begins_with_nothing(jq):
            jq.assert_not_enqueued(send)
    """,
}


def run_pytest(directory: Path, ini: str) -> subprocess.CompletedProcess[str]:
    for name, text in PROJECT.items():
        lines = text.splitlines()[1:]
        (directory / name).write_text("\n".join(line[8:] for line in lines))
    (directory / "pytest.ini").write_text(f"[pytest]\npythonpath = .\nfilterwarnings = error\n{ini}\n")
    package = str(Path(sys.modules["jqjobs"].__file__ or "").parents[1])
    # Named here, not found: whether the entry point is there depends on how the package was installed.
    environment = {"PYTHONPATH": package, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "jqjobs.testing.plugin", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)


def test_the_pytest_fixture_holds_the_jobs_of_the_app_that_is_named(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "jq_app = shop:app")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_the_pytest_fixture_says_what_is_missing(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "")
    assert done.returncode == 1
    assert "Failed: which app? set jq_app" in done.stdout
    done = run_pytest(tmp_path, "jq_app = shop:sign_up")
    assert "is a function, not a jqjobs.App" in done.stdout


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"jqjobs": plugin.__name__}


def test_pytest_pays_next_to_nothing_for_the_plugin() -> None:
    code = "import sys, pytest; import jqjobs.testing.plugin; print(sorted(m for m in sys.modules if 'jqjobs' in m))"
    path = str(Path(sys.modules["jqjobs"].__file__ or "").parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout.strip() == "['jqjobs', 'jqjobs.testing', 'jqjobs.testing.plugin', 'jqjobs.version']"


def test_the_app_begins_before_its_first_job_and_ends_with_the_block_in_one_event_loop(app: App) -> None:
    said: list[object] = []

    @app.on_worker_start
    async def begin() -> None:
        said.append(asyncio.get_running_loop())

    @app.on_worker_stop
    async def end() -> None:
        said.append(asyncio.get_running_loop())

    @app.job
    async def job() -> None:
        said.append(asyncio.get_running_loop())

    with in_memory(app) as jobs:
        job.enqueue_many([(), ()])
        assert said == []
        jobs.drain(raise_errors=True)
    assert len(said) == 4
    assert len(set(said)) == 1


def test_an_app_of_which_no_job_runs_does_not_begin(app: App) -> None:
    app.on_worker_start(lambda: 1 / 0)
    app.job(name="job")(lambda: None)
    with in_memory(app) as jobs:
        app.jobs["job"].enqueue()
    with in_memory(app) as jobs:
        app.jobs["job"].enqueue()
        with pytest.raises(ZeroDivisionError):
            jobs.drain()
