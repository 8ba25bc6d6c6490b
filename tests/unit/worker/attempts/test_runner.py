"""One attempt: whatever a job does, it comes back as one outcome, and the runner lives."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import itertools
import json
import os
import random
import signal
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from jqjobs import App, current_job, wait_async
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import (
    Discard,
    InvalidArguments,
    InvalidOption,
    JobCancelled,
    JobInterrupted,
    JobTimeout,
    MalformedPayload,
    Retry,
)
from jqjobs.jobs.limits import RateLimit
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.snooze import Snooze
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.classifier import describe
from jqjobs.worker.attempts.interrupt import TIME_LIMIT_SIGNAL, Interrupter
from jqjobs.worker.attempts.runner import Runner

OFFSET_MS = 10**12


class Refused(Exception):
    """An error of the application."""


class Bench:
    """An app, and a runner for it."""

    def __init__(self) -> None:
        self.app = App(redis_url="redis://127.0.0.1:1")
        self.interrupter = Interrupter()
        self.runner = Runner(self.app, "w:1:x", self.interrupter, random.Random(1))

    def job(self, function: Callable[..., Any], **settings: Any) -> None:
        self.app.job(name="job", backoff=7, **settings)(function)

    def run(self, payload: bytes = b"{}", *, name: str = "job", **fields: Any) -> Outcome:
        """Return how the job ended; a plain success, of which the runner says nothing, as one."""
        return self.run_as_taken(payload, name=name, **fields) or Outcome.done(self.taken(payload, name=name))

    def run_as_taken(self, payload: bytes = b"{}", *, name: str = "job", **fields: Any) -> Outcome | None:
        return self.runner.run(self.taken(payload, name=name, **fields))

    def taken(self, payload: bytes = b"{}", *, name: str = "job", **fields: Any) -> TakenJob:
        job = TakenJob("q", "id-1", 3, name, payload, **fields)
        self.runner.complete([job])
        job.started_ms, self.runner.classifier.clock_offset_ms = monotonic_ms(), OFFSET_MS
        return job

    def ended_by(self, error: BaseException, **settings: Any) -> Outcome:
        def raises() -> None:
            raise error

        self.job(raises, **settings)
        return self.run()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.interrupter.event_loop.close()
    assert current_job() is None, "no job is left behind as the current one"


def test_of_a_success_whose_result_nobody_wants_there_is_nothing_to_say(bench: Bench) -> None:
    bench.job(lambda: object())
    assert bench.run_as_taken() is None


def test_a_success_that_frees_a_key_says_so_and_of_limits_the_next_trip_knows(bench: Bench) -> None:
    bench.job(lambda: object())
    assert bench.run_as_taken(limits="c 1 0 name") is None
    outcome = bench.run_as_taken(key="what it has")
    assert outcome is not None
    assert outcome.kind is Kind.DONE
    assert (outcome.job.key, outcome.job.id, outcome.job.attempt) == ("what it has", "id-1", 3)


def test_a_result_is_kept_as_json_for_as_long_as_the_job_or_its_registration_says(bench: Bench) -> None:
    bench.job(lambda: {"a": [1, None]}, keep="1m")
    outcome = bench.run()
    assert (outcome.kind, outcome.job.keep_ms, outcome.result) == (Kind.KEPT, 60_000, b'{"a":[1,null]}')
    assert bench.run(keep_ms=5).job.keep_ms == 5


def test_a_result_of_more_than_a_mebibyte_is_a_success_that_says_so(bench: Bench) -> None:
    bench.job(lambda: "x" * 2**20, keep="1m")
    outcome = bench.run()
    assert (outcome.kind, outcome.result) == (Kind.KEPT, b"")
    assert "more than 1 MiB" in outcome.missing


@pytest.mark.parametrize(
    "result",
    [object(), {1, object()}, lambda: None, "\ud800", {(1, 2): 3}],
    ids=["object", "set", "function", "surrogate", "key"],
)
def test_a_result_that_is_no_json_is_a_success_that_says_why_it_is_missing(bench: Bench, result: Any) -> None:
    bench.job(lambda: result, keep=60)
    outcome = bench.run()
    assert (outcome.kind, outcome.result) == (Kind.KEPT, b"")
    assert "cannot be stored as JSON" in outcome.missing


def test_arguments_are_converted_and_the_job_knows_itself(bench: Bench) -> None:
    seen: list[Any] = []

    def job(a: set[int], *, b: float = 1) -> None:
        seen.extend([a, b, current_job()])

    bench.job(job)
    assert bench.run(b'{"args":[[1,2]],"kwargs":{"b":2},"meta":{"trace":"x"}}', failures=1).kind is Kind.DONE
    assert seen[:2] == [{1, 2}, 2.0]
    me = seen[2]
    assert (me.id, me.queue, me.name, me.attempt, me.failures, me.worker, me.meta) == (
        "id-1", "q", "job", 3, 1, "w:1:x", {"trace": "x"},
    )  # fmt: skip


def test_a_failure_carries_its_error_its_traceback_and_its_delay(bench: Bench) -> None:
    def job() -> None:
        def inner() -> None:
            raise ValueError("boom")

        inner()

    bench.job(job)
    outcome = bench.run()
    assert (outcome.kind, outcome.error, outcome.delay_ms) == (Kind.FAILED, "ValueError: boom", 7000)
    line = json.loads(outcome.line)
    assert (line["attempt"], line["reason"], line["error"], line["worker"]) == (
        3,
        "failed",
        "ValueError: boom",
        "w:1:x",
    )
    assert "in inner" in line["traceback"]
    assert "attempts/runner.py" not in line["traceback"], "only the job's own part of the stack"
    assert OFFSET_MS < line["started_ms"] <= line["ended_ms"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (SystemExit(3), Kind.FAILED, "SystemExit: 3"),
        (SystemExit(), Kind.FAILED, "SystemExit"),
        (KeyboardInterrupt(), Kind.FAILED, "KeyboardInterrupt"),
        (GeneratorExit(), Kind.FAILED, "GeneratorExit"),
        (asyncio.CancelledError(), Kind.FAILED, "CancelledError"),
        (MemoryError(), Kind.FAILED, "MemoryError"),
        (BaseExceptionGroup("g", [KeyboardInterrupt()]), Kind.FAILED, "BaseExceptionGroup: g (1 sub-exception)"),
        (JobTimeout("late"), Kind.HUNG, "JobTimeout: late"),
        (Discard("never"), Kind.DISCARDED, "Discard: never"),
        (JobCancelled("enough"), Kind.CANCELLED, "JobCancelled: enough"),
        (JobInterrupted("stop"), Kind.INTERRUPTED, "JobInterrupted: stop"),
        (Retry("again"), Kind.FAILED, "Retry: again"),
        (Snooze("5m", "busy"), Kind.SNOOZED, "Snooze: busy"),
        (InvalidArguments("of another"), Kind.FAILED, "InvalidArguments: of another"),
        (MalformedPayload("of another"), Kind.FAILED, "MalformedPayload: of another"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_is_raised_ends_the_attempt_only(bench: Bench, error: BaseException, kind: Kind, text: str) -> None:
    outcome = bench.ended_by(error)
    assert (outcome.kind, outcome.error) == (kind, text)


def test_an_error_that_no_attempt_would_help_discards_the_job(bench: Bench) -> None:
    outcome = bench.ended_by(Refused("no such account"), retry_on=(OSError,))
    assert (outcome.kind, outcome.error) == (Kind.DISCARDED, "Refused: no such account")
    assert "raise error" in json.loads(outcome.line)["traceback"], "people are to see where"


def test_a_snooze_is_for_so_long_and_so_often_as_the_job_may(bench: Bench) -> None:
    def busy() -> None:
        raise Snooze("5m", "busy")

    bench.job(busy, max_snoozes=2, max_attempts=1)
    outcome = bench.run(snoozes=1)
    assert (outcome.kind, outcome.delay_ms, outcome.line) == (Kind.SNOOZED, 300_000, b"")
    outcome = bench.run(snoozes=2)
    assert (outcome.kind, outcome.error) == (
        Kind.DISCARDED, "Snooze: busy (it has snoozed 2 times, which is max_snoozes)"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "most", "is_last"),
    [({}, 3, False), ({"failures": 2}, 3, True), ({"failures": 2, "max_attempts": 5}, 5, False)],
)
def test_a_job_knows_whether_a_failure_would_be_its_last(
    bench: Bench, fields: dict[str, int], most: int, is_last: bool
) -> None:
    seen: list[Any] = []

    def looks() -> None:
        job = current_job()
        assert job is not None
        seen.extend((job.max_attempts, job.is_last_attempt, job.snoozes))

    bench.job(looks, max_attempts=3)
    bench.run(snoozes=4, **fields)
    assert seen == [most, is_last, 4]


@pytest.mark.parametrize(
    ("delay", "delay_ms"),
    [
        (None, 7000),
        (2, 2000),
        ("1m", 60_000),
        ("+2 minutes", 120_000),
        (0, 0),
        (-5, 0),
        ("soon", 7000),
        (float("nan"), 7000),
        (10**20, 7000),
    ],
)
def test_a_job_may_choose_the_delay_of_its_retry(bench: Bench, delay: Any, delay_ms: int) -> None:
    assert bench.ended_by(Retry(delay=delay)).delay_ms == delay_ms


@pytest.mark.parametrize(
    "answer", [RuntimeError("mine"), None, "soon", float("nan"), float("inf"), -5, 10**30], ids=repr
)
def test_a_back_off_rule_that_goes_wrong_is_a_default_delay_and_no_dead_worker(bench: Bench, answer: Any) -> None:
    class Mine:
        def delay_ms(self, failures: int, rng: random.Random) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    def fails() -> None:
        raise ValueError("boom")

    bench.app.job(name="job", backoff=Mine())(fails)
    outcome = bench.run()
    assert outcome.kind is Kind.FAILED
    assert isinstance(outcome.delay_ms, int)
    assert 0 <= outcome.delay_ms <= 10 * 366 * 86_400_000


def test_what_ended_an_attempt_is_told_to_whoever_asked_for_it() -> None:
    def fails(a: int) -> None:
        raise boom

    app, seen, boom = App(redis_url="redis://127.0.0.1:1"), list[BaseException](), ValueError("boom")
    app.job(name="job")(fails)
    runner = Runner(app, "w:1:x", Interrupter(), random.Random(1), on_error=seen.append)
    for payload in (b'{"args":[1]}', b'{"args":["x"]}', b"{"):
        runner.run(TakenJob("q", "id", 1, "job", payload))
    assert [type(error) for error in seen] == [ValueError, InvalidArguments, MalformedPayload]
    assert seen[0] is boom


def test_of_a_success_nobody_is_told_an_error() -> None:
    app, seen = App(redis_url="redis://127.0.0.1:1"), list[BaseException]()
    app.job(name="job", rate_limit=RateLimit(1, seconds=1))(lambda: None)
    runner = Runner(app, "w:1:x", Interrupter(), random.Random(1), on_error=seen.append)
    ends = [runner.run(TakenJob("q", "id", 1, "job", b"{}", limits=limits)) for limits in ("-", "")]
    assert [outcome and outcome.kind for outcome in ends] == [None, Kind.THROTTLED]
    assert seen == []


class Rude(type):
    """A metaclass whose classes end whoever asks for their name."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        sys.exit(3)


