"""Which ends of jobs are logged."""

from __future__ import annotations

import pytest

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import TakenJob
from jqjobs.worker.slots import job_log
from jqjobs.worker.slots.job_log import JobLog
from log_lines import Lines

JOB = TakenJob("q", "a", 2, "send", b"{}", started_ms=1000)
SUCCESSES = [None, Outcome.done(JOB), Outcome.kept(JOB)]
FAILURE = Outcome.failed(JOB, delay_ms=0, error="no", line=b"{}")
NO_NEWS = [Outcome.released(JOB), Outcome.waiting(JOB, wait_ms=1, delay_ms=1), Outcome.throttled(JOB, limits="-")]


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
