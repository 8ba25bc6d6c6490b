"""What is no ordinary limited job: raw envelopes, calls without limits, damaged keys.

Rates are in test_rate_limits.py, places in test_concurrency.py, their counters in test_throttles.py.
"""

from __future__ import annotations

from jqjobs.job import Kind
from jqjobs.limits import RateLimit
from store.rig import Rig, outcome

ONE = RateLimit(1, seconds=1).text("api")


def test_a_held_job_without_a_record_holds_nobody_up(rig: Rig) -> None:
    rig.add_limited("a", "damaged", "c", limits=ONE)
    rig.start_all()
    rig.redis("DEL", rig.key("job:damaged"))
    rig.clock.advance(1005)

    assert rig.start_all() == ["c"]
    assert rig.states("damaged") == []


def test_a_limit_of_the_wrong_type_makes_its_jobs_dead_and_no_others(rig: Rig) -> None:
    rig.redis("SET", rig.key("limit:api/1s"), "x")
    rig.add_limited("a", limits=ONE)
    rig.add("b")

    assert rig.start_all() == ["b"]
    assert rig.job("a")["reason"] == "damaged"


def test_a_raw_envelope_is_asked_for_its_limits_and_charged_nothing_for_that(rig: Rig) -> None:
    rig.push({"job": "n", "id": "a"}, {"job": "n", "id": "b"}, {"job": "n", "id": "c"})
    rig.ingest()
    jobs = rig.take("w", 5)
    answers = [outcome(job, Kind.THROTTLED, text=ONE) for job in jobs]

    assert [job.limits for job in jobs] == ["", "", ""]
    [started] = rig.trip("w", 5, answers).jobs
    assert (started.id, started.limits) == ("a", ONE)
    assert rig.counters("a") == {}
    rig.settle("w", started)
    assert rig.start_all() == []
    assert rig.ids("held") == ["b", "c"]


def test_a_call_without_limits_is_a_job_like_any_other(rig: Rig) -> None:
    rig.add_limited("a", "b", limits="-")

    assert [(job.id, job.limits) for job in rig.take("w", 5)] == [("a", "-"), ("b", "-")]
