"""Limits where they are not simply there: of raw envelopes, of calls that have none, with damaged keys.

Rates are in test_rate_limits.py, places in test_concurrency.py, their counters in test_throttles.py.
"""

from __future__ import annotations

from jqjobs.jobs.limits import RateLimit
from jqjobs.jobs.records import Kind
from store.queue_system import QueueSystem, outcome

ONE = RateLimit(1, seconds=1).text("api")


def test_a_held_job_without_a_record_holds_nobody_up(system: QueueSystem) -> None:
    system.add_limited("a", "damaged", "c", limits=ONE)
    system.start_all()
    system.redis("DEL", system.key("job:damaged"))
    system.clock.advance(1005)

    assert system.start_all() == ["c"]
    assert system.states("damaged") == []


def test_a_limit_of_the_wrong_type_begins_anew(real_system: QueueSystem) -> None:
    real_system.redis("SET", real_system.key("limit:api/1s"), "x")
    real_system.add_limited("a", "b", limits=ONE)

    assert real_system.start_all() == ["a"]
    assert real_system.states("b") == ["held"]


def test_a_raw_envelope_is_asked_for_its_limits_and_charged_nothing_for_that(system: QueueSystem) -> None:
    system.push({"job": "n", "id": "a"}, {"job": "n", "id": "b"}, {"job": "n", "id": "c"})
    system.ingest()
    jobs = system.take("w", 5)
    answers = [outcome(job, Kind.THROTTLED, text=ONE) for job in jobs]

    assert [job.limits for job in jobs] == ["", "", ""]
    [started] = system.trip("w", 5, answers).jobs
    assert (started.id, started.limits) == ("a", ONE)
    assert system.counters("a") == {}
    system.settle("w", started)
    assert system.start_all() == []
    assert system.ids("held") == ["b", "c"]


def test_a_call_without_limits_is_a_job_like_any_other(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits="-")

    assert [(job.id, job.limits) for job in system.take("w", 5)] == [("a", "-"), ("b", "-")]