class RudeError(Exception, metaclass=Rude):
    pass


class SilentError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class HiddenError(Exception):
    @property
    def __class__(self) -> Any:
        sys.exit(3)


@pytest.mark.parametrize("kind", [RudeError, SilentError, HiddenError], ids=["name", "str", "class"])
def test_an_error_that_exits_when_it_is_looked_at_is_a_failure_of_its_job_only(
    bench: Bench, kind: type[Exception]
) -> None:
    outcome = bench.ended_by(kind("boom"))
    assert outcome.kind is Kind.FAILED
    assert "Error" in outcome.error


def test_a_back_off_that_exits_is_replaced_by_the_usual_one(bench: Bench) -> None:
    class Exiting:
        def delay_ms(self, failures: int, rng: random.Random) -> int:
            sys.exit(3)

    bench.app.job(name="job", backoff=Exiting())(lambda: 1 / 0)
    assert bench.run().kind is Kind.FAILED


@pytest.mark.parametrize("value", [float("nan"), [1, {"a": float("inf")}], {"x": (1.0, -float("inf"))}], ids=repr)
def test_a_result_with_nan_or_infinity_is_missing_and_says_so(bench: Bench, value: Any) -> None:
    bench.job(lambda: value)
    outcome = bench.run(keep_ms=1)
    assert (outcome.kind, outcome.result) == (Kind.KEPT, b"")
    assert "no NaN and no infinity" in outcome.missing


