"""Which ends of jobs are logged, what is said to come next, and which are errors."""

from __future__ import annotations

import gc
import logging
import random
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs import App
from jqjobs.base import log
from jqjobs.errors import Discard, JobCancelled, JobInterrupted, JobTimeout, Retry
from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.slots import job_log
from jqjobs.worker.slots.job_log import JobLog
from log_lines import Lines

JOB = TakenJob("q", "a", 2, "send", b"{}", started_ms=1000)
SUCCESSES = [None, Outcome.done(JOB), Outcome.kept(JOB)]
FAILURE = Outcome.failed(JOB, delay_ms=0, error="no", line=b"{}")
NO_NEWS = [not_run.released(JOB), Outcome.waiting(JOB, wait_ms=1, delay_ms=1), not_run.throttled(JOB, limits="-")]


@pytest.fixture(autouse=True)
def after_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_log, "monotonic_ms", lambda: 1500)


@pytest.mark.parametrize("success_ms", [0, 500])
def test_a_success_is_said_when_it_took_so_long(logged: Lines, success_ms: int) -> None:
    for outcome in SUCCESSES:
        JobLog(success_ms).say(JOB, outcome)

    assert [{name: line[name] for name in ("job", "name", "attempt", "ms")} for line in logged.of("job.done")] == [
        {"job": "q/a", "name": "send", "attempt": 2, "ms": 500}
    ] * 3


def test_with_a_file_for_jobs_each_success_goes_there_and_the_log_has_those_it_had(logged: Lines) -> None:
    for success_ms in (-1, 501, 500):
        job_log = JobLog(success_ms, has_file=True)
        assert job_log.has_successes
        job_log.say(JOB, None)

    assert [line["logger"] for line in logged.of("job.done")] == [log.SUCCESSES_ASIDE] * 2 + [log.JOBS]


@pytest.mark.parametrize("success_ms", [-1, 501])
def test_else_it_is_not(logged: Lines, success_ms: int) -> None:
    for outcome in SUCCESSES:
        JobLog(success_ms).say(JOB, outcome)

    assert logged == []


@pytest.mark.parametrize("success_ms", [-1, 0, 501])
def test_a_failure_is_always_said_and_what_is_no_news_never(logged: Lines, success_ms: int) -> None:
    for outcome in (FAILURE, *NO_NEWS):
        JobLog(success_ms).say(JOB, outcome)

    [line] = logged
    assert (line["event"], line["ms"], line["error"]) == ("job.failed", 500, "no")


def failed(job: TakenJob = JOB, **fields: Any) -> Outcome:
    outcome = Outcome.failed(job, delay_ms=42_000, error="ValueError: no", line=b"{}", **fields)
    outcome.traceback = "Traceback …\nValueError: no"
    return outcome


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (failed(), "retry in 42s"),
        (Outcome.hung(JOB, delay_ms=90_000, error="late", line=b"{}"), "retry in 1m30s"),
        (Outcome.failed(JOB, delay_ms=0, error="no", line=b"{}"), "retry at once"),
        (failed(is_last=True), "dead"),
        (Outcome.discarded(JOB, error="no", line=b"{}"), "dead"),
        (Outcome.interrupted(JOB, error="stop", line=b"{}"), "retry at once"),
        (not_run.unknown(JOB), None),
    ],
)
def test_a_line_says_what_comes_next(logged: Lines, outcome: Outcome, says: str | None) -> None:
    JobLog(-1).say(JOB, outcome)
    assert logged[0]["next"] == says


class Watcher(logging.Handler):
    """What a library for error reports is: it takes every record on any logger, and looks at the errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors.append(record)


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    handler, logger = Watcher(), logging.getLogger("jqjobs")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def run(function: Callable[[], None], *, last: bool) -> Outcome | None:
    """Run a job that has one attempt, or more, and say how it ended."""
    app = App(redis_url="redis://127.0.0.1:1")
    app.job(name="job", max_attempts=1 if last else 5)(function)
    job = TakenJob("q", "id", 1, "job", b"{}")
    outcome = Runner(app, "w:1:x", Interrupter(), random.Random(1)).run(job)
    JobLog(-1).say(job, outcome)
    return outcome


def raising(error: BaseException) -> Callable[[], None]:
    def fails() -> None:
        raise error

    return fails


def test_a_dead_job_is_one_error_with_its_exception_on_a_logger_of_its_own(watcher: Watcher) -> None:
    run(raising(boom := ValueError("boom")), last=True)

    [record] = watcher.errors
    assert (record.name, record.levelno) == ("jqjobs.job", logging.ERROR)
    assert record.exc_info is not None
    kind, error, frames = record.exc_info
    assert (kind, error) == (ValueError, boom)
    assert frames is not None
    assert frames.tb_frame.f_code.co_name == "fails", "the job's part of the stack"


class FalseError(ValueError):
    def __len__(self) -> int:
        return 0


class ExitingError(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # which is looked at everywhere: such an error is replaced by one that says so
            return ExitingError
        raise SystemExit(name)

    def __bool__(self) -> bool:
        raise SystemExit("truth")


@pytest.mark.parametrize("kind", [FalseError, ExitingError])
def test_whatever_an_error_says_of_itself_its_dead_job_is_an_error_with_it(
    watcher: Watcher, kind: type[Exception]
) -> None:
    run(raising(error := kind("boom")), last=True)
    [record] = watcher.errors
    assert record.exc_info is not None
    assert id(record.exc_info[1]) == id(error)


def test_a_listener_that_exits_ends_no_worker(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def exits(record: logging.LogRecord) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(watcher, "emit", exits)
    run(raising(ValueError("boom")), last=True)


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ValueError("boom"), False), (JobTimeout("late"), False), (Retry("busy"), False), (Discard("no use"), True),
        (JobInterrupted("stop"), True), (JobCancelled("somebody"), True),
    ],
)  # fmt: skip
def test_no_other_end_is_an_error(watcher: Watcher, error: BaseException, last: bool) -> None:
    assert run(raising(error), last=last) is not None
    assert watcher.errors == []


def test_what_the_last_attempt_had_in_memory_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("propagate", False), ("handlers", [])):  # pytest keeps what it sees
        monkeypatch.setattr(logging.getLogger("jqjobs"), name, value)
    left: list[weakref.ref[Any]] = []

    def fails() -> None:
        large = Watcher()
        left.append(weakref.ref(large))
        raise ValueError("boom")

    gc.collect()
    gc.disable()
    try:
        run(fails, last=True)
        assert left[0]() is None, "a circle that waits for the garbage collector holds the frames of the job"
    finally:
        gc.enable()
