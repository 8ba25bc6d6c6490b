"""A registered function: what its options change, and which calls it refuses before anything is sent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import InvalidArguments, InvalidName, InvalidOption
from jqjobs.testing import in_memory


def test_options_leave_the_job_itself_alone(app: App) -> None:
    @app.job(queue="mails", priority=3)
    def send(a: int) -> None: ...

    urgent = send.options(queue="other", priority=0, key="k", delay="10s", max_attempts=9, id="mine")
    new = urgent._new((1,), {})
    assert (urgent.queue, new.priority, new.key, new.due, new.id) == ("other", 0, "k", "+10000", "mine")
    assert new.fields == ("max_attempts", 9)
    plain = send._new((1,), {})
    assert (send.queue, plain.priority, plain.key, plain.due, plain.fields) == ("mails", 3, "", "", ())
    assert len({send._new((1,), {}).id for _ in range(100)}) == 100


def test_later_options_add_to_earlier_ones(app: App) -> None:
    @app.job
    def work() -> None: ...

    new = work.options(priority=7, delay="10m").options(keep="1h")._new((), {})
    assert (new.priority, new.due, new.fields) == (7, "+600000", ("keep", 3_600_000))
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    assert work.options(delay="10m").options(due=moment)._new((), {}).due == "1893456000000"


def test_how_a_call_coalesces_comes_from_the_call_else_from_the_job(app: App) -> None:
    @app.job(coalesce="queued", replace=True)
    def index() -> None: ...

    def coalesces(**options: Any) -> tuple[str, bool]:
        new = index.options(**options)._new((), {})
        return new.coalesce, new.replace

    assert coalesces(key="k") == ("queued", True)
    assert coalesces(key="k", coalesce="unfinished", replace=False) == ("unfinished", False)
    assert coalesces(key="k", coalesce="stored") == ("stored", True)
    assert coalesces() == ("unfinished", False), "nothing coalesces without a key"
    entry = index.settings.catalog_entry("")
    assert (entry["coalesce"], entry["replace"]) == ("queued", True)


def test_a_call_waits_as_its_job_is_registered_unless_it_says_otherwise(app: App) -> None:
    @app.job(delay="2 minutes")
    def work() -> None: ...

    assert [job._new((), {}).due for job in (work, work.options(priority=1), work.options(delay=0))] == [
        "+120000", "+120000", "",
    ]  # fmt: skip
    assert work.options(due="in 1 hour")._new((), {}).due == "+3600000"
    assert work.settings.catalog_entry("")["delay_ms"] == 120_000
    with pytest.raises(InvalidOption, match="delay 'whenever'"):
        app.job(name="other", delay="whenever")(lambda: None)
    with pytest.raises(InvalidOption, match="ticks come at their time"):
        app.periodic(every="1h")(work)


def test_a_moment_in_words_is_read_again_at_each_call_by_the_clock_of_the_engine(app: App) -> None:
    @app.job(delay="tomorrow 9am UTC")
    def work() -> None: ...

    assert work.settings.catalog_entry("")["delay"] == "tomorrow 9am UTC"
    with in_memory(app) as jobs:  # its clock stands at 2026-01-01 00:00 UTC
        work.enqueue()
        jobs.clock.advance("1 day")
        later = [work.enqueue(), *work.options(due="10:30 UTC").enqueue_many([()])]
        assert [record.delay_s / 3600 for record in jobs.all] == [33, 33, 10.5]
        with pytest.raises(InvalidOption, match="past"):
            work.options(due="2026-01-02 00:00 UTC").enqueue()
    assert len(later) == 2


def test_coalescing_without_a_key_is_refused_where_it_is_said(app: App) -> None:
    @app.job
    def index() -> None: ...

    for options in ({"coalesce": "queued"}, {"replace": True}):
        with pytest.raises(InvalidOption, match="go with a key"):
            index.options(**options)  # type: ignore[arg-type]
        index.options(key="k").options(**options)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="none of queued"):
        app.job(name="other", coalesce="always")(lambda: None)


def test_options_are_checked_where_they_are_given(app: App) -> None:
    @app.job
    def send() -> None: ...

    with pytest.raises(InvalidOption):
        send.options(priority=10_000)
    with pytest.raises(InvalidOption):
        send.options(delay="soon")
    with pytest.raises(InvalidName):
        send.options(queue="a b")
    with pytest.raises(TypeError):
        send.options(unknown=1)  # type: ignore[call-arg]


def test_wrong_arguments_are_refused_before_anything_is_sent(app: App) -> None:
    @app.job
    def send(a: int) -> None: ...

    with pytest.raises(InvalidArguments):
        send.enqueue("one")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments):
        send.enqueue_many([(1,), (2,), ("three",)])
    with pytest.raises(InvalidOption, match="id"):
        send.options(id="mine").enqueue_many([(1,)])
    assert send.enqueue_many([]) == []


@pytest.mark.parametrize(
    ("item", "call"),
    [
        ((1, 2), ([1, 2], {})),
        ([1, 2], ([1, 2], {})),
        (((1,), {"b": 2}), ([1], {"b": 2})),
        (([], {}), ([], {})),
        ((), ([], {})),
        (({"a": 1}, {"b": 2}), ([{"a": 1}, {"b": 2}], {})),
        ((1, {"b": 2}), ([1, {"b": 2}], {})),
    ],
    ids=str,
)
def test_enqueue_many_takes_arguments_or_pairs_of_arguments_and_keywords(
    app: App, item: Any, call: tuple[list[Any], dict[str, Any]]
) -> None:
    from jqjobs.api.calls import _placed

    _, args, kwargs = _placed(app.job(name="job")(print), item)
    assert (list(args), dict(kwargs)) == call


def test_each_of_many_calls_may_have_options_of_its_own(app: App) -> None:
    @app.job
    def send(user: int, priority: str = "low") -> None: ...

    urgent = send.options(max_attempts=2)
    with in_memory(app) as jobs:
        handles = urgent.enqueue_many([
            (1,),
            send.call(2, key="a", delay="5m"),
            urgent.options(id="mine").call(3, priority="high"),  # the function has that name, so it is an argument
            send.options(priority=9, key="a").call(4),
            ((5,), {"priority": "low"}),
        ])  # fmt: skip
        found = [(each.kwargs, each.args[0], each.priority, each.key, each.delay_s) for each in jobs.all]
    assert found == [
        ({}, 1, 0, "", 0), ({}, 2, 0, "a", 300), ({"priority": "high"}, 3, 0, "", 0), ({"priority": "low"}, 5, 0, "", 0)
    ]  # fmt: skip
    assert {each.fields["max_attempts"] for each in jobs.all} == {2}, "they add to those of all"
    assert (handles[2].id, handles[3].id, handles[3].created) == ("mine", handles[1].id, False)


def test_many_calls_are_enqueued_from_a_coroutine_too(app: App) -> None:
    @app.job
    def send(user: int) -> None: ...

    with in_memory(app) as jobs:
        handles = asyncio.run(send.enqueue_many_async([(1,), send.call(2, key="a")]))
        assert [(each.id, each.args, each.key) for each in jobs.all] == [
            (handles[0].id, [1], ""), (handles[1].id, [2], "a")
        ]  # fmt: skip


def test_a_call_is_checked_where_it_is_made_and_where_it_goes(app: App) -> None:
    send, other = app.job(name="send")(lambda user: None), app.job(name="other")(lambda user: None)
    with pytest.raises(InvalidArguments):
        send.call()
    with pytest.raises(InvalidArguments, match="nobody"):
        send.call(1, nobody=2)
    with pytest.raises(InvalidOption):
        send.call(1, priority=10_000)
    for call in (other.call(1), send.call(1, queue="elsewhere"), send.call(1, on_commit="default")):
        with pytest.raises(InvalidOption):
            send.enqueue_many([call])
