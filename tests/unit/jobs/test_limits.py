"""Rate and concurrency limits as values: what may be said, and the text that is stored with a call.

`test_limits.py` is about the time limits that the daemon enforces.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jqjobs import App, Concurrency, RateLimit
from jqjobs.api.function import Job
from jqjobs.errors import InvalidArguments, InvalidOption
from jqjobs.jobs.limits import MAX_NAME_BYTES, MOST_STARTS, UNLIMITED, Limits, limit_name
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.runner import Runner


def stored(job: Job[..., Any], *args: Any, **kwargs: Any) -> str:
    """The limits of a call, as they are stored with it."""
    fields = job._new(args, kwargs).fields
    return str(dict(zip(fields[::2], fields[1::2], strict=True))["limits"])


def run_raw(app: App, payload: bytes, name: str = "job") -> Any:
    """What a worker makes of a call without stored limits."""
    runner = Runner(app, "w:1:x", Interrupter(), random.Random(1))
    job = TakenJob("q", "id", 1, name, payload)
    runner.complete([job])
    return runner.run(job)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (RateLimit(10, seconds=1), "r 10 1000 k/1s"),
        (RateLimit(10, seconds=0.25), "r 10 250 k/250ms"),
        (RateLimit(5, minutes=1, seconds=30), "r 5 90000 k/90s"),
        (RateLimit(1, minutes=2), "r 1 120000 k/2m"),
        (RateLimit(1000, hours=1), "r 1000 3600000 k/1h"),
        (RateLimit(3, days=7), "r 3 604800000 k/7d"),
        (Concurrency(2), "c 2 0 k/running"),
    ],
)
def test_the_text_of_a_limit(limit: RateLimit | Concurrency, text: str) -> None:
    assert limit.text("k") == text


@pytest.mark.parametrize("most", [1001, 1999, 2000, 5000, 10_000, 12_345, 1_000_000])
def test_more_than_a_thousand_are_spread_and_never_exceed_the_limit(most: int) -> None:
    _, count, window_ms, _ = RateLimit(most, days=1).text("k").split()
    parts = -(-86_400_000 // int(window_ms))

    assert int(count) <= MOST_STARTS
    assert int(count) * parts <= most
    assert int(count) * parts > 0.99 * most or most < 2000


@pytest.mark.parametrize(
    ("numbers", "spans"),
    [
        (10, {}), (10, {"seconds": 0}), (10, {"seconds": -1}), (10, {"seconds": float("nan")}), (10, {"days": 4000}),
        (10, {"seconds": float("inf")}), (10, {"seconds": "1"}), (10, {"minutes": True}), (10, {"seconds": 0.0001}),
        (0, {"seconds": 1}), (-1, {"seconds": 1}), (1.5, {"seconds": 1}), (True, {"seconds": 1}),
        (1_000_001, {"seconds": 1}),
    ],
)  # fmt: skip
def test_a_rate_without_a_sensible_number_and_interval_is_refused(numbers: Any, spans: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        RateLimit(numbers, **spans)


@pytest.mark.parametrize("most", [0, -1, 1.0, True, None, "2"])
def test_a_concurrency_that_is_no_number_is_refused(most: Any) -> None:
    with pytest.raises(InvalidOption):
        Concurrency(most)


@pytest.mark.parametrize("key", ["", 7, "{", "a}", "{}", "{0}", "{a b}", "{!r}"])
def test_a_key_that_cannot_be_filled_in_is_refused(key: Any) -> None:
    with pytest.raises(InvalidOption):
        RateLimit(1, seconds=1, key=key)
    with pytest.raises(InvalidOption):
        Concurrency(1, key=key)


@pytest.mark.parametrize("key", ["a b", "ü", "x" * 200, "a\nb", "~", "tab\t", "\ud800"])
def test_a_key_that_is_long_or_odd_becomes_a_digest_and_stays_one_limit(key: str) -> None:
    name = limit_name(key, "1s")

    assert name == limit_name(key, "1s") != limit_name(key + "x", "1s")
    assert len(name) <= MAX_NAME_BYTES
    assert all("!" <= letter <= "~" for letter in name)


def test_no_key_can_be_taken_for_the_digest_of_another_one() -> None:
    digest = limit_name("a b", "1s").removesuffix("/1s")

    assert limit_name(digest, "1s") != limit_name("a b", "1s")


def test_without_a_key_the_limit_is_the_jobs_own(app: App) -> None:
    job = app.job(name="reports.make", rate_limit=RateLimit(10, seconds=1))(lambda: None)

    assert stored(job) == "r 10 1000 reports.make/1s"


def test_a_key_is_filled_in_from_the_arguments_however_they_are_given(app: App) -> None:
    @app.job(rate_limit=RateLimit(1, seconds=1, key="reports:{tenant}:{kind}"))
    def report(tenant: int, kind: str = "day") -> None: ...

    texts = {stored(report, 7), stored(report, tenant=7), stored(report, 7, "day")}
    assert texts == {"r 1 1000 reports:7:day/1s"}
    assert stored(report, 7, "year") == "r 1 1000 reports:7:year/1s"


def test_both_limits_of_a_job_are_stored_in_one_text(app: App) -> None:
    both = app.job(rate_limit=RateLimit(1, seconds=1, key="api"), concurrency=Concurrency(2, key="db"), name="b")

    assert stored(both(lambda: None)) == "r 1 1000 api/1s c 2 0 db/running"


def test_a_key_may_use_named_arguments_that_the_signature_leaves_open(app: App) -> None:
    @app.job(concurrency=Concurrency(1, key="{user}"))
    def anything(**values: Any) -> None: ...

    assert stored(anything, user="ann") == "c 1 0 ann/running"
    with pytest.raises(InvalidArguments, match="user"):
        anything.enqueue(other=1)


@pytest.mark.parametrize("rule", [RateLimit(1, seconds=1, key="{tenant}"), RateLimit(1, seconds=1, key="{x.y[0]}")])
def test_a_key_that_names_no_parameter_is_an_error_at_registration(app: App, rule: RateLimit) -> None:
    with pytest.raises(InvalidOption, match="no parameter"):
        app.job(rate_limit=rule, name="n")(lambda a: None)


@dataclasses.dataclass
class Order:
    id: UUID
    customer: str


def test_a_worker_computes_of_a_raw_envelope_what_a_producer_would_have_stored(app: App) -> None:
    @app.job(name="job", concurrency=Concurrency(1, key="{order.id}:{share}"))
    def ship(order: Order, share: float = 1) -> None: ...

    order = Order(UUID(int=5), "ann")
    payload = b'{"kwargs":{"order":{"id":"00000000-0000-0000-0000-000000000005","customer":"ann"},"share":2}}'
    outcome = run_raw(app, payload)

    assert (outcome.kind, outcome.limits) == (Kind.THROTTLED, stored(ship, order, share=2))
    assert ":2.0/" in outcome.limits


def test_a_call_whose_limits_are_stored_just_runs(app: App) -> None:
    ran = []
    app.job(name="job", rate_limit=RateLimit(1, seconds=1))(lambda: ran.append(1))
    runner = Runner(app, "w:1:x", Interrupter(), random.Random(1))

    assert runner.run(TakenJob("q", "id", 1, "job", b"{}", limits="r 1 1000 job/1s")) is None, "a success"
    assert ran == [1]


def test_a_raw_envelope_does_not_run_before_its_limits_are_known(app: App) -> None:
    app.job(name="job", rate_limit=RateLimit(1, seconds=1))(lambda: pytest.fail("it ran"))

    assert run_raw(app, b"{}").kind is Kind.THROTTLED


def test_a_raw_envelope_whose_key_cannot_be_made_does_not_run(app: App) -> None:
    @app.job(name="job", rate_limit=RateLimit(1, seconds=1, key="{user[name]}"))
    def greet(user: dict[str, str]) -> None: ...

    assert run_raw(app, b'{"args":[{"name":"ann"}]}').limits == "r 1 1000 ann/1s"
    assert run_raw(app, b'{"args":[{}]}').kind is Kind.MISFIT


def test_a_function_of_the_arguments_decides_whether_and_what(app: App) -> None:
    def by_plan(call: Mapping[str, Any]) -> RateLimit | None:
        return None if call["plan"] == "pro" else RateLimit(1, seconds=1, key="{user}")

    @app.job(rate_limit=by_plan)
    def export(user: int, plan: str = "free") -> None: ...

    assert stored(export, 5) == "r 1 1000 5/1s"
    assert stored(export, 5, "pro") == UNLIMITED


def test_a_function_that_returns_something_else_is_an_error_of_the_call(app: App) -> None:
    job = app.job(concurrency=lambda call: RateLimit(1, seconds=1), name="n")(lambda: None)

    with pytest.raises(InvalidOption, match="not a Concurrency"):
        job.enqueue()


@pytest.mark.parametrize("rule", [10, "10/s", RateLimit, Concurrency(1)])
def test_what_is_no_rate_limit_is_refused_at_registration(app: App, rule: Any) -> None:
    with pytest.raises(InvalidOption, match="rate_limit"):
        app.job(rate_limit=rule)(lambda: None)


@pytest.mark.parametrize(
    "settings", [{"max_throttles": 0}, {"max_throttles": True}, {"throttle_counts": 1}, {"throttle_counts": None}]
)
def test_what_bounds_throttles_is_checked(app: App, settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        app.job(name="n", rate_limit=RateLimit(1, seconds=1), **settings)(lambda: None)


def test_the_catalog_says_that_a_job_is_limited_and_how_often_it_may_be_held_back(app: App) -> None:
    app.job(name="a", rate_limit=RateLimit(1, seconds=1), max_throttles=3, throttle_counts=True)(lambda: None)
    app.job(name="b")(lambda: None)

    catalog = app.registry.catalog()
    assert (catalog["a"]["limited"], catalog["a"]["max_throttles"], catalog["a"]["throttle_counts"]) == (True, 3, True)
    assert {"limited", "max_throttles", "throttle_counts"}.isdisjoint(catalog["b"])


def test_a_job_without_limits_stores_nothing_about_them(app: App) -> None:
    job = app.job(name="plain")(lambda: None)

    assert "limits" not in job._new((), {}).fields
    assert not Limits()


def example(document: str, heading: str, app: App) -> dict[str, Job[..., Any]]:
    """The jobs that the first Python block below a heading registers."""
    text = (Path(__file__).parents[3] / document).read_text("utf-8")
    block = text.split(f"# {heading}\n", 1)[1].split("```python", 1)[1].partition("\n")[2].split("```", 1)[0]
    names = {"app": app, "RateLimit": RateLimit, "Concurrency": Concurrency}
    exec(compile(block, document, "exec"), names)
    return names["app"].jobs


def test_the_examples_of_the_how_to_mean_what_it_says(app: App) -> None:
    jobs = example("docs/how-to/limits.md", "Rate limits and concurrency limits", app)

    assert stored(jobs["call_api"], "/x") == "r 10 1000 call_api/1s"
    assert stored(jobs["make_report"], 7) == "r 100 3600000 reports:7/1h c 2 0 db/running"
    assert [stored(jobs["export"], 5, plan) for plan in ("free", "pro")] == ["r 1 60000 export:5/1m", "-"]


def test_the_example_of_the_protocol_gives_the_text_that_it_shows(app: App) -> None:
    job = example("docs/protocol.md", "Rate and concurrency limits", app)["make_report"]

    assert f"\n{stored(job, 7)}\n" in (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
