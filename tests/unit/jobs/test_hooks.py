"""Hooks and middleware: how they are registered, what they are told, and that hooks change nothing."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs import App, current_job
from jqjobs.errors import ConfigError, Discard, InvalidOption, JobFailed, JobInterrupted, JobTimeout, StoreUnavailable
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.hooks import EVENTS, Hooks
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls.deaths import Death
from jqjobs.store.calls.trips import Settled
from jqjobs.worker.attempts import hook_calls as worker_hooks
from jqjobs.worker.attempts.attempt import Attempt
from jqjobs.worker.attempts.hook_calls import HookQueue, events_of
from jqjobs.worker.attempts.interrupt import TIME_LIMIT_SIGNAL, Interrupter
from jqjobs.worker.attempts.runner import Runner


class Journal:
    """Functions that note how they were called."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def noting(self, what: str) -> Callable[..., None]:
        return lambda *args: self.lines.append((what, *args))

    def of_every_event(self) -> dict[str, Any]:
        return {event: self.hook(event) for event in EVENTS}

    def hook(self, event: str) -> Callable[..., None]:
        names = ", ".join(EVENTS[event])
        scope: dict[str, Any] = {"note": lambda *args: self.lines.append((event, *args[1:]))}
        exec(f"def hook({names}): note({names})", scope)
        made: Callable[..., None] = scope["hook"]
        return made


@pytest.fixture
def journal() -> Journal:
    return Journal()


def run(app: App, payload: bytes = b"{}", name: str = "job", **fields: Any) -> Outcome:
    interrupter = Interrupter()
    runner = Runner(app, "w", interrupter, random.Random(1))
    job = TakenJob("q", "a", 1, name, payload, **fields)
    outcome = runner.run(job)
    interrupter.event_loop.close()
    return outcome or Outcome.done(job)


# Registration


def test_hooks_are_registered_by_decorator_by_keyword_and_for_all_jobs_in_that_order(
    app: App, journal: Journal
) -> None:
    first, second, third, fourth = (journal.noting(name) for name in "1234")

    @app.on_start
    def fifth(job: JobContext) -> None:
        journal.noting("5")()

    @app.job(name="job", on_start=[first, second], on_failure=third)
    def send() -> None: ...

    assert send.on_start(fourth) is fourth
    assert list(app.registry.hooks_of(send, "on_start")) == [first, second, fourth, fifth]
    assert list(app.registry.hooks_of(send, "on_failure")) == [third]
    assert list(app.registry.hooks_of(send.options(priority=1), "on_start")) == [first, second, fourth, fifth]
    assert fifth.__name__ == "fifth"


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_a_decorator_and_a_keyword(app: App, journal: Journal, event: str) -> None:
    job = app.job(name="job", **{event: journal.hook(event)})(lambda: None)
    getattr(app, event)(journal.hook(event))
    getattr(job, event)(journal.hook(event))
    assert len(list(app.registry.hooks_of(job, event))) == 3


def test_a_hook_that_cannot_be_called_as_it_will_be_is_refused_at_registration(app: App) -> None:
    with pytest.raises(InvalidOption, match=r"on_failure\(job, error\)"):
        app.on_failure(lambda job: None)
    with pytest.raises(InvalidOption, match="on_start"):
        app.job(name="job", on_start=lambda: None)(lambda: None)
    with pytest.raises(InvalidOption, match=r"middleware\(job, call\)"):
        app.middleware(lambda call: None)  # type: ignore[type-var]
    assert not app.hooks.used
    assert not app.middlewares
    assert not app.jobs


def test_the_catalog_tells_whose_deaths_are_to_be_told(app: App) -> None:
    app.job(name="a", on_failure=lambda job, error: None)(lambda: None)
    app.job(name="b", on_success=lambda job, result: None)(lambda: None)
    assert [entry.get("hooks") for entry in app.registry.catalog().values()] == [True, None]
    app.on_failure(lambda job, error: None)
    assert [entry.get("hooks") for entry in app.registry.catalog().values()] == [True, True]


def test_hooks_know_whether_there_are_any() -> None:
    hooks = Hooks({"on_start": None, "cleanup": []})
    assert not hooks.used
    hooks.add("cleanup", lambda job: None)
    assert hooks.used


# What they are told


