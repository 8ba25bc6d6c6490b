"""Registering schedules: what is published of them, and what is refused. No Redis."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App, RateLimit
from jqjobs.api.periodic import MOST_NAME, MOST_SCHEDULES, Schedule
from jqjobs.errors import ConfigError, DuplicateJobName, InvalidArguments, InvalidName, InvalidOption, PayloadTooLarge

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "periodic.md").read_text("utf-8")


def report(region: str = "all", days: int = 1) -> str:
    return f"{region} {days}"


def entry_of(app: App, name: str = "report") -> dict[str, Any]:
    [schedule] = [each for each in app.registry.schedules if each.name == name]
    found: dict[str, Any] = json.loads(schedule.entry())
    return found


def test_a_function_becomes_a_job_that_runs_by_itself(app: App) -> None:
    job = app.periodic("0 3 * * *", tz="Europe/Paris", queue="reports", priority=7, timeout="5m")(report)

    assert job("x") == "x 1"
    assert (job.queue, job.settings.priority, job.settings.timeout_ms) == ("reports", 7, 300_000)
    assert app.jobs == {"report": job}
    assert entry_of(app) == {
        "job": "report", "payload": "{}", "priority": 7, "fields": [], "overlap": True, "missed": "latest",
        "catch_up_ms": 3_600_000, "cron": "0 3 * * *", "tz": "Europe/Paris",
    }  # fmt: skip


def test_as_a_decorator_above_a_job_it_leaves_the_job_as_it_is(app: App) -> None:
    @app.periodic(every="30s", args=["north"], kwargs={"days": 2}, overlap=False, missed="skip", catch_up="10m")
    @app.job(name="other", queue="q")
    def job(region: str, days: int) -> None: ...

    entry = entry_of(app, "other")
    assert job is app.jobs["other"]
    assert (entry["every_ms"], entry["overlap"], entry["missed"]) == (30_000, False, "skip")
    assert (entry["catch_up_ms"], "cron" in entry) == (600_000, False)
    assert json.loads(entry["payload"]) == {"args": ["north"], "kwargs": {"days": 2}}


def test_one_job_can_have_several_schedules_with_names_of_their_own(app: App) -> None:
    job = app.periodic("0 8 * * *", schedule="morning", args=["north"])(report)
    assert app.periodic("0 20 * * *", schedule="evening", args=["south"])(job) is job

    assert [each.name for each in app.registry.schedules] == ["morning", "evening"]
    assert entry_of(app, "evening")["job"] == "report"


def test_options_of_a_call_go_along(app: App) -> None:
    app.periodic(every="1h")(app.job(report).options(queue="slow", priority=3, expires="30m", max_attempts=9))

    entry = entry_of(app)
    assert (entry["priority"], entry["fields"]) == (3, ["max_attempts", "9", "expires", "+1800000"])
    assert app.registry.schedules.entries(["default"]) == {}
    assert list(app.registry.schedules.entries(["slow", "x"])) == ["slow"]
    assert app.registry.queues() == ["default", "slow"]


def test_limits_are_left_to_the_worker(app: App) -> None:
    app.periodic(every="1h", rate_limit=RateLimit(1, seconds=1, key="{region}"))(report)

    assert entry_of(app)["fields"] == []


def test_text_beyond_ascii_is_published_as_it_is(app: App) -> None:
    app.periodic(every="1h", args=["Zürich \N{SNOWMAN} \x00"])(report)

    [schedule] = app.registry.schedules
    assert "Zürich \N{SNOWMAN}" in schedule.entry()
    assert json.loads(entry_of(app)["payload"])["args"] == ["Zürich \N{SNOWMAN} \x00"]


def test_the_same_line_twice_is_one_schedule_and_two_lines_are_an_error(app: App) -> None:
    app.periodic(every="1h")(report)
    app.periodic(every="1h")(report)
    with pytest.raises(InvalidOption, match="named 'report'") as raised:
        app.periodic(every="2h")(report)

    assert "schedule=" in raised.value.hint


def test_two_jobs_cannot_share_a_schedule_name(app: App) -> None:
    app.periodic(every="1h", schedule="x")(report)
    with pytest.raises(InvalidOption, match="named 'x'"):
        app.periodic(every="1h", schedule="x", name="second")(lambda: None)
    with pytest.raises(DuplicateJobName):
        app.periodic(every="1h", name="report")(lambda: None)


@pytest.mark.parametrize(
    "given",
    [{}, {"cron": "* * * *"}, {"cron": "0 3 * * *", "every": "1h"}, {"every": "0.5s"}, {"every": 0}, {"every": "soon"},
     {"every": "1h", "tz": "UTC"}, {"cron": "0 3 * * *", "tz": "Mars/Olympus"}, {"every": "1h", "missed": "some"},
     {"every": "1h", "catch_up": "x"}, {"every": "1h", "args": "abc"}, {"every": "1h", "overlap": None},
     {"every": "1h", "priority": 10**6}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_where_it_is_written(app: App, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        app.periodic(**given)(report)


@pytest.mark.parametrize("name", ["a b", "", "x" * 129])
def test_a_schedule_name_is_a_name(app: App, name: str) -> None:
    with pytest.raises(InvalidName):
        Schedule(name, app.job(report), *_every_hour(app))


def test_a_schedule_name_leaves_room_for_the_tick_in_a_job_id(app: App) -> None:
    app.periodic(every="1h", schedule="x" * MOST_NAME)(report)
    with pytest.raises(InvalidOption, match="characters"):
        app.periodic(every="1h", schedule="x" * (MOST_NAME + 1))(report)


def _every_hour(app: App) -> tuple[Any, ...]:
    app.periodic(every="1h", name="any")(lambda: None)
    [schedule] = [each for each in app.registry.schedules if each.name == "any"]
    return (schedule.times, schedule.policy, (), {})


@pytest.mark.parametrize("options", [{"id": "x"}, {"key": "k"}, {"delay": "1m"}])
def test_options_that_name_one_call_do_not_fit_many(app: App, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match="periodic"):
        app.periodic(every="1h")(app.job(report).options(**options))


def test_options_beside_a_registered_job_are_refused(app: App) -> None:
    with pytest.raises(InvalidOption, match="registered"):
        app.periodic(every="1h", queue="q")(app.job(report))


def test_the_wrong_order_of_decorators_says_the_right_one(app: App) -> None:
    with pytest.raises(InvalidOption) as raised:
        app.job(app.periodic(every="1h")(report))

    assert "above" in raised.value.hint


def test_arguments_are_checked_when_the_app_is_loaded(app: App) -> None:
    app.periodic(every="1h", args=[1, 2, 3])(report)
    with pytest.raises(InvalidArguments):
        app.load()


def test_arguments_that_are_no_json_are_refused_when_the_app_is_loaded(app: App) -> None:
    app.periodic(every="1h", kwargs={"days": object()})(report)
    with pytest.raises((InvalidArguments, ConfigError)):
        app.load()


def test_long_arguments_belong_elsewhere(app: App) -> None:
    app.periodic(every="1h", args=["x" * 20_000])(report)
    with pytest.raises(PayloadTooLarge, match="report"):
        app.load()


def test_there_are_not_any_number_of_schedules(app: App) -> None:
    job = app.job(report)
    for n in range(MOST_SCHEDULES):
        app.periodic(every="1h", schedule=f"s{n}")(job)
    with pytest.raises(InvalidOption, match="more than"):
        app.periodic(every="1h", schedule="straw")(job)


def test_the_examples_of_the_how_to_register_what_it_says() -> None:
    [block] = re.findall(r"^```python .*?\n(.*?)^```", PAGE, re.M | re.S)
    names: dict[str, Any] = {}
    exec(block, names)
    app: App = names["app"].load()

    assert {f"{each.queue}/{each.name} {each.times}" for each in app.registry.schedules} == {
        "reports/nightly_report 0 3 * * * Europe/Paris", "emails/fetch_mail every 30s",
        "default/morning 0 8 * * MON-FRI", "default/evening 0 18 * * MON-FRI",
    }  # fmt: skip
    assert entry_of(app, "morning")["payload"] == '{"kwargs":{"greeting":"Good morning"}}'


def test_the_defaults_are_those_of_the_how_to(app: App) -> None:
    app.periodic("@daily")(report)
    table = PAGE.partition("\n## ")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| `\"?(\w+)\"?` \|", table, re.MULTILINE))

    entry = entry_of(app)
    assert said == {
        "tz": entry["tz"], "overlap": str(entry["overlap"]), "missed": entry["missed"], "catch_up": "1h",
    }  # fmt: skip
    assert entry["catch_up_ms"] == 3_600_000
