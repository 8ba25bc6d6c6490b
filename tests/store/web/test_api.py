"""The JSON API tells and does what jqctl does, on a real server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jqjobs.jobs.records import Kind
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.audit import read_notes
from jqjobs.store.calls.cancels import cancel
from jqjobs.web import Access, Dashboard, bulk
from jqjobs.web.access import VIEW
from jqjobs.web.redaction import HIDDEN
from log_lines import Lines
from store.queue_system import QueueSystem
from store.web.conftest import Program


def dead(system: QueueSystem, *ids: str) -> None:
    """Have jobs that somebody has cancelled before they ran."""
    system.run(upkeep.add_queues(["q"]))
    for job_id in ids:
        system.add(job_id, fields=("max_attempts", "1"))
        system.round(Kind.FAILED, worker="w")


def publish(
    system: QueueSystem, name: str, *, queue: str = "q", redact: Sequence[str] = (), **properties: Any
) -> None:  # fmt: skip
    """Say, as a worker does, what a job takes by position."""
    entry = {"queue": queue, "redact": [*redact]}
    schema = {"type": "object", "properties": properties, "x-positional": [*properties]}
    system.run(leases.publish(queue, 30_000, {name: entry}, {name: schema}))


def test_the_whole_is_told_as_jqctl_tells_it(system: QueueSystem, program: Program) -> None:
    dead(system, "a")
    system.add("b")

    found = program.get("status")

    assert {"now_ms", "redis", "memory", "queues", "daemons"} <= found.keys()
    [queue] = found["queues"]
    assert (queue["name"], queue["ready"], queue["dead"], queue["paused"], queue["served"]) == ("q", 1, 1, False, False)
    assert program.get("queues")["queues"] == found["queues"]
    assert program.get("queues/q")["queue"] == queue


def test_jobs_come_page_by_page_and_none_twice(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.add(*(f"j{n}" for n in range(7)))
    seen: list[str] = []
    cursor = ""

    for _ in range(4):
        page = program.get(f"jobs?queue=q&state=ready&limit=3&cursor={cursor}")
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
        if cursor is None:
            break

    assert seen == [f"j{n}" for n in range(7)]


def test_what_is_secret_is_in_no_answer(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    publish(system, "n")
    system.add("a", payload=b'{"kwargs": {"card_no": "4711", "to": {"password": "4711"}, "n": 1}}')
    system.push({"job": "n", "kwargs": {"token": "4711"}})

    shown = program.get("jobs/q/a")["job"]

    assert shown["kwargs"] == {"card_no": HIDDEN, "to": {"password": HIDDEN}, "n": 1}
    assert "4711" not in json.dumps(program.get("jobs?queue=q&state=inbox"))


def test_a_search_finds_only_what_may_be_seen(system: QueueSystem, program: Program) -> None:
    """Else whoever may look guesses a secret letter by letter, by what is found, counted, or acted on."""
    system.run(upkeep.add_queues(["q"]))
    publish(system, "n", redact=["iban"], iban={}, note={})
    publish(system, "large")
    system.add("a", payload=b'{"args": ["4711", "pear"], "kwargs": {"password": "4711"}}')
    system.add("gone", name="unknown", payload=b'{"kwargs": {"x": "4711", "y": "pear"}}')
    system.add("large", name="large", payload=b'{"kwargs": {"x": "4711pear%s"}}' % (b" " * 20_000))
    counted = {"queue": "q", "state": "ready", "act": "cancel", "dry_run": True}

    def found(text: str) -> tuple[list[str], int, int]:
        page = program.get(f"jobs?queue=q&state=ready&text={text}")
        bulk = program.post("bulk", **counted, selector={"text": text})
        return [job["id"] for job in page["jobs"]], page["searched"], bulk["matched"]

    assert found("pear") == (["a"], 3, 1)
    assert found("4711") == ([], 3, 0)
    assert program.post("bulk", **counted | {"dry_run": False}, selector={"text": "4711"})["done"] == 0


def test_who_asks_how_many_match_is_told_of_a_bounded_number(
    system: QueueSystem, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_MOST_COUNTED", 1)
    system.add(*(f"j{n}" for n in range(501)))
    asked = {"queue": "q", "state": "ready", "act": "delete", "dry_run": True}
    first = program.post("bulk", **asked)
    assert (first["matched"], first["left"]) == (500, 1)
    assert program.post("bulk", **asked, cursor=first["cursor"])["matched"] == 1
    page = program.ask("GET", "/jobs/bulk?queue=q&state=ready&act=delete").body
    assert b"at least 500 jobs" in page
    assert b"1 were not looked at" in page


def test_defaults_are_no_secrets_in_forms_and_errors(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    publish(system, "n", apiKey={"type": "string", "default": "4711"}, n={"type": "integer"})
    wrong = program.ask("POST", "/api/v1/jobs", {"name": "n", "kwargs": {"n": "x"}}).body

    assert b"apiKey: string" in wrong
    for shown in (wrong, *(program.ask("GET", path).body for path in ("/new", "/new/q/n", "/api/v1/catalog"))):
        assert b"apiKey" in shown
        assert b"4711" not in shown
    assert b'value="[redacted]"' not in program.ask("GET", "/new/q/n").body


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("jobs/q/nothing", (404, "not_found")), ("jobs?queue=nowhere", (404, "not_found")),
        ("jobs?queue=a%20b", (400, "invalid_name")), ("jobs?queue=q&limit=0", (400, "invalid_option")),
        ("jobs?queue=q&state=gone", (400, "invalid_option")), ("jobs?queue=q&cursor=x", (400, "invalid_option")),
        ("scale?min=9&max=3", (400, "invalid_option")), ("scale?policy=wild", (400, "invalid_option")),
        ("nothing", (404, "not_found")),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_an_error_with_a_code(
    system: QueueSystem, program: Program, path: str, refusal: tuple[int, str]
) -> None:
    system.run(upkeep.add_queues(["q"]))

    assert program.refused("GET", path) == refusal


def test_a_job_is_enqueued_once(system: QueueSystem, program: Program) -> None:
    given = {"name": "send", "queue": "mails", "args": [1], "kwargs": {"a": "ü"}, "priority": 5, "delay": "10m"}

    publish(system, "send", queue="mails", n={"type": "integer"}, a={})
    made = program.post("jobs", id="once", **given)
    again = program.post("jobs", id="once", **given)

    assert (made["id"], made["queue"], made["created"], again["created"]) == ("once", "mails", True, False)
    assert "no daemon serves queue mails" in made["warning"]
    shown = program.get("jobs/mails/once")["job"]
    assert (shown["state"], shown["args"], shown["kwargs"], shown["priority"]) == ("scheduled", [1], {"a": "ü"}, 5)


@pytest.mark.parametrize(
    "given", [{}, {"name": 3}, {"name": "n", "queue": "q", "delay": "soon"}, {"name": "n", "priority": "high"},
              {"name": "n", "colour": "red"}, {"name": "n", "queue": "q", "args": {}}],
)  # fmt: skip
def test_a_job_that_cannot_be_is_refused(system: QueueSystem, program: Program, given: dict[str, object]) -> None:
    status, code = program.refused("POST", "jobs", given)

    assert (status, code[:7]) == (400, "invalid")


def test_one_job_is_retried_cancelled_promoted_deleted(system: QueueSystem, program: Program) -> None:
    dead(system, "a")
    program.post("jobs", name="n", queue="q", id="later", delay="1h")

    assert program.post("jobs/q/a/retry")["retried"] == ["q/a"]
    assert program.refused("POST", "jobs/q/a/retry") == (409, "conflict")
    assert program.post("jobs/q/a/cancel")["cancelled"] == ["q/a"]
    assert program.post("jobs/q/a/delete")["deleted"] == ["q/a"]
    assert program.refused("POST", "jobs/q/a/delete") == (404, "not_found")
    assert program.post("jobs/q/later/promote")["promoted"] == ["q/later"]
    assert program.refused("POST", "jobs/q/later/resolve", {"result": 1}) == (409, "conflict")
    assert program.refused("POST", "jobs/q/later/explode") == (404, "not_found")


def test_a_queue_is_paused_with_who_and_why(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))

    told = program.post("queues/q/pause", reason="mail is down", until="in 2h")

    assert (told["changed"], told["by"], told["reason"]) == (True, "ann", "mail is down")
    assert told["until_ms"] is not None
    assert program.refused("POST", "queues/q/pause", {"untl": "in 2h"}) == (400, "invalid_option")
    assert program.post("queues/q/resume") == {"v": 1, "queue": "q", "paused": False, "changed": True}


def test_every_act_is_noted_and_so_is_one_that_failed(system: QueueSystem, program: Program, logged: Lines) -> None:
    dead(system, "a")
    program.post("jobs/q/a/retry")
    program.refused("POST", "jobs/q/a/retry")

    failed, done = islice(read_notes(system.store, 2), 2)
    assert (done.who, done.act, done.given["target"], done.error) == ("ann", "web retry", "q/a", None)
    assert failed.error == "conflict"
    assert [line["error"] for line in logged if line["event"] == "web.act"] == [None, "conflict"]


def test_many_are_counted_first_and_who_came_later_is_left_alone(system: QueueSystem, program: Program) -> None:
    dead(system, *(f"d{n}" for n in range(5)))
    asked = {"queue": "q", "state": "dead", "selector": {"name": "n"}, "act": "delete"}

    seen = program.post("bulk", **asked, dry_run=True)
    while system.redis("TIME")[0] and program.get("status")["now_ms"] <= seen["until_ms"]:
        pass  # until the clock of Redis has moved on by a millisecond
    dead(system, "later")
    done = program.post("bulk", **asked, until_ms=seen["until_ms"])

    assert (seen["matched"], seen["done"], seen["dry_run"]) == (5, 0, True)
    assert (done["matched"], done["done"], done["cursor"]) == (5, 5, None)
    assert [job["id"] for job in program.get("jobs?queue=q&state=dead")["jobs"]] == ["later"]
    assert read_notes(system.store, 1)[0].given["n"] == 5


def test_many_go_on_where_a_request_ended(
    system: QueueSystem, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(system, *(f"d{n}" for n in range(150)))
    monkeypatch.setattr("jqjobs.web.bulk._MOST_S", 0.0)
    asked, done, cursor = {"queue": "q", "state": "dead", "act": "retry"}, 0, None

    while True:
        answer = program.post("bulk", **asked, cursor=cursor)
        done, cursor = done + answer["done"], answer["cursor"]
        if cursor is None:
            break

    assert done == 150


@pytest.mark.parametrize(
    "given",
    [
        {"act": "explode"}, {"act": "move"}, {"act": "delete"}, {"act": "retry", "state": "ready"},
        {"act": "retry", "selector": {"colour": "red"}}, {"act": "retry", "selector": {"name": 3}},
        {"act": "retry", "selector": {"tag": 3}}, {"act": "retry", "until_ms": "now"}, {"act": "retry", "to": "r"},
        {"act": "retry", "selector": []},
    ],
)  # fmt: skip
def test_many_are_not_touched_by_what_cannot_be_meant(
    system: QueueSystem, program: Program, given: dict[str, object]
) -> None:
    dead(system, "a")
    if given.get("selector") == []:
        given = {**given, "selector": ["name"]}

    assert program.refused("POST", "bulk", {"queue": "q", **given})[0] == 400


def test_who_may_look_sees_all_and_changes_nothing(system: QueueSystem) -> None:
    dead(system, "a")
    program = Program(Dashboard(system.url, auth=lambda _: Access("bob", VIEW)))

    assert program.refused("POST", "jobs/q/a/retry") == (403, "not_allowed")
    assert program.get("jobs/q/a")["job"]["state"] == "dead"
    assert read_notes(system.store, 10) == []
    program.dashboard.close()


def test_others_look_at_errors_recent_limits_schedules_daemons_catalog(system: QueueSystem, program: Program) -> None:
    dead(system, "a")
    system.run(cancel("q", [system.add("c")[0].id]))

    assert {group["queue"] for group in program.get("errors")["errors"]} == {"q"}
    for path, word in (("recent", "jobs"), ("limits", "limits"), ("schedules", "schedules"), ("daemons", "daemons"),
                       ("catalog", "jobs")):  # fmt: skip
        assert isinstance(program.get(path)[word], list)


def test_scalers_and_prometheus_get_their_numbers(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.add(*(f"j{n}" for n in range(40)))

    found = program.get("scale?queues=q&policy=linear&max=7")

    assert found.keys() == {"v", "wanted", "busy", "ready", "due_soon", "oldest_s", "why"}
    assert (found["wanted"], found["ready"]) == (7, 40)
    text = program.ask("GET", "/metrics").body.decode()
    assert "jqjobs_jobs" in {family.name for family in text_string_to_metric_families(text)}


def test_a_look_at_the_whole_is_shared(system: QueueSystem, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    dashboard = program.dashboard
    look = dashboard._snapshot._read
    monkeypatch.setattr(dashboard._snapshot, "_read", lambda before: looks.append(before) or look(before))
    monkeypatch.setattr(dashboard._snapshot, "_clock", lambda: 1000.0)

    for _ in range(20):
        program.get("status")

    assert len(looks) == 1


@pytest.mark.parametrize(
    ("path", "given", "word"),
    [
        ("jobs", {}, "name"),
        ("batches", {"then": []}, "batch"),
        ("schedules", {}, "name"),
        ("schedules", {"name": "a:b", "every": "1h"}, "job"),
        ("bulk", {"act": "retry"}, "queue"),
        ("bulk", {"queue": "q"}, "act"),
    ],
    ids=str,
)
def test_what_a_body_lacks_is_named(program: Program, path: str, given: dict[str, Any], word: str) -> None:
    response = program.ask("POST", f"/api/v1/{path}", given)
    error = json.loads(response.body)["error"]
    assert (response.status, error["message"]) == (400, f"{word} is missing")