@pytest.mark.parametrize(
    ("told", "said", "kind"),
    [
        (JobInterrupted, ValueError, Kind.INTERRUPTED), (JobCancelled, ValueError, Kind.CANCELLED),
        (JobTimeout, ValueError, Kind.FAILED), (JobInterrupted, Discard, Kind.DISCARDED),
        (JobInterrupted, Retry, Kind.FAILED),
    ],
)  # fmt: skip
def test_a_job_whose_cleaning_up_fails_while_it_heeds_a_stop_or_a_cancel_has_ended_of_that(
    bench: Bench, told: type[BaseException], said: type[Exception], kind: Kind
) -> None:
    def job() -> None:
        try:
            raise told("now")
        finally:
            raise said("while cleaning up")

    bench.job(job)
    assert bench.run().kind is kind


async def cleaning_up_fails(tell: Callable[[], object], said: type[Exception]) -> None:
    tell()
    try:
        await asyncio.sleep(30)
    finally:
        raise said("while cleaning up")


async def children_fail(tell: Callable[[], object], said: type[Exception]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(cleaning_up_fails(tell, said))


async def groups_it(tell: Callable[[], object], said: type[Exception]) -> None:
    tell()
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError as error:
        cancelled = error
    raise BaseExceptionGroup("all", [said(), BaseExceptionGroup("inner", [cancelled])])


def as_task(bench: Bench, told: BaseException, work: Callable[..., Any]) -> Outcome | None:
    async def job() -> None:
        await work(lambda: ending.end(told))

    ending = AsyncWork()
    bench.job(job)
    return asyncio.run(bench.runner.run_as_task(bench.taken(), ending))


def in_the_main_loop(bench: Bench, told: BaseException, work: Callable[..., Any]) -> Outcome | None:
    async def job() -> None:
        await work(lambda: tell(bench, told))

    bench.job(job)
    return bench.run()


def in_a_loop_of_its_own(bench: Bench, told: BaseException, work: Callable[..., Any]) -> Outcome | None:
    bench.job(lambda: asyncio.run(work(lambda: tell(bench, told))))
    return bench.run()


def tell(bench: Bench, told: BaseException) -> None:
    assert bench.interrupter.armed is not None
    bench.interrupter._tear_out(bench.interrupter.armed, told, None)


@pytest.mark.parametrize("way", [as_task, in_the_main_loop, in_a_loop_of_its_own])
@pytest.mark.parametrize(
    ("told", "work", "said", "kind"),
    [
        (JobInterrupted, cleaning_up_fails, ValueError, Kind.INTERRUPTED),
        (JobCancelled, cleaning_up_fails, ValueError, Kind.CANCELLED),
        (JobTimeout, cleaning_up_fails, ValueError, Kind.FAILED),
        (JobInterrupted, cleaning_up_fails, Discard, Kind.DISCARDED),
        (JobInterrupted, cleaning_up_fails, HiddenError, Kind.FAILED),
        (JobInterrupted, children_fail, ValueError, Kind.INTERRUPTED),
        (JobCancelled, children_fail, ValueError, Kind.CANCELLED),
        (JobInterrupted, groups_it, ValueError, Kind.INTERRUPTED),
        (JobCancelled, groups_it, ValueError, Kind.CANCELLED),
    ],
)  # fmt: skip
def test_a_coroutine_whose_cleaning_up_fails_while_it_heeds_a_stop_or_a_cancel_has_ended_of_that(
    bench: Bench, way: Callable[..., Outcome | None], told: type[BaseException], work: Callable[..., Any],
    said: type[Exception], kind: Kind,
) -> None:  # fmt: skip
    outcome = way(bench, told("now"), functools.partial(work, said=said))
    assert outcome is not None
    assert outcome.kind is kind


def test_an_error_of_a_job_that_was_told_nothing_is_its_own(bench: Bench) -> None:
    async def job() -> None:
        asyncio.get_running_loop().call_soon(bench.interrupter._async_work.task.cancel)  # type: ignore[union-attr]
        await cleaning_up_fails(int, ValueError)

    bench.job(job)
    assert bench.run().kind is Kind.FAILED


@pytest.mark.parametrize(
    ("told", "kind"),
    [(JobInterrupted, Kind.INTERRUPTED), (JobCancelled, Kind.CANCELLED), (JobTimeout, Kind.HUNG)],
)
def test_what_a_job_was_told_counts_in_a_group_too(bench: Bench, told: type[BaseException], kind: Kind) -> None:
    def job() -> None:
        raise BaseExceptionGroup("all", [LookupError(), BaseExceptionGroup("inner", [told("now")])])

    bench.job(job)
    assert bench.run().kind is kind


async def _value() -> int:
    return 5


def _lazy() -> Iterator[int]:
    yield 5


async def _lazy_async() -> AsyncIterator[int]:
    yield 5


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_lazy, "generator"), (_lazy_async, "async_generator"), (concurrent.futures.Future, "Future"),
        (lambda: map(str, [5]), "map"), (lambda: itertools.starmap(str, [(5,)]), "starmap"),
        (lambda: [_value(), _value()], "coroutine in a list"), (lambda: {"a": _lazy()}, "generator in a dict"),
        (lambda: {"a": [1, (_lazy(),)]}, "generator in a dict"),
        (lambda: contextlib.contextmanager(_lazy)(), "_GeneratorContextManager"),
    ],
    ids=["generator", "async generator", "future", "map", "itertools", "list", "dict", "deep", "context"],
)  # fmt: skip
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_job_that_returns_what_has_not_run_has_failed_and_says_so(
    bench: Bench, make: Callable[[], Any], what: str, *, is_async: bool
) -> None:
    async def job_async() -> Any:
        return make()

    bench.job(job_async if is_async else lambda: make())
    outcome = bench.run(keep_ms=1)
    assert outcome.kind is Kind.FAILED
    assert f"returned a {what}" in outcome.error


