"""Batches and chains in the dashboard and its JSON API, on a real server."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from jqjobs.jobs.flow import OnDead, written
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import batches, leases, upkeep
from store.queue_system import QueueSystem
from store.web.conftest import Browser, Program


def step(name: str, **more: Any) -> bytes:
    return json.dumps({"job": name} | more).encode()


def open_batch(
    system: QueueSystem, batch_id: str, members: int, on_dead: OnDead = OnDead.WAIT, queue: str = "q"
) -> None:
    """Open a batch of ready jobs "<batch>-<n>", and close it; a report comes after it, and in any case a list."""
    then, always = written([step("report", queue="other")]), written([step("unlock"), step("tell")])
    system.run(upkeep.add_queues([queue]))
    system.run(batches.open_batch(queue, batch_id, "nonce", on_dead, 60_000, then, always))
    ids = [f"{batch_id}-{n}" for n in range(members)]
    system.add(*ids, queue=queue, fields=("flow", "b", "batch", f"{queue}/{batch_id}", "max_attempts", 1))
    system.run(batches.close_batch(queue, batch_id, members))


@pytest.fixture
def waiting(system: QueueSystem) -> QueueSystem:
    """A batch "import" that waits for its dead member, and one "go" that goes on."""
    open_batch(system, "import", 2)
    done, failed = system.take("w", 2)
    system.settle("w", done, Kind.KEPT, 60_000)
    system.settle("w", failed, Kind.FAILED)
    open_batch(system, "go", 3, OnDead.GO)
    return system


def test_batches_say_what_they_wait_for_and_what_comes_then(waiting: QueueSystem, browser: Browser) -> None:
    page = " ".join(browser.words("/batches").split())

    assert "2 going on, 0 over" in page
    assert "waits for 1 member that died: retry what is dead, or cancel it" in page
    assert page.index("import") < page.index("waits for 3 members")  # who is needed sees it first
    assert "report in other" in page
    assert "in any case: unlock, then tell" in page


def test_a_batch_shows_its_dead_members_and_a_retry_lets_it_succeed(waiting: QueueSystem, browser: Browser) -> None:
    page = browser.see("/batches/q/import")
    [retry] = re.findall(r'action="(/jobs/q/import-1/retry)"', page)

    assert "Waiting" in page
    assert re.findall(r'class="row" href="([^"]+)"', page) == ["/jobs/q/import-1", "/jobs/q/import-0"]
    assert "q/import-1 is ready again" in browser.press(retry, back="/batches/q/import")
    assert 'href="/jobs/q/import.always"' in page
    for job in waiting.take("w", 9):
        waiting.settle("w", job)
    page = browser.see("/batches/q/import")
    assert ("succeeded" in page, 'href="/jobs/other/import.then"' in page) == (True, True)
    assert 'action="/batches/q/import/cancel"' not in page


def test_all_dead_members_of_a_batch_are_retried_by_one_button(waiting: QueueSystem, browser: Browser) -> None:
    assert 'action="/batches/q/go/retry"' not in browser.see("/batches/q/go")
    assert 'action="/batches/q/import/retry"' in browser.see("/batches/q/import")
    assert "batch q/import: 1 dead member sent back" in browser.press("/batches/q/import/retry")
    assert waiting.states("import-1") == ["ready"]
    assert "no dead members sent back" in browser.press("/batches/q/import/retry")


def test_a_batch_whose_callback_was_rejected_says_so_and_does_not_lead_to_the_job_that_has_its_id(
    system: QueueSystem, browser: Browser
) -> None:  # fmt: skip
    system.add("import.always")
    open_batch(system, "import", 0)
    page = browser.see("/batches/q/import")

    assert "unlock, then tell</a>" not in page
    assert re.search(r'unlock, then tell <strong class="bad">was rejected</strong>.*state=rejected', page)
    assert page.count("was rejected") == 1


def test_a_batch_is_cancelled_by_its_button(waiting: QueueSystem, browser: Browser) -> None:
    assert 'action="/batches/q/go/cancel"' in browser.see("/batches/q/go")
    assert "batch q/go is cancelled" in browser.press("/batches/q/go/cancel")
    assert [waiting.states(f"go-{n}") for n in range(3)] == [["dead"]] * 3
    assert browser.ask("/batches/q/go/cancel", {}).status == 409
    assert browser.ask("/batches/q/none").status == 404


def test_many_batches_of_a_queue_come_page_by_page(system: QueueSystem, browser: Browser, program: Program) -> None:
    for number in range(60):
        open_batch(system, f"b{number:02}", 1, queue=f"q{number % 2}")
    further = re.search(r'href="([^"]*)" rel="next"', browser.see("/batches?queue=q0"))

    assert further is None
    assert "and 10 more: choose a queue" in browser.see("/batches")
    first = program.get("batches?queue=q1&limit=20")
    rest = program.get(f"batches?queue=q1&limit=20&cursor={first['cursor']}")
    ids = [each["id"] for each in [*first["batches"], *rest["batches"]]]
    assert (sorted(ids), rest["cursor"]) == ([f"b{n:02}" for n in range(1, 60, 2)], None)


def test_programs_read_retry_and_cancel_batches(waiting: QueueSystem, program: Program) -> None:
    found = program.get("batches/q/import")

    assert (found["open"], found["dead"], found["kept"]) == ([], ["q/import-1"], ["q/import-0"])
    assert found["batch"]["then"] == [{"job": "report", "queue": "other"}]
    assert program.get("batches?queue=q")["going_on"] == 2
    assert program.post("batches/q/import/retry") == {
        "v": 1, "batch": "q/import", "retried_count": 1, "refused_count": 0
    }  # fmt: skip
    assert program.post("batches/q/go/cancel") == {"v": 1, "batch": "q/go", "cancelled": True}
    assert program.refused("POST", "batches/q/go/cancel") == (409, "conflict")
    assert program.refused("POST", "batches/q/go/explode") == (404, "not_found")
    assert program.refused("GET", "batches/q/none") == (404, "not_found")


def test_a_job_shows_the_steps_around_it(system: QueueSystem, browser: Browser, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    both = json.dumps({"all": [step("thumb").decode()] * 2}).encode()
    then = written([step("resize"), both, step("publish", queue="web")])
    system.add("f", name="fetch", fields=("flow", "t", "then", then))
    system.settle("w", system.take("w")[0], Kind.KEPT, 60_000)
    first, second = browser.see("/jobs/q/f"), browser.see("/jobs/q/f.2")

    assert "Step 1 of 4 of a chain" in first
    assert 'href="/jobs/q/f.2">resize</a> → 2 × thumb side by side → publish in web' in first
    assert "Step 2 of 4 of a chain" in second
    assert '<a class="id" href="/jobs/q/f">f</a>' in second
    [resized] = system.take("w")
    system.settle("w", resized)
    assert 'Member of batch <a href="/batches/q/f.3">q/f.3</a>' in browser.see("/jobs/q/f.3.1")
    assert [each.get("all") for each in program.get("jobs/q/f")["job"]["then"]] == [None, ["thumb", "thumb"], None]
    for thumb in system.take("w", 2):
        system.settle("w", thumb)
    assert 'Called for by the end of batch <a href="/batches/q/f.3">' in browser.see("/jobs/q/f.3.then")


def test_a_dead_step_says_that_the_chain_stops_there(system: QueueSystem, browser: Browser) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.add("f", fields=("flow", "t", "then", written([step("publish")]), "max_attempts", 1))
    system.settle("w", system.take("w")[0], Kind.FAILED)

    assert "The chain stops here" in browser.see("/jobs/q/f")


def test_find_leads_to_a_batch_by_its_name(waiting: QueueSystem, browser: Browser) -> None:
    assert "batch of 2" in browser.see("/find?q=q/import")


NOBODY = "no daemon serves queue q: the job waits until one does"


def offer(system: QueueSystem, *names: str) -> None:
    """Say, as a worker does, that there are jobs of these names, which take nothing."""
    system.run(upkeep.add_queues(["q"]))
    entries = {name: {"queue": "q"} for name in names}
    system.run(leases.publish("q", 30_000, entries, {name: {"type": "object", "properties": {}} for name in names}))


def test_programs_make_chains_and_batches(system: QueueSystem, program: Program, browser: Browser) -> None:
    opened = {"batch": "q/b", "always": ["tell"], "then": [{"all": ["thumb", {"job": "thumb"}]}], "on_dead": "go"}
    offer(system, "thumb", "tell", "resize")
    assert program.post("batches", **opened) == {"v": 1, "batch": "q/b", "opened": True, "warning": NOBODY}
    assert not program.post("batches", **opened)["opened"]
    assert program.refused("POST", "batches", {"batch": "q/b"}) == (409, "conflict")
    made = program.post("jobs", name="resize", id="r", batch="q/b", then=[{"job": "tell", "delay_ms": 1}], timeout="9s")
    assert (made["created"], system.job("r")["flow"], system.job("r")["timeout"]) == (True, "tb", "9000")
    assert program.post("batches/q/b/close", count=2)["count"] == 2
    assert program.get("batches/q/b")["batch"]["state"] == "open"
    assert 'action="/batches/q/b/close"' not in browser.see("/batches/q/b")
    assert program.refused("POST", "batches/q/b/close") == (409, "conflict")
    assert [step.get("all") for step in program.get("batches/q/b")["batch"]["then"]] == [["thumb", "thumb"]]


@pytest.mark.parametrize(
    ("path", "given", "refusal"),
    [
        ("jobs", {"name": "n", "queue": "q", "then": "tell"}, (400, "invalid_option")),
        ("jobs", {"name": "n", "queue": "q", "then": [["tell"]]}, (400, "invalid_option")),
        ("jobs", {"name": "n", "queue": "q", "then": ["tell"]}, (404, "not_found")),
        ("jobs", {"name": "n", "queue": "q", "batch": 7}, (400, "invalid_option")),
        ("jobs", {"name": "n", "queue": "q", "batch": "q/none"}, (404, "not_found")),
        ("batches", {"batch": "q/"}, (400, "invalid_name")),
        ("batches", {"batch": "q/b", "queue": "q"}, (400, "invalid_option")),
        ("batches", {"batch": "q/b", "on_dead": ["go"]}, (400, "invalid_option")),
        ("batches/q/b/close", {"count": "2"}, (400, "invalid_option")),
        ("batches/q/b/close", {"cuont": 2}, (400, "invalid_option")),
    ],
    ids=str,
)
def test_flows_that_cannot_be_are_refused(
    system: QueueSystem, program: Program, path: str, given: dict[str, Any], refusal: tuple[int, str]
) -> None:
    system.run(upkeep.add_queues(["q"]))
    assert program.refused("POST", path, given) == refusal
    assert (system.ids(), program.get("batches")["batches"]) == ([], [])


def test_a_form_enqueues_a_chain_into_an_open_batch_that_a_button_closes(
    system: QueueSystem, browser: Browser, program: Program
) -> None:
    offer(system, "resize", "tell")
    program.post("batches", batch="q/b")
    wrong = browser.ask("/new/q/resize", {"then": "tel"}).body.decode()
    assert ("no queue offers a job &#39;tel&#39;" in wrong, ">tel</textarea>" in wrong) == (True, True)

    browser.press("/new/q/resize", then='tell\r\n\r\n{"job": "tell"}', batch="q/b", group="g")
    [job_id] = system.ids()
    assert (system.job(job_id)["flow"], system.job(job_id)["fair"]) == ("tb", "=g")
    assert 'action="/batches/q/b/close"' in browser.see("/batches/q/b")
    assert "q/b is closed, of 1 member" in browser.press("/batches/q/b/close")
    assert 'action="/batches/q/b/close"' not in browser.see("/batches/q/b")
