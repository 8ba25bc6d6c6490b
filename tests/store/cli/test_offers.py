"""`jqctl enqueue NAME` and `jqctl jobs`: what live workers have registered decides where a job goes and what fits."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.store.calls import daemons, leases, upkeep
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

LEASE_MS = 30_000

app = App()


@app.job(queue="emails", priority=7)
def send_welcome(user_id: int, template: str = "default", *, urgent: bool = False) -> None:
    """Greet a new user.

    And more.
    """


@app.job(queue="reports", timeout="10m", keep="1h")
def count_words(path: str) -> int:
    return len(path.split())


@app.job(queue="reports")
def anything(*parts: str, **options: Any) -> None: ...


def offer(system: QueueSystem, *queues: str, of: App = app, lease_ms: int = LEASE_MS) -> None:
    """Publish as workers do that serve these queues."""
    system.store.run(upkeep.add_queues(list(queues)))
    for queue in queues:
        system.run(leases.publish(queue, lease_ms, of.registry.catalog(), of.registry.parameters(queue)))


@pytest.fixture
def served(system: QueueSystem) -> QueueSystem:
    """A daemon that serves the queues of the app."""
    system.run(daemons.register("d1", 60_000, {"name": "web", "state": "running", "queues": "emails reports"}, {}))
    offer(system, "emails", "reports")
    return system


def test_a_job_goes_to_the_queue_it_is_registered_for(served: QueueSystem, terminal: Terminal) -> None:
    answer = terminal.json("enqueue", "send_welcome", "--args", "[42]")
    assert (answer["queue"], answer["warning"]) == ("emails", None)
    assert served.job(answer["id"], "emails")["priority"] == "7"
    assert terminal.run("enqueue", "count_words", "--kwargs", '{"path": "x"}') == 0
    assert terminal.out.startswith("enqueued reports/")


def test_when_several_queues_offer_it_they_are_named(served: QueueSystem, terminal: Terminal) -> None:
    second = App()
    second.job(queue="mails", name="send_welcome")(lambda user_id: None)
    offer(served, "mails", of=second)
    error = terminal.error("enqueue", "send_welcome", "--args", "[42]")
    assert (terminal.code, error["code"]) == (Exit.CONFLICT, "conflict")
    assert error["hint"] == "say which one: --queue emails or --queue mails"
    assert terminal.json("enqueue", "send_welcome", "--queue", "mails", "--args", "[42]")["queue"] == "mails"


def test_what_a_live_worker_offers_goes_before_what_another_has_left_behind(
    served: QueueSystem, terminal: Terminal
) -> None:
    moved = App()
    moved.job(queue="mails", name="send_welcome")(lambda user_id: None)
    offer(served, "mails", of=moved, lease_ms=1)
    assert terminal.json("enqueue", "send_welcome", "--args", "[42]")["queue"] == "emails"


def test_when_nobody_offers_it_the_similar_one_is_named_and_nothing_is_stored(
    served: QueueSystem, terminal: Terminal
) -> None:
    error = terminal.error("enqueue", "send_welcom")
    assert (terminal.code, error["code"]) == (Exit.NOT_FOUND, "not_found")
    assert "did you mean 'send_welcome'?" in error["hint"]
    assert "--queue NAME stores it all the same" in error["hint"]
    assert [queue["ready"] for queue in terminal.json("status")["queues"]] == [0, 0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("send_welcome",), "'user_id' is missing"),
        (("send_welcome", "--args", "[1, 2]"), "'template' wants string, and got integer"),
        (("send_welcome", "--args", '[1, "a", true]'), "at most 2 positional arguments, and got 3"),
        (("send_welcome", "--kwargs", '{"user": 1}'), "no parameter 'user'"),
        (("send_welcome", "--queue", "emails"), "'user_id' is missing"),
        (("send_welcome", "--queue", "reports"), "'user_id' is missing"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_are_refused_with_what_would(
    served: QueueSystem, terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    error = terminal.error("enqueue", *words)
    assert terminal.code == Exit.USAGE
    assert said in error["message"]
    assert error["hint"].startswith(
        'send_welcome(user_id: integer, template: string = "default", *, urgent: boolean = false)'
    )
    assert [queue["ready"] for queue in terminal.json("status")["queues"]] == [0, 0]
    assert terminal.run("enqueue", *words, "--unchecked") == 0


def test_any_call_fits_a_job_that_takes_anything(served: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("enqueue", "anything", "--args", '["a", "b"]', "--kwargs", '{"c": {}}') == 0


def test_old_word_of_a_job_refuses_nothing(system: QueueSystem, terminal: Terminal) -> None:
    offer(system, "emails", lease_ms=1)
    assert "no daemon serves queue emails" in terminal.json("enqueue", "send_welcome")["warning"]


def test_the_warning_names_what_may_have_been_meant(served: QueueSystem, terminal: Terminal) -> None:
    said = terminal.json("enqueue", "send_welcome", "--queue", "emals", "--args", "[1]")["warning"]
    assert said == "no daemon serves queue emals: the job waits until one does (was emails meant?)"
    said = terminal.json("enqueue", "send_welcme", "--queue", "emails")["warning"]
    assert said.endswith("it is parked until one does (was send_welcome meant?)")


def test_jobs_lists_what_workers_have_registered(served: QueueSystem, terminal: Terminal) -> None:
    listed = {job["name"]: job for job in terminal.json("jobs")["jobs"]}
    assert list(listed) == ["anything", "count_words", "send_welcome"]
    assert listed["send_welcome"] == {
        "name": "send_welcome", "queue": "emails", "doc": "Greet a new user.",
        "params": send_welcome.signature.schema(), "defaults": {"template": "default", "urgent": False},
        "offered_by": ["web"], "priority": 7, "max_attempts": 10, "max_crashes": 3, "timeout_ms": 3_600_000,
        "keep_ms": None,
    }  # fmt: skip
    assert [job["name"] for job in terminal.json("jobs", "--queue", "emails")["jobs"]] == ["send_welcome"]
    assert terminal.error("jobs", "--queue", "emals")["code"] == "not_found"


def test_jobs_tells_people_how_each_is_called_and_fits_100_columns(served: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("jobs") == 0
    assert max(map(len, terminal.out.splitlines())) <= 100
    assert "count_words(path: string)" in terminal.out
    assert terminal.run("jobs", "-o", "wide") == 0
    assert "anything(*rest: string, **more: anything)" in terminal.out
    assert "Greet a new user." in terminal.out
    assert "web" in terminal.out


def test_a_job_that_no_live_worker_offers_says_so(system: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("jobs") == 0
    assert "No job is known" in terminal.out
    offer(system, "emails", lease_ms=1)
    assert terminal.run("jobs", "--queue", "emails") == 0
    assert "! NOT OFFERED: no live worker of queue emails has it" in terminal.out
    assert terminal.json("jobs")["jobs"][0]["offered_by"] == []


def test_one_damaged_catalog_hides_no_other(served: QueueSystem, terminal: Terminal) -> None:
    served.store.run(upkeep.add_queues(["bad"]))
    served.redis("SET", "jq:{bad}:catalog", "x")
    served.redis("HSET", "jq:{emails}:catalog", "odd", "[1", "params:count_words", "{")
    assert {job["name"] for job in terminal.json("jobs")["jobs"]} == {"anything", "count_words", "send_welcome"}
    assert terminal.run("enqueue", "send_welcome", "--args", "[1]") == 0


def test_the_jobs_of_another_prefix_are_not_offered_here(served: QueueSystem, terminal: Terminal) -> None:
    separator = "&" if "?" in served.url else "?"
    elsewhere = ("--redis", f"{served.url}{separator}prefix=other")
    assert terminal.json("jobs", *elsewhere)["jobs"] == []
    assert terminal.error("enqueue", "send_welcome", *elsewhere)["code"] == "not_found"


def test_ids_are_what_other_commands_take(served: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("jobs", "-o", "ids") == 0
    assert terminal.out.splitlines() == ["anything", "count_words", "send_welcome"]
    assert terminal.run("enqueue", "send_welcome", "--args", "[1]", "--delay", "1h", "-o", "ids") == 0
    job = terminal.out.strip()
    for words in (("job", "list", "--queue", "emails", "--state", "scheduled"), ("job", "promote", job),
                  ("job", "cancel", job), ("job", "retry", job), ("job", "delete", "--yes", job)):  # fmt: skip
        assert terminal.run(*words, "-o", "ids") == 0
        assert terminal.out == f"{job}\n"
    assert terminal.run("queue", "list", "-o", "ids") == 0
    assert terminal.out.splitlines() == ["emails", "reports"]
    assert terminal.run("daemon", "list", "-o", "ids") == 0
    assert terminal.out == "d1\n"


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("status", "--queue", "emails"), "emails\n"),
        (("queue", "pause", "emails"), "emails\n"),
        (("queue", "resume", "emails"), "emails\n"),
        (("job", "show", "emails/mine"), "emails/mine\n"),
        (("job", "list", "--queue", "emails", "--state", "rejected"), ""),
    ],
)
def test_what_acts_on_one_thing_names_it(
    served: QueueSystem, terminal: Terminal, words: tuple[str, ...], ids: str
) -> None:
    assert terminal.run("enqueue", "send_welcome", "--args", "[1]", "--delay", "1h", "--id", "mine") == 0
    assert terminal.run(*words, "-o", "ids") == 0
    assert terminal.out == ids