@pytest.mark.parametrize("make", [lambda: _value(), lambda: asyncio.ensure_future(_value())], ids=["coroutine", "task"])
def test_a_coroutine_that_returns_another_one_has_failed_and_says_so(bench: Bench, make: Callable[[], Any]) -> None:
    async def job() -> Any:
        return make()

    bench.job(job)
    outcome = bench.run()
    assert outcome.kind is Kind.FAILED
    assert "nothing has run" in outcome.error


@pytest.mark.parametrize("function", [_lazy, _lazy_async, functools.partial(_lazy)], ids=["plain", "async", "partial"])
def test_a_generator_function_is_refused_where_it_is_registered(bench: Bench, function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption, match="generator function"):
        bench.app.job(name="job")(function)


def test_a_hook_or_middleware_that_would_never_run_is_refused(bench: Bench) -> None:
    def lazy(job: Any, call: Any = None) -> Iterator[int]:
        yield 5

    with pytest.raises(InvalidOption, match="generator function"):
        bench.app.middleware(lazy)
    with pytest.raises(InvalidOption, match="generator function"):
        bench.app.on_start(lazy)
    with pytest.raises(InvalidOption, match="context manager"):
        bench.app.middleware(contextlib.contextmanager(lazy))


@pytest.mark.parametrize("make", [contextlib.contextmanager, contextlib.asynccontextmanager])
def test_a_context_manager_is_refused_where_it_is_registered(bench: Bench, make: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption, match="is a context manager, so as a job it would never run"):
        bench.app.job(name="job")(make(_lazy))


