"""What a job can know and say of itself while it runs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from jqjobs import App, current_job
from jqjobs.errors import InvalidOption
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.runner import Runner


class Ear:
    """Takes down what jobs say, as `NoteWriter` does."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.ended = ""

    @property
    def pending(self) -> bool:
        return bool(self.said)

    def progress(self, job: JobContext, percent: float, text: str) -> None:
        self.said.append((job.id, job.attempt, percent, text))

    def log(self, job: JobContext, text: str) -> None:
        self.said.append((job.id, job.attempt, text))

    def wait_token(self, job: JobContext) -> str:
        return "token"

    def write(self) -> None:
        self.ended = "written"

    def has(self, job: TakenJob) -> bool:
        return self.pending

    def forget(self, job: TakenJob) -> None:
        self.ended = "forgotten"


def run(function: Any, **fields: Any) -> tuple[Ear, Kind]:
    app = App(redis_url="redis://127.0.0.1:1")
    app.job(name="job")(function)
    ear = Ear()
    runner = Runner(app, "w", Interrupter(), random.Random(1), ear)  # type: ignore[arg-type]
    outcome = runner.run(TakenJob("q", "a", 2, "job", b'{"args":[1],"kwargs":{"b":2}}', **fields))
    return ear, outcome.kind if outcome else Kind.DONE


def speak(a: int, b: int) -> None:
    job = current_job()
    assert job is not None
    job.progress(40, "resizing")
    job.log("half way")


def test_what_a_job_says_is_taken_down_under_its_attempt_and_written_before_it_is_reported() -> None:
    ear, kind = run(speak, keep_ms=5)
    assert kind is Kind.KEPT
    assert ear.said == [("a", 2, 40, "resizing"), ("a", 2, "half way")]
    assert ear.ended == "written"


def test_what_a_job_said_that_leaves_no_record_is_not_written() -> None:
    ear, kind = run(speak)
    assert kind is Kind.DONE
    assert ear.ended == "forgotten"


def test_a_job_that_fails_leaves_its_last_words() -> None:
    def fail(a: int, b: int) -> None:
        speak(a, b)
        raise ValueError

    ear, kind = run(fail)
    assert kind is Kind.FAILED
    assert ear.ended == "written"


def test_a_job_that_says_nothing_costs_nothing() -> None:
    ear, _ = run(lambda a, b: None, keep_ms=5)
    assert ear.ended == ""


def test_a_job_knows_the_arguments_it_was_called_with() -> None:
    seen: list[Any] = []
    run(lambda a, b: seen.append(current_job()))
    assert (list(seen[0].args), seen[0].kwargs) == ([1, 2], {})


@pytest.mark.parametrize("percent", [-1, 100.1, float("nan"), "40", None, True])
def test_progress_is_a_number_from_0_to_100(percent: Any) -> None:
    with pytest.raises(InvalidOption, match="0 to 100"):
        JobContext("a", "q", "n", 1, 0, "w").progress(percent)


def test_outside_of_a_worker_nobody_listens_and_nothing_breaks() -> None:
    job = JobContext("a", "q", "n", 1, 0, "w")
    job.progress(40, "x")
    job.log("x")
