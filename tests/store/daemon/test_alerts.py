"""Alerts: what is told, by one of all daemons, at least once and not again for a while."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jqjobs.daemon.alerts.conditions import Alert
from jqjobs.daemon.alerts.delivery import execute, post, tellers
from jqjobs.daemon.alerts.thread import AlertThread
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.memory import sample_memory
from log_lines import Lines
from store.queue_system import QueueSystem

MINUTE_MS = 60_000
ALERT = Alert("died", "q", "3 jobs of q died; the last one: mail: $(touch /tmp/oops) `id`", "jqctl errors --queue q")


class Person:
    """Who is told; answers ``failure`` to each alert."""

    def __init__(self) -> None:
        self.heard: list[Alert] = []
        self.failure = ""

    def __call__(self, alert: Alert) -> str:
        self.heard.append(alert)
        return self.failure

    def messages(self) -> list[str]:
        """What was heard since this was asked last."""
        heard, self.heard = self.heard, []
        return [alert.message for alert in heard]


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def daemons(system: QueueSystem, person: Person, monkeypatch: pytest.MonkeyPatch) -> list[AlertThread]:
    """Two of them, that look by the clock of the test."""
    monkeypatch.setattr("jqjobs.daemon.alerts.thread.server_now_ms", lambda _: system.clock.now_ms)
    system.run(upkeep.add_queues(["q"]))
    return [AlertThread(DaemonSettings("a:b", system.url), system.store, [person]) for _ in range(2)]


def look(daemons: list[AlertThread]) -> None:
    for daemon in daemons:
        daemon.look()


def kill(system: QueueSystem, job_id: str, error: str = "boom") -> None:
    system.clock.advance(1)
    system.add(job_id, name="mail")
    system.trips[job_id] = 0
    system.join(job_id)  # a worker of its own: the lease of the one before has run out
    system.round(Kind.DISCARDED, worker=job_id, text=error)
    system.clock.advance(1)


def test_deaths_are_told_once_and_those_after_them_later(
    system: QueueSystem, daemons: list[AlertThread], person: Person, logged: Lines
) -> None:
    kill(system, "old")
    system.clock.advance(20 * MINUTE_MS)
    look(daemons)
    assert person.messages() == []  # nobody wanted to know then

    kill(system, "a")
    kill(system, "b", "SMTPError: \x1b[31mno route")
    look(daemons)
    assert person.messages() == [r"2 jobs of q died; the last one: mail: SMTPError: \x1b[31mno route"]
    kill(system, "c")
    look(daemons)
    assert person.messages() == []
    system.clock.advance(15 * MINUTE_MS)
    look(daemons)
    assert person.messages() == ["1 job of q died; the last one: mail: boom"]
    system.clock.advance(15 * MINUTE_MS)
    look(daemons)
    assert person.messages() == []
    assert [line["event"] for line in logged] == ["alert.told"] * 2


def test_what_was_not_heard_is_told_again_by_whoever_looks_next(
    system: QueueSystem, daemons: list[AlertThread], person: Person, logged: Lines
) -> None:
    kill(system, "a")
    person.failure = "it answered 500"
    look(daemons)  # the second one leaves it to the first
    assert len(person.messages()) == 1
    system.clock.advance(MINUTE_MS)
    look(daemons)
    assert len(person.messages()) == 1
    person.failure = ""
    system.clock.advance(MINUTE_MS)
    look(daemons[1:])
    assert len(person.messages()) == 1
    look(daemons)
    assert person.messages() == []
    assert [line["event"] for line in logged] == ["alert.failed", "alert.told"]  # the reason is said once


def test_of_two_who_are_told_the_one_that_hears_is_not_told_again_of_what_the_other_missed(
    system: QueueSystem, daemons: list[AlertThread], person: Person, logged: Lines
) -> None:
    deaf = Person()
    deaf.failure = "it answered 500"
    daemon = AlertThread(DaemonSettings("a:b", system.url), system.store, [deaf, person])
    kill(system, "a")
    system.add("waits")
    system.clock.advance(6 * MINUTE_MS)
    for _ in range(3):
        daemon.look()
        system.clock.advance(MINUTE_MS)

    assert (len(person.messages()), len(deaf.messages())) == (2, 2)
    system.clock.advance(15 * MINUTE_MS)
    daemon.look()
    assert len(person.messages()) == 1
    said = ["alert.told", "alert.failed"]
    assert [line["event"] for line in logged] == [*said, *said, "alert.told"]  # the reason is said once for each


def test_a_queue_that_waits_is_told_of_unless_it_is_paused(
    system: QueueSystem, daemons: list[AlertThread], person: Person
) -> None:
    system.add("a")
    system.clock.advance(4 * MINUTE_MS)
    look(daemons)
    assert person.messages() == []
    system.clock.advance(2 * MINUTE_MS)
    look(daemons)
    assert person.messages() == ["jobs of q wait: 1 are ready, the oldest for 6m00s"]
    system.clock.advance(20 * MINUTE_MS)
    system.run(upkeep.pause("q"))
    look(daemons)
    assert person.messages() == []


def test_memory_that_is_full_in_an_hour_is_told_of_also_when_it_is_full(
    system: QueueSystem, daemons: list[AlertThread], person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = {"used_memory": "70000000", "maxmemory": "100000000"}
    monkeypatch.setattr("jqjobs.store.reads.memory.memory_info", lambda *_: info)
    for minute in range(20):
        system.run(sample_memory(1_000_000 * minute))
        system.clock.advance(MINUTE_MS)
    look(daemons)
    assert person.messages() == ["Redis will be full in 29m59s at the growth of the last hour"]


@pytest.fixture
def site() -> Iterator[HTTPServer]:
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/hook" else 403)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.bodies = bodies  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_gets_one_json_object_and_is_never_named(site: HTTPServer) -> None:
    url = f"http://127.0.0.1:{site.server_port}"
    settings = DaemonSettings("a:b", "redis://", name="web1", alert_url=f"{url}/hook")
    [tell] = tellers(settings)
    assert tell(ALERT) == ""
    [body] = site.bodies  # type: ignore[attr-defined]
    said = json.loads(body)
    assert said.pop("text") == f"{ALERT.message} ({ALERT.hint})"
    assert said == {"v": 1, **ALERT._asdict(), "daemon": "web1"}
    assert "/hook" not in repr(settings)

    assert post(f"{url}/secret", b"{}") == "it answered 403"
    for nowhere in ("http://127.0.0.1:1/secret", "http://[secret", "http://secret.invalid"):
        complaint = post(nowhere, b"{}")
        assert complaint.startswith("it cannot be reached: ")
        assert "secret" not in complaint


def test_a_command_reads_it_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    told = tmp_path / "told"
    line = f'(cat; echo "$JQ_ALERT_KIND $JQ_ALERT_QUEUE $JQ_ALERT_MESSAGE") > {told}'
    assert execute(line, ALERT, "web1") == ""
    assert told.read_text().endswith(f"died q {ALERT.message}\n")
    assert json.loads(told.read_text().partition("}")[0] + "}")["hint"] == ALERT.hint
    assert execute("exit 3", ALERT, "web1") == "failed with 3"


def test_a_command_that_cannot_be_started_is_a_failure_like_another() -> None:
    assert execute("true " + "x" * 3_000_000, ALERT, "d") == "cannot be started: Argument list too long"