@pytest.mark.parametrize(("was_asked", "kind"), [(True, Kind.INTERRUPTED), (False, Kind.FAILED)])
def test_who_exits_is_only_interrupted_where_the_worker_was_asked_to_end(was_asked: bool, kind: Kind) -> None:
    app = App(redis_url="redis://127.0.0.1:1")
    app.job(name="job")(sys.exit)
    runner = Runner(app, "w:1:x", Interrupter(), random.Random(1), asked_to_end=lambda error: was_asked)
    outcome = runner.run(TakenJob("q", "id", 1, "job", b"{}"))
    assert outcome is not None
    assert outcome.kind is kind


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_what_a_failed_job_had_in_memory_goes_with_it(bench: Bench, *, is_async: bool) -> None:
    left: list[weakref.ref[Any]] = []

    def fails() -> None:
        large = Bench()
        left.append(weakref.ref(large))
        raise ValueError("boom")

    async def fails_async() -> None:
        await asyncio.sleep(0)
        fails()

    bench.job(fails_async if is_async else fails)
    bench.interrupter.event_loop.run(asyncio.sleep(0), AsyncWork())  # what asyncio leaves when it is loaded is not ours
    gc.collect()
    gc.disable()
    try:
        bench.run()
        assert left[0]() is None, "a circle that waits for the garbage collector holds the frames of the job"
    finally:
        gc.enable()


