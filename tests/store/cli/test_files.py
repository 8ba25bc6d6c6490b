"""`jqctl job export` and `jqctl job import`: what was exported can be enqueued anew, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem


def kill(system: QueueSystem, *ids: str, text: str = "boom", **job: Any) -> None:
    system.run(upkeep.add_queues(["q"]))
    for job_id in ids:
        system.add(job_id, **job)
        system.round(Kind.DISCARDED, text=text)


def exported(terminal: Terminal, *words: str) -> list[dict[str, Any]]:
    assert terminal.run("job", "export", "--queue", "q", *words) == 0
    return [json.loads(line) for line in terminal.out.splitlines()]


def test_a_line_has_what_a_job_was_asked_to_do_and_what_became_of_it(system: QueueSystem, terminal: Terminal) -> None:
    kill(system, "a", name="mail", payload=b'{"args":[7]}', key="k", priority=3, fields=("max_attempts", 4))
    [line] = exported(terminal)
    assert (line["v"], line["id"], line["queue"], line["name"], line["state"]) == (1, "a", "q", "mail", "dead")
    assert (line["payload"], line["key"], line["priority"]) == ({"args": [7]}, "k", 3)
    assert (line["options"], line["failures"], line["error"]) == ({"max_attempts": 4}, 1, "boom")


def test_what_is_selected_is_exported_and_nothing_is_changed(system: QueueSystem, terminal: Terminal) -> None:
    kill(system, *[f"d{n:03}" for n in range(130)], text="SMTPError")
    kill(system, "other")
    before = system.everything()
    assert sorted(line["id"] for line in exported(terminal, "--error", "SMTP")) == [f"d{n:03}" for n in range(130)]
    assert exported(terminal, "--state", "ready") == []
    assert system.everything() == before


PAYLOADS = [
    b'{"args":[1.10,12345678901234567890123,1e400]}', '{"kwargs":{"name":"Grüße \u202e"}}'.encode(),
    b'{"args":[\n1\r\n]}',
    b"no json", b'{"args":["\xff"]}', b"",
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_was_exported_can_be_enqueued_anew(
    system: QueueSystem, terminal: Terminal, payload: bytes, tmp_path: Path
) -> None:
    kill(
        system,
        "a",
        name="mail",
        payload=payload,
        key="k",
        priority=3,
        fields=("keep", 5000, "limits", "-", "tags", "a b"),
    )
    system.add("later", due="+60000", coalesce="queued", key="x")
    before = {job_id: system.job(job_id) for job_id in ("a", "later")}
    exported(terminal)
    (tmp_path / "jobs.jsonl").write_bytes(terminal.out.encode())
    assert terminal.run("job", "delete", "q/a", "q/later", "--yes") == 0

    assert terminal.json("job", "import", str(tmp_path / "jobs.jsonl")) == {"imported_count": 2, "present_count": 0}

    assert (system.states("a"), system.states("later")) == (["ready"], ["scheduled"])
    for field in ("name", "payload", "priority", "key", "keep", "limits", "coalesce"):
        for job_id in before:
            was = before[job_id].get(field)
            wanted = was.replace("\n", " ").replace("\r", " ") if was else was
            assert system.job(job_id).get(field) == wanted, field
    assert system.job("later")["due"] == before["later"]["due"]
    assert "failures" not in system.job("a")


def test_an_import_may_be_repeated_and_go_to_another_queue(
    system: QueueSystem, terminal: Terminal, tmp_path: Path
) -> None:
    kill(system, "a", "b")
    exported(terminal)
    file = tmp_path / "jobs.jsonl"
    file.write_text(terminal.out + "\n")
    assert terminal.json("job", "import", str(file)) == {"imported_count": 0, "present_count": 2}
    assert terminal.run("job", "import", str(file), "--queue", "other") == 0
    assert terminal.out == "2 jobs imported\n"
    assert sorted(system.ids("ready", queue="other")) == ["a", "b"]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"queue":"q"}', '{"queue":"q","id":"x","name":"n","v":2,"payload":{}}',
             '{"queue":"q","id":"a b","name":"n","payload":{}}', '{"queue":"q","id":"x","name":"n","priority":"high"}',
             '{"queue":"q","id":"x","name":"n","priority":9999,"payload":{}}',
             '{"queue":"q","id":"x","name":"n","coalesce":"ever","payload":{}}',
             '{"queue":"q","id":"x","name":"n","options":{"timeout":0},"payload":{}}',
             '{"queue":"q","id":"x","name":"n","payload_base64":"%%%"}'],
)  # fmt: skip
def test_a_line_that_is_no_job_ends_an_import_and_is_named(
    system: QueueSystem, terminal: Terminal, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text(line + "\n")
    assert terminal.run("job", "import", str(file)) == Exit.USAGE
    assert "line 1: " in terminal.err
    assert "stopped early: no jobs imported" in terminal.err
    assert system.ids("ready") == []
