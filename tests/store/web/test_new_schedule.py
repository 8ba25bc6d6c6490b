"""Schedules added and changed by a form, and by the JSON API, on a real server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from html import unescape
from typing import Any

import pytest

from jqjobs.jobs.options import Options
from jqjobs.jobs.schedule_entry import Entry
from jqjobs.jobs.timetable import Policy, Timetable
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.added import add_schedule, added_by_name
from jqjobs.store.calls.audit import read_notes
from jqjobs.web import Access, Dashboard
from jqjobs.web.access import VIEW, Right
from store.queue_system import QueueSystem
from store.web.conftest import Browser, Program

FORM = "/new/q/digest/schedule"


@pytest.fixture(autouse=True)
def a_job(system: QueueSystem) -> None:
    """Workers of q offer `digest`, which takes a number, a text and a secret."""
    system.run(upkeep.add_queues(["q"]))
    kinds = {"user_id": {"type": "integer"}, "note": {"type": "string", "default": "-"}, "api_key": {"type": "string"}}
    schema = {"type": "object", "properties": kinds, "x-positional": [*kinds], "required": ["user_id"],
              "additionalProperties": False}  # fmt: skip
    system.run(leases.publish("q", 30_000, {"digest": {"queue": "q", "priority": 3}}, {"digest": schema}))
    system.redis("ZADD", system.key("offers"), 10**15, "digest")


def typed_into(page: str) -> dict[str, str]:
    """Return what stands in the fields of a form, as a browser would send it."""
    form = page[page.index('<form method="post"') :]
    found = {
        name: unescape(value)
        for name, value in re.findall(r'<input id="[^"]*" name="([^"]+)"[^>]*?value="([^"]*)"', form)
    }
    chosen = re.findall(r'<select id="[^"]*" name="([^"]+)">(.*?)</select>', form, re.DOTALL)
    found |= {name: (re.findall(r'value="([^"]*)" selected', options) or ["latest"])[0] for name, options in chosen}
    return found | dict.fromkeys(re.findall(r'<input type="checkbox" name="([^"]+)"[^>]* checked', form), "yes")


def only(schedules: Iterable[dict[str, Any]]) -> dict[str, Any]:
    [found] = schedules
    return found


def test_a_schedule_is_added_changed_and_removed_by_forms(browser: Browser, program: Program) -> None:
    assert f'href="{FORM}"' in browser.see("/new?for=schedule")
    form = typed_into(browser.see(FORM))
    added = browser.press(FORM, **{**form, "schedule": "digest:42", "cron": "0 8 * * *", "tz": "Europe/Paris",
                                   "p.user_id": "42", "tags": "a b", "no_overlap": "yes"})  # fmt: skip

    assert "q/digest:42 is added" in added
    found = only(program.get("schedules")["schedules"])
    assert (found["cron"], found["tz"], found["overlap"], found["job"]) == (
        "0 8 * * *",
        "Europe/Paris",
        False,
        "digest",
    )

    [change] = re.findall(r'href="([^"]*edit=[^"]*)"', added)
    form = typed_into(browser.see(unescape(change)))
    assert (form["p.user_id"], form["tags"], form["replace"], form["no_overlap"]) == ("42", "a b", "yes", "yes")
    form.pop("no_overlap")
    assert "is changed" in browser.press(FORM, **{**form, "cron": "", "tz": "", "every": "15m"})
    assert only(program.get("schedules")["schedules"])["every_s"] == 900.0
    assert "q/digest:42 is removed" in browser.press("/schedules/q/digest%3A42/remove")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({}, "it is not said when it comes"),
        ({"every": "15m", "cron": "* * * * *"}, "every takes neither cron nor tz"),
        ({"every": "soon"}, "&#39;soon&#39; is not a duration"),
        ({"cron": "61 * * * *"}, "61 * * * *"),
        ({"cron": "* * * * *", "tz": "Mars/Base"}, "Mars/Base"),
        ({"every": "15m", "schedule": "a b"}, "is not a valid name"),
        ({"every": "15m", "p.user_id": "x"}, "user_id wants integer"),
        ({"every": "15m", "p.user_id": ""}, "user_id"),
        ({"every": "15m", "until": "yesterday"}, "yesterday"),
        ({"every": "15m", "missed": "some"}, "none of latest"),
        ({"every": "15m", "max_attempts": "0"}, "max_attempts 0"),
        ({"every": "15m", "queue": "a b"}, "not a valid name"),
        ({"every": "15m", "note": "x", "p.note": "x" * 20_000}, "take more than 16384 bytes"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)  # fmt: skip
def test_what_is_wrong_is_told_above_the_form_as_it_was_typed(
    browser: Browser, program: Program, typed: dict[str, str], told: str
) -> None:
    response = browser.ask(FORM, {"schedule": "s", "p.user_id": "7", **typed})
    page = response.body.decode()

    assert response.status == 400
    assert told in page[page.index("Not added") :]
    assert typed_into(page)["cron"] == typed.get("cron", "")
    assert program.get("schedules")["schedules"] == []


def test_a_change_leaves_all_as_it_is_that_is_not_changed(system: QueueSystem, browser: Browser) -> None:
    options = Options(priority=0, max_attempts=5, max_crashes=2, timeout=90, expires="1d", keep="2h", tags=["a"],
                      group="t:7")  # fmt: skip
    times, policy = Timetable("", 600_000), Policy("all", 0)
    entry = Entry("digest", b'{"args":[7]}', times, policy, options.fields(), 0, overlap=False)
    system.run(add_schedule("q", "s", entry.added_as("s", (int(time.time()) + 86_400) * 1000)))

    def stored() -> dict[str, Any]:
        [found] = [each.entry for each in system.run(added_by_name("q", ["s"])).schedules]
        assert found is not None
        words = found["fields"]
        return {**found, "payload": None, "fields": sorted(zip(words[::2], words[1::2], strict=True))}

    before = stored()
    assert "is changed" in browser.press(FORM, **typed_into(browser.see(f"{FORM}?edit=s")) | {"every": "20m"})

    assert stored() == before | {"every_ms": 1_200_000}


def test_another_one_of_that_name_is_not_overwritten_unasked(browser: Browser) -> None:
    said = {"schedule": "s", "p.user_id": "7"}
    browser.press(FORM, every="15m", **said)
    again = browser.press(FORM, every="15m", **said)
    other = browser.ask(FORM, {"every": "20m", **said}).body.decode()

    assert "is there already, the same" in again
    assert "there is another one of that name" in other
    assert "is changed" in browser.press(FORM, every="20m", replace="yes", **said)


def test_a_secret_argument_is_in_no_form_and_its_loss_is_told(browser: Browser) -> None:
    browser.press(FORM, schedule="s", every="1h", **{"p.user_id": "7", "p.api_key": "4711"})
    page = browser.see(f"{FORM}?edit=s")

    assert ("4711" in page, "redacted" in page, "type them anew" in page) == (False, False, True)
    assert typed_into(page)["p.user_id"] == "7"


def test_programs_add_schedules_and_it_is_noted(system: QueueSystem, program: Program) -> None:
    given = {"name": "poll:7", "job": "digest", "every": 90, "kwargs": {"user_id": 7}, "tags": ["a"], "overlap": False}

    assert program.ask("POST", "/api/v1/schedules", given).status == 201
    assert program.post("schedules", **given)["added"] is False
    assert program.refused("POST", "schedules", {**given, "every": 91}) == (409, "conflict")
    assert program.post("schedules", **given | {"every": 91, "replace": True})["changed"] is True
    assert read_notes(system.store, 1)[0].act == "web schedule"
    assert only(program.get("schedules")["schedules"])["every_s"] == 91.0


@pytest.mark.parametrize(
    "given",
    [{}, {"name": 3}, {"name": "s"}, {"job": ["digest"]}, {"every": {}}, {"every": 1e308}, {"cron": 5}, {"tz": True},
     {"overlap": "no"}, {"tags": "a"}, {"priority": "high"}, {"catch_up": []}, {"colour": "red"}, {"queue": "a b"},
     {"until": 5}, {"kwargs": [1]}, {"name": "s\x00", "every": 5}, {"missed": "never"}],
    ids=str,
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_refused(system: QueueSystem, program: Program, given: dict[str, object]) -> None:
    whole = {"name": "s", "job": "digest", "every": "15m", "kwargs": {"user_id": 7}}
    status, code = program.refused(
        "POST", "schedules", given if len(given) < 1 or given == {"name": "s"} else whole | given
    )

    assert (status, code[:7]) == (400, "invalid")
    assert system.redis("EXISTS", system.key("added")) == 0


def test_who_may_not_enqueue_adds_no_schedule(system: QueueSystem) -> None:
    """A schedule enqueues what it is given: else it would be a way round that right."""
    dashboard = Dashboard(system.url, auth=lambda _: Access("eve", VIEW | {Right.SCHEDULE}))
    program, browser = Program(dashboard), Browser(dashboard)
    given = {"name": "s", "job": "digest", "every": "15m", "kwargs": {"user_id": 7}}

    assert program.refused("POST", "schedules", given) == (403, "not_allowed")
    assert browser.ask(FORM, {"schedule": "s", "every": "15m", "p.user_id": "7"}).status == 403
    assert "New schedule" not in browser.see("/schedules")
    assert read_notes(system.store, 5) == []
    dashboard.close()