def test_an_exception_that_cannot_be_shown_is_still_a_failure(bench: Bench) -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    outcome = bench.ended_by(Rude())
    assert (outcome.kind, outcome.error) == (Kind.FAILED, "Rude: (its __str__ raised)")
    assert json.loads(outcome.line)["traceback"]


def test_an_error_says_its_class_and_which_ones_are_the_same(bench: Bench) -> None:
    errors = [
        Refused("card 1"),
        Refused("card 22"),
        ValueError("card 1"),
        Discard("a"),
        Discard("b"),
        JobTimeout("5 s"),
    ]
    coming = iter(errors)

    def job() -> None:
        raise next(coming)

    bench.job(job)
    one, two, other, *discarded, hung = (bench.run() for _ in errors)
    assert [json.loads(end.line)["error_class"] for end in (one, other)] == [f"{__name__}.Refused", "ValueError"]
    assert one.group == two.group != other.group
    assert len({end.group for end in (one, other, *discarded)} - {""}) == 4
    assert hung.group == "", "it hung, whoever has noticed it"


def test_errors_are_bounded_and_never_break_the_line(bench: Bench) -> None:
    outcome = bench.ended_by(ValueError("\ud800\x1b" + "x" * 100_000))
    assert len(outcome.error) == 1000
    line = json.loads(outcome.line)
    assert len(line["traceback"]) <= 16 * 1024
    assert "\\ud800" in line["error"]


def test_endless_recursion_is_a_failure(bench: Bench) -> None:
    def job() -> None:
        job()

    bench.job(job)
    assert bench.run().error.startswith("RecursionError")


def test_an_unknown_name_is_said_to_be_unknown(bench: Bench) -> None:
    assert bench.run(name="nope").kind is Kind.UNKNOWN


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"args":[NaN]}', b'{"args":["\\ud800"]}', b"\xff"])
def test_a_payload_that_is_no_json_is_malformed_and_not_run(bench: Bench, payload: bytes) -> None:
    bench.job(lambda: pytest.fail("it ran"))
    outcome = bench.run(payload)
    assert outcome.kind is Kind.MALFORMED
    assert outcome.error


@pytest.mark.parametrize("payload", [b'{"args":[1,2]}', b'{"kwargs":{"b":1}}', b'{"args":["x"]}', b"{}"])
def test_arguments_that_do_not_fit_say_what_they_do_not_fit(bench: Bench, payload: bytes) -> None:
    def job(a: int) -> None:
        pytest.fail("it ran")

    bench.job(job)
    outcome = bench.run(payload)
    assert outcome.kind is Kind.MISFIT
    assert outcome.error.startswith("InvalidArguments: job(a: 'int') -> 'None': ")
    assert outcome.signature == bench.app.jobs["job"].signature.digest
    assert json.loads(outcome.line)["error"] == outcome.error


def test_who_names_the_job_in_the_payload_has_not_checked_its_arguments(bench: Bench) -> None:
    bench.job(lambda: pytest.fail("it ran"))
    assert bench.run(b'{"args":[1]}').is_checked
    assert not bench.run(b'{"job":"job","args":[1]}').is_checked