def told(outcome: Outcome, settled: Settled | None) -> list[tuple[Any, ...]]:
    return [(event, *rest) for event, _, *rest in events_of(outcome, settled)]


def an_outcome(known: Any, kind: Kind, delay_ms: int = 0, **ended: Any) -> Outcome:
    job = TakenJob("q", "a", 1, "job", b"{}")
    return Outcome(job, kind, delay_ms, after=Attempt(job, known, True, "w", None, **ended))


BOOM = ValueError("boom")


@pytest.mark.parametrize(
    ("kind", "settled", "expected"),
    [
        (Kind.DONE, ("gone", ""), [("on_success", 7), ("on_state_change", "active", "gone", "succeeded")]),
        (Kind.KEPT, ("kept", ""), [("on_success", 7), ("on_state_change", "active", "kept", "succeeded")]),
        (
            Kind.FAILED, ("scheduled", ""),
            [("on_retry", BOOM, 1.5), ("on_state_change", "active", "scheduled", "failed")],
        ),
        (Kind.HUNG, ("ready", ""), [("on_retry", BOOM, 1.5), ("on_state_change", "active", "ready", "hung")]),
        (
            Kind.FAILED, ("dead", "failed"),
            [("on_failure", BOOM), ("on_state_change", "active", "dead", "failed")],
        ),
        (
            Kind.DISCARDED, ("dead", "discarded"),
            [("on_failure", BOOM), ("on_state_change", "active", "dead", "discarded")],
        ),
        (Kind.SNOOZED, ("scheduled", ""), [("on_state_change", "active", "scheduled", "snoozed")]),
        (Kind.INTERRUPTED, ("ready", ""), [("on_state_change", "active", "ready", "interrupted")]),
        (
            Kind.INTERRUPTED, ("dead", "interrupted"),
            [("on_failure", BOOM), ("on_state_change", "active", "dead", "interrupted")],
        ),
        (Kind.FAILED, ("dead", "cancelled"), [("on_state_change", "active", "dead", "cancelled")]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_an_outcome_is_the_events_that_it_means(app: App, kind: Kind, settled: Settled, expected: list[Any]) -> None:
    result = {"result": 7} if kind in (Kind.DONE, Kind.KEPT) else {"error": BOOM}
    known = app.job(name="job")(lambda: None)
    assert told(an_outcome(known, kind, 1500, **result), settled) == expected


def test_an_outcome_that_came_too_late_is_no_event(app: App) -> None:
    known = app.job(name="job")(lambda: None)
    assert told(an_outcome(known, Kind.DONE), None) == []


# Inside the attempt


def test_start_hooks_are_called_before_the_job_and_see_its_arguments(app: App, journal: Journal) -> None:
    @app.on_start
    def note(job: JobContext) -> None:
        assert current_job() is not None
        journal.lines.append(("on_start", job.id, list(job.args)))

    app.job(name="job", on_state_change=journal.hook("on_state_change"))(lambda a: journal.lines.append(a))
    outcome = run(app, b'{"args":[5]}')
    assert journal.lines == [("on_state_change", "ready", "active", "taken"), ("on_start", "a", [5]), 5]
    assert outcome.kind is Kind.DONE


def test_an_async_start_hook_is_run_to_its_end(app: App, journal: Journal) -> None:
    async def hook(job: JobContext) -> None:
        await asyncio.sleep(0)
        journal.lines.append(job.id)

    app.job(name="job", on_start=hook)(lambda: None)
    run(app)
    assert journal.lines == ["a"]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_what_a_start_hook_raises_is_logged_and_the_job_runs(
    app: App, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(job: JobContext) -> None:
        raise error

    app.job(name="job", on_start=hook, keep=60)(lambda: 1)
    assert run(app, keep_ms=5).result == b"1"
    [record] = caplog.records
    assert (record.getMessage(), record.jq_fields["hook"]) == ("hook.failed", "on_start")  # type: ignore[attr-defined]
    assert record.exc_info


@pytest.mark.parametrize(("error", "kind"), [(JobTimeout("t"), Kind.HUNG), (JobInterrupted("i"), Kind.INTERRUPTED)])
def test_what_ends_the_job_ends_it_in_a_start_hook_too(app: App, error: BaseException, kind: Kind) -> None:
    def hook(job: JobContext) -> None:
        raise error

    app.job(name="job", on_start=hook)(lambda: pytest.fail("it ran"))
    assert run(app).kind is kind


def test_an_outcome_carries_what_hooks_are_told_only_where_there_are_hooks(app: App) -> None:
    app.job(name="job")(lambda: 7)
    assert run(app).after is None
    app.cleanup(lambda job: None)
    attempt: Attempt = run(app).after
    assert (attempt.result, attempt.error) == (7, None)
    assert attempt.context is not None


def test_hooks_hear_of_the_very_exception(app: App) -> None:
    def fails() -> None:
        raise BOOM

    app.job(name="job", on_failure=lambda job, error: None)(fails)
    assert run(app).after.error is BOOM


def test_a_job_with_wrong_arguments_did_not_start_and_still_failed(app: App, journal: Journal) -> None:
    app.job(name="job", **journal.of_every_event())(lambda: None)
    outcome = run(app, b'{"args":[1]}')
    assert outcome.kind is Kind.MISFIT
    assert not journal.lines
    assert next(events_of(outcome, ("dead", "discarded")))[0] == "on_failure"
    assert not list(events_of(outcome, ("parked", ""))), "nothing has begun, and nothing is over"
    assert run(app, b"{").after is None


# Middleware


def around(journal: Journal, name: str) -> Callable[..., Any]:
    def middleware(job: JobContext, call: Callable[[], Any]) -> Any:
        journal.lines.append(f"{name} in {job.id}")
        try:
            return [name, call()]
        finally:
            journal.lines.append(f"{name} out")

    return middleware


def around_async(journal: Journal, name: str) -> Callable[..., Any]:
    async def middleware(job: JobContext, call: Callable[[], Any]) -> Any:
        journal.lines.append(f"{name} in {job.id}")
        await asyncio.sleep(0)
        try:
            return [name, await call()]
        finally:
            journal.lines.append(f"{name} out")

    return middleware


def plain_job(a: int) -> int:
    return a


async def async_job(a: int) -> int:
    await asyncio.sleep(0)
    return a


@pytest.mark.parametrize("job", [plain_job, async_job], ids=["plain", "async"])
@pytest.mark.parametrize("kinds", ["", "p", "a", "pp", "aa", "pa"])
def test_middlewares_nest_in_order_around_jobs_of_both_kinds(
    app: App, journal: Journal, kinds: str, job: Callable[..., Any]
) -> None:
    names = [f"{kind}{n}" for n, kind in enumerate(kinds)]
    for name in names:
        app.middleware((around if name[0] == "p" else around_async)(journal, name))
    app.job(name="job")(job)
    expected = "5"
    for name in reversed(names):
        expected = f'["{name}",{expected}]'
    outcome = run(app, b'{"args":[5]}', keep_ms=5)
    assert (outcome.kind, outcome.result.decode()) == (Kind.KEPT, expected), outcome.error
    assert journal.lines == [f"{name} in a" for name in names] + [f"{name} out" for name in reversed(names)]


def test_a_plain_one_inside_an_async_one_works_around_plain_jobs(app: App, journal: Journal) -> None:
    app.middleware(around_async(journal, "a"))
    app.middleware(around(journal, "p"))
    app.job(name="job")(plain_job)
    assert app.load() is app
    assert run(app, b'{"args":[5]}', keep_ms=5).result == b'["a",["p",5]]'


def test_a_plain_one_inside_an_async_one_is_refused_where_there_are_async_jobs(app: App, journal: Journal) -> None:
    app.middleware(around_async(journal, "a"))
    app.middleware(around(journal, "p"))
    app.job(name="job")(async_job)
    with pytest.raises(ConfigError, match="after an async one"):
        app.load()


def test_async_jobs_have_a_middleware_of_their_own_where_it_is_given(app: App, journal: Journal) -> None:
    app.middleware(around(journal, "p"), around_async=around_async(journal, "a"))
    app.middleware(around(journal, "q"), around_async=around_async(journal, "b"))
    app.job(name="job")(plain_job)
    app.job(name="async")(async_job)
    app.load()
    assert run(app, b'{"args":[5]}', keep_ms=5).result == b'["p",["q",5]]'
    assert run(app, b'{"args":[5]}', name="async", keep_ms=5).result == b'["a",["b",5]]'


def test_what_a_middleware_raises_the_job_raised(app: App) -> None:
    @app.middleware
    def forbid(job: JobContext, call: Callable[[], Any]) -> Any:
        raise Discard("not today")

    app.job(name="job")(lambda: pytest.fail("it ran"))
    outcome = run(app)
    assert (outcome.kind, outcome.error) == (Kind.DISCARDED, "Discard: not today")


@pytest.mark.parametrize("job", [plain_job, async_job], ids=["plain", "async"])
def test_a_middleware_sees_what_the_job_raised(app: App, journal: Journal, job: Callable[..., Any]) -> None:
    def fails(a: int) -> Any:
        raise BOOM

    async def fails_async(a: int) -> Any:
        raise BOOM

    @app.middleware
    def note(job: JobContext, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ValueError as error:
            journal.lines.append(error)
            raise

    app.job(name="job")(fails if job is plain_job else fails_async)
    assert run(app, b'{"args":[5]}').kind is Kind.FAILED
    assert journal.lines == [BOOM]


def test_a_middleware_may_do_without_the_call(app: App) -> None:
    app.middleware(lambda job, call: "instead")
    app.job(name="job")(lambda: pytest.fail("it ran"))
    assert run(app, keep_ms=5).result == b'"instead"'


# HookQueue


class Exchange:
    """An exchanger with outcomes that are recorded, and deaths to hand out."""

    def __init__(self) -> None:
        self.recorded: Any = deque()
        self.reports = SimpleNamespace(has_hooked=False)
        self.nodes = SimpleNamespace(askable=list)
        self.deaths: list[Death] = []
        self.asked = 0
        self.is_away = False

    def between_trips(self, act: Callable[[Any], list[Any]]) -> list[Any]:
        return act(self)

    def run_many(self, calls: Sequence[Call[Any]]) -> list[list[Death]]:
        return [self.run(call) for call in calls]

    def run(self, call: Call[Any]) -> list[Death]:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable()
        found, self.deaths = self.deaths, []
        return found


class Board:
    ticks = 0

    def tick(self) -> None:
        self.ticks += 1


class Shift:
    """A worker's `HookQueue`, with a real interrupter and everything else made up."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.exchange = Exchange()
        self.board = Board()
        self.interrupter = Interrupter()

    def hook_queue(self) -> HookQueue:
        rng = random.Random(1)
        return HookQueue(self.app, self.exchange, self.interrupter, self.board, rng)  # type: ignore[arg-type]

    def ends(self, kind: Kind, settled: Settled | None = ("gone", ""), **ended: Any) -> None:
        known = self.app.registry.find("job")
        self.exchange.recorded.append((an_outcome(known, kind, **ended), settled))


@pytest.fixture
def shift(app: App) -> Iterator[Shift]:
    before = signal.getsignal(TIME_LIMIT_SIGNAL)
    made = Shift(app)
    made.interrupter.install()
    yield made
    made.interrupter.event_loop.close()
    signal.signal(TIME_LIMIT_SIGNAL, before)


def test_recorded_outcomes_are_told_in_order(shift: Shift, journal: Journal) -> None:
    shift.app.job(name="job", **journal.of_every_event())(lambda: None)
    after = shift.hook_queue()
    assert not after.pending
    assert not after.run()
    shift.ends(Kind.DONE, result=1)
    shift.ends(Kind.DONE, result=2)
    assert after.pending
    assert after.run()
    assert [line for line in journal.lines if line[0] == "on_success"] == [("on_success", 1), ("on_success", 2)]
    assert not [line for line in journal.lines if line[0] == "cleanup"], "that came before the report"
    assert shift.board.ticks == 4
    assert not after.pending
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0), "no alarm goes off in the next job"


def test_who_comes_to_other_queues_looks_for_deaths_there_at_once(shift: Shift, journal: Journal) -> None:
    shift.app.job(name="job", on_failure=journal.hook("on_failure"))(lambda: None)
    after = shift.hook_queue()
    after.look(["a"])
    after.look(["a", "b"])
    assert shift.exchange.asked == 1
    after.look_soon()
    after.look(["a", "b"])
    assert shift.exchange.asked == 3


def test_a_hook_that_raises_keeps_no_other_from_being_called(
    shift: Shift, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(job: JobContext, result: Any) -> None:
        raise SystemExit(3)

    shift.app.job(name="job", on_success=[fails, journal.hook("on_success")])(lambda: None)
    shift.ends(Kind.DONE, result=1)
    assert shift.hook_queue().run()
    assert journal.lines == [("on_success", 1)]
    assert [record.getMessage() for record in caplog.records] == ["hook.failed"]


def test_a_hook_that_takes_too_long_is_interrupted_and_the_next_one_called(
    shift: Shift, journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_hooks, "HOOK_LIMIT_MS", 50)

    def endless(job: JobContext, result: Any) -> None:
        while True:
            pass

    shift.app.job(name="job", on_success=[endless, journal.hook("on_success")])(lambda: None)
    shift.ends(Kind.DONE, result=1)
    assert shift.hook_queue().run()
    assert journal.lines == [("on_success", 1)]
    assert [record.getMessage() for record in caplog.records] == ["hook.ended"]


def test_a_worker_that_must_stop_now_calls_no_more_hooks(
    shift: Shift, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    shift.app.job(name="job", on_success=journal.hook("on_success"))(lambda: None)
    shift.ends(Kind.DONE)
    shift.interrupter.stop_now()
    shift.hook_queue().run()
    assert journal.lines == []
    assert [record.getMessage() for record in caplog.records] == ["hook.ended"]


def test_of_a_job_that_died_elsewhere_only_its_failure_is_told(shift: Shift, journal: Journal) -> None:
    seen: list[Any] = []

    def job(a: int) -> None: ...

    shift.app.job(
        name="job", **{**journal.of_every_event(), "on_failure": lambda job, error: seen.extend([job, error])}
    )(job)
    shift.exchange.deaths = [Death("q", "a", "job", b'{"args":[5],"meta":{"m":1}}', 3, 2, "crashed", "killed by 9", 0)]
    after = shift.hook_queue()
    after.look(["q"])
    assert after.pending
    assert after.run()
    job, error = seen
    assert (job.id, job.queue, job.name, job.attempt, job.failures, list(job.args), job.meta) == (
        "a", "q", "job", 3, 2, [5], {"m": 1},
    )  # fmt: skip
    assert isinstance(error, JobFailed)
    assert (error.reason, error.error) == ("crashed", "killed by 9")
    assert journal.lines == []


def test_a_job_that_died_uncleaned_is_cleaned_up_after_before_its_failure_is_told(
    shift: Shift, journal: Journal
) -> None:
    shift.app.job(
        name="job", cleanup=lambda job: journal.lines.append(("cleanup", job.attempt)),
        on_failure=lambda job, error: journal.lines.append(("on_failure", error.reason)),
    )(lambda: None)  # fmt: skip
    shift.exchange.deaths = [
        Death("q", "a", "job", b"{}", 3, 0, "crashed", None, 2),
        Death("q", "b", "job", b"{}", 5, 0, "cancelled", None, 5),
    ]  # fmt: skip
    after = shift.hook_queue()
    after.look(["q"])
    assert after.run()
    assert journal.lines == [("cleanup", 2), ("on_failure", "crashed"), ("cleanup", 5)]


def test_a_payload_that_cannot_be_read_is_told_without_arguments(shift: Shift) -> None:
    seen: list[JobContext] = []
    shift.app.job(name="job", on_failure=lambda job, error: seen.append(job))(lambda: None)
    shift.exchange.deaths = [Death("q", "a", "job", b"{", 1, 0, "damaged", None, 0)]
    after = shift.hook_queue()
    after.look(["q"])
    after.run()
    assert (seen[0].args, seen[0].meta) == ((), {})


def test_who_has_no_failure_hooks_never_asks_and_the_others_now_and_then(
    shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = 0
    monkeypatch.setattr(worker_hooks, "monotonic_ms", lambda: now_ms)
    shift.app.job(name="job", on_success=lambda job, result: None)(lambda: None)
    shift.hook_queue().look(["q"])
    assert shift.exchange.asked == 0
    shift.app.on_failure(lambda job, error: None)
    after = shift.hook_queue()
    for now_ms in range(0, 60_000, 100):  # noqa: B007 - the clock reads it
        after.look(["q"])
    assert 9 <= shift.exchange.asked <= 16


def test_redis_being_away_keeps_a_worker_from_nothing(shift: Shift) -> None:
    shift.app.job(name="job", on_failure=lambda job, error: None)(lambda: None)
    shift.exchange.is_away = True
    after = shift.hook_queue()
    after.look(["q"])
    assert not after.run()
