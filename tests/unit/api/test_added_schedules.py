"""Schedules that an application adds at run time: what it may say, and what becomes of them in its own tests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import Conflict, InvalidArguments, InvalidName, InvalidOption
from jqjobs.testing import in_memory


def digest(user: int, kind: str = "short") -> None: ...


def test_users_get_and_lose_their_schedules(app: App) -> None:
    job = app.job(queue="mails")(digest)
    with in_memory(app) as jobs:  # its clock stands at 2026-01-01 00:00 UTC
        for user in (41, 42):
            assert app.schedules.add(f"digest:{user}", job, cron="0 8 * * *", tz="Europe/Paris", kwargs={"user": user})
        assert not app.schedules.add("digest:42", job, cron="0 8 * * *", tz="Europe/Paris", kwargs={"user": 42}), "same"
        assert (app.schedules.remove("digest:41"), app.schedules.remove("digest:41")) == (True, False)
        jobs.clock.advance("2 days")
        ids = [record.id for record in jobs.enqueued(job)]
        [found] = app.schedules.list()

    assert [id_[:9] for id_ in ids] == ["digest.42"] * 2
    assert (found.name, found.queue, found.job, found.kwargs) == ("digest:42", "mails", "digest", {"user": 42})
    assert (found.cron, found.tz, found.next_ms) == ("0 8 * * *", "Europe/Paris", 1_767_423_600_000)


def test_a_name_is_not_written_over_unless_that_is_said(app: App) -> None:
    job = app.job(digest)
    with in_memory(app) as jobs:
        app.schedules.add("s", job, every="1h", args=[1])
        with pytest.raises(Conflict, match="default/s"):
            app.schedules.add("s", job, every="2h", args=[1])
        assert app.schedules.add("s", job, every="2h", args=[2], replace=True, priority=3)
        jobs.clock.advance("2h")
        assert [(record.args, record.priority) for record in jobs.all] == [([2], 3)]


def test_a_name_that_code_has_is_taken(app: App) -> None:
    job = app.periodic(every="1h", schedule="s", args=[1])(app.job(digest))
    with in_memory(app):
        with pytest.raises(Conflict, match="code"):
            app.schedules.add("s", job, every="2h", args=[1], replace=True)
        with pytest.raises(Conflict, match="code"):
            app.schedules.remove("s")


@pytest.mark.parametrize(("job", "how"), [("digest", {}), (digest, {}), (None, {"args": 5}), (None, {"kwargs": [1]})])
def test_what_is_no_job_and_what_are_no_arguments_are_refused_in_words(app: App, job: Any, how: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match="is no "), in_memory(app):
        app.schedules.add("s", job or app.job(digest), every="1h", **how)


def test_one_with_an_end_comes_until_then(app: App) -> None:
    with in_memory(app) as jobs:
        app.schedules.add("s", app.job(digest), every="1h", args=[1], until="in 150 minutes")
        jobs.clock.advance("1 day")
        assert len(jobs.all) == 2


def test_a_coroutine_does_the_same(app: App) -> None:
    job = app.job(digest)

    async def all_of_it() -> list[Any]:
        schedules = app.schedules
        told: list[Any] = [await schedules.add_async("s", job, every="1h", args=[1])]
        told.append([each.name for each in await schedules.list_async()])
        told.append(await schedules.remove_async("s", queue="default"))
        return told

    with in_memory(app):
        assert asyncio.run(all_of_it()) == [True, ["s"], True]


@pytest.mark.parametrize(
    ("name", "how", "error"),
    [
        ("", {"every": "1h"}, InvalidName),
        ("a b", {"every": "1h"}, InvalidName),
        ("queue/name", {"every": "1h"}, InvalidName),
        ("s", {}, InvalidOption),
        ("s", {"every": "1h", "cron": "* * * * *"}, InvalidOption),
        ("s", {"cron": "whenever"}, InvalidOption),
        ("s", {"every": "1h", "key": "k"}, InvalidOption),
        ("s", {"every": "1h", "delay": "1m"}, InvalidOption),
        ("s", {"every": "1h", "overlap": 1}, InvalidOption),
        ("s", {"every": "1h", "until": "2020-01-01 00:00 UTC"}, InvalidOption),
        ("s", {"every": "1h", "until": 0}, InvalidOption),
        ("s", {"every": "1h", "args": ["one"]}, InvalidArguments),
    ],
    ids=str,
)
def test_what_can_be_no_schedule_is_refused_before_anything_is_sent(
    app: App, name: str, how: dict[str, Any], error: type[Exception]
) -> None:
    job = app.job(digest)
    with in_memory(app), pytest.raises(error):
        app.schedules.add(name, job, **({"args": [1]} | how))
    with in_memory(app):
        assert app.schedules.list() == []


def test_a_name_that_several_queues_have_is_removed_from_the_one_that_is_meant(app: App) -> None:
    mails, reports = app.job(queue="mails")(digest), app.job(queue="reports", name="report")(digest)
    with in_memory(app):
        for job in (mails, reports):
            app.schedules.add("s", job, every="1h", args=[1])
        with pytest.raises(Conflict, match="several queues"):
            app.schedules.remove("s")
        assert app.schedules.remove("s", queue="mails")
        assert app.schedules.remove("s")
        assert app.schedules.list() == []