def test_the_time_limit_is_the_jobs_own_or_that_of_its_registration(bench: Bench) -> None:
    bench.job(lambda: None, timeout=5, keep=1)
    jobs = [
        TakenJob("q", "i", 1, "job", b""), TakenJob("q", "i", 1, "nope", b""),
        TakenJob("q", "i", 1, "job", b"", timeout_ms=7, keep_ms=8),
    ]  # fmt: skip
    bench.runner.complete(jobs)
    assert [(job.timeout_ms, job.keep_ms) for job in jobs] == [(5000, 1000), (None, None), (7, 8)]


def test_a_coroutine_function_is_run_to_its_end(bench: Bench) -> None:
    async def job(a: int) -> int:
        await asyncio.sleep(0)
        running = current_job()
        assert running is not None
        return a + running.attempt

    bench.job(job, keep=60)
    assert bench.run(b'{"args":[4]}').result == b"7"


@pytest.mark.parametrize(
    "error",
    [ValueError("boom"), SystemExit("boom"), KeyboardInterrupt("boom"), asyncio.CancelledError("boom")],
    ids=repr,
)
def test_what_a_coroutine_raises_is_a_failure(bench: Bench, error: BaseException) -> None:
    async def job() -> None:
        await asyncio.sleep(0)
        raise error

    bench.job(job)
    outcome = bench.run()
    assert (outcome.kind, outcome.error) == (Kind.FAILED, f"{type(error).__name__}: boom")


def test_a_coroutine_behind_a_plain_decorator_is_run_too(bench: Bench) -> None:
    ran: list[int] = []

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @decorated
    async def job(a: int) -> int:
        ran.append(a)
        return a

    bench.job(job, keep=60)
    assert bench.run(b'{"args":[4]}').result == b"4"
    assert ran == [4]


def test_a_job_that_waits_says_for_how_long_and_when_it_would_be_tried_again(bench: Bench) -> None:
    async def hand_over_async() -> Any:
        return wait_async("2m")

    for function in (lambda: wait_async(timeout="2m"), hand_over_async):
        bench.app = App(redis_url="redis://127.0.0.1:1")
        bench.runner = Runner(bench.app, "w:1:x", bench.interrupter, random.Random(1))
        bench.job(function, keep="1h")
        outcome = bench.run()
        assert (outcome.kind, outcome.wait_ms, outcome.delay_ms, outcome.line) == (Kind.WAITING, 120_000, 7000, b"")


@pytest.mark.parametrize("timeout", [0, -1, "soon", None])
def test_a_wait_without_an_end_is_refused(timeout: Any) -> None:
    with pytest.raises(InvalidOption):
        wait_async(timeout)


def test_describe() -> None:
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("x")) == "ValueError: x"


@pytest.fixture
def installed(bench: Bench) -> Iterator[None]:
    before = signal.getsignal(TIME_LIMIT_SIGNAL)
    bench.interrupter.install()
    yield
    signal.signal(TIME_LIMIT_SIGNAL, before)


@pytest.mark.usefixtures("installed")
def test_a_child_that_a_job_forks_does_not_come_back_as_a_second_worker(bench: Bench) -> None:
    def forks() -> int:
        child = os.fork()
        if child == 0:
            sys.exit(3)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    bench.job(forks, keep="1m")
    outcome = bench.run()
    assert (outcome.kind, outcome.result) == (Kind.KEPT, b"1")


def test_a_conversion_that_exits_is_a_failure_of_the_job(bench: Bench) -> None:
    @dataclass
    class Strange:
        value: int

        def __post_init__(self) -> None:
            raise SystemExit(5)

    def takes(strange: Strange) -> None: ...

    takes.__annotations__["strange"] = Strange
    bench.job(takes)
    assert bench.run(b'{"args":[{"value":1}]}').kind is Kind.FAILED


def test_a_job_that_would_begin_after_the_word_to_stop_does_not() -> None:
    bench = Bench()
    bench.job(lambda: None)
    bench.interrupter.stop_now()
    assert bench.run().kind is Kind.INTERRUPTED
