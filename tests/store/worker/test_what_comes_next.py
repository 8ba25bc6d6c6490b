"""What a worker says comes next of a failed job is what the store makes of it."""

from __future__ import annotations

import random

import pytest

from jqjobs import App
from jqjobs.errors import JobTimeout
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import MOST_HUNG, Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.upkeep import retry
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.runner import Runner
from store.queue_system import QueueSystem

REGISTERED = 4
#: Why attempts end, in turn, from a job that has options of its own or none.
COURSES = {
    "as many as it is registered with": ((), [ValueError] * REGISTERED),
    "more than it is registered with": (("max_attempts", REGISTERED + 2), [ValueError] * (REGISTERED + 2)),
    "one": (("max_attempts", 1), [ValueError]),
    "the time limit counts sooner": (("max_attempts", 9), [JobTimeout] * MOST_HUNG),
    "the time limit among failures": (
        ("max_attempts", 9),
        [JobTimeout, ValueError, JobTimeout, ValueError, JobTimeout],
    ),
}


def runner_of(system: QueueSystem) -> Runner:
    app = App(redis_url="redis://127.0.0.1:1")

    @app.job(name="n", queue="q", max_attempts=REGISTERED, backoff=[7, 42])
    def fails(error: str) -> None:
        raise {"ValueError": ValueError, "JobTimeout": JobTimeout}[error]

    system.redis("HSET", system.key("catalog"), "n", f'{{"max_attempts":{REGISTERED}}}')
    return Runner(app, "w", Interrupter(), random.Random(1))


def attempt(system: QueueSystem, runner: Runner, error: type[BaseException]) -> Outcome:
    """Have the job taken and fail by ``error``, and that reported."""
    [job] = system.take()
    job.payload = b'{"args":["%s"]}' % error.__name__.encode()
    outcome = runner.run(job)
    assert outcome is not None
    assert outcome.kind is (Kind.HUNG if error is JobTimeout else Kind.FAILED)
    system.trip("w", 0, [outcome])
    return outcome


def check(system: QueueSystem, outcome: Outcome) -> None:
    if outcome.is_last:
        assert system.states("a") == ["dead"]
    else:
        assert system.score("scheduled", "a") == system.clock.now_ms + outcome.delay_ms


@pytest.mark.parametrize("course", COURSES)
def test_a_job_is_said_to_be_dead_when_it_is_and_tried_again_when_it_is(system: QueueSystem, course: str) -> None:
    options, errors = COURSES[course]
    runner = runner_of(system)
    system.add("a", fields=options)
    said = []
    for error in errors:
        said.append(attempt(system, runner, error))
        check(system, said[-1])
        system.clock.advance(60_000)

    assert [outcome.is_last for outcome in said] == [False] * (len(errors) - 1) + [True]


def test_what_a_person_has_forgiven_does_not_count(system: QueueSystem) -> None:
    runner = runner_of(system)
    system.add("a", fields=("max_attempts", 2))
    for error in (ValueError, ValueError):
        attempt(system, runner, error)
        system.clock.advance(60_000)
    system.run(retry("q", ["a"]))

    outcome = attempt(system, runner, ValueError)
    check(system, outcome)
    assert not outcome.is_last


def test_what_the_log_needs_travels_with_the_job(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 5))
    system.round(Kind.HUNG, 0)

    [job] = system.take()
    assert (job.max_attempts, job.hung, job.failures) == (5, 1, 1)
    system.add("b")
    system.settle("w", job)
    [plain] = system.take()
    assert (plain.max_attempts, plain.hung) == (TakenJob("q", "b", 1, "n", b"").max_attempts, 0)
