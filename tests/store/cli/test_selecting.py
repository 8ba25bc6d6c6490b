"""Selectors of `jqctl job list|retry|cancel|delete`: what is found, what is asked, what is done."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem


@pytest.fixture
def dead(system: QueueSystem) -> QueueSystem:
    """Three dead jobs of "mail", two of "bill", one of them with a key."""
    system.run(upkeep.add_queues(["q"]))
    for job_id, name, text in (
        ("m1", "mail", "SMTPError: no route"), ("m2", "mail", "SMTPError: no route"), ("m3", "mail", "KeyError: 7"),
        ("b1", "bill", "SMTPError: refused"), ("b2", "bill", "KeyError: 8"),
    ):  # fmt: skip
        system.add(job_id, name=name, payload=b'{"args":["%s@x.org"]}' % job_id.encode())
        system.round(Kind.DISCARDED, text=text)
    return system


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let somebody sit at the terminal who answers so."""

    def answer(text: str) -> None:
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: print(prompt, file=sys.stderr) or text)

    return answer


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--name", "mail", "--error", "SMTP"], ["m1", "m2"]),
        (["--text", "m3@"], ["m3"]),
        (["--error", "KeyError", "--since", "1h"], ["m3", "b2"]),
        (["--older-than", "1h"], []),
        (["--state", "ready"], []),
        (["--since", "2020-01-31T12:00", "--name", "bill"], ["b1", "b2"]),
        (["--since", "4102444800000"], []),
    ],
)
def test_a_list_has_what_is_selected(dead: QueueSystem, terminal: Terminal, words: list[str], found: list[str]) -> None:
    answer = terminal.json("job", "list", "--queue", "q", *words)
    assert sorted(job["id"] for job in answer["jobs"]) == sorted(found)
    assert terminal.run("job", "list", "--queue", "q", *words, "-o", "ids") == 0
    assert sorted(terminal.out.split()) == sorted(f"q/{job_id}" for job_id in found)


def test_a_list_says_how_much_was_searched_and_each_job_its_facts(dead: QueueSystem, terminal: Terminal) -> None:
    answer = terminal.json("job", "list", "--queue", "q", "--name", "bill", "--limit", "1")
    searched = answer["searched"]
    assert 1 <= searched <= 4
    assert answer["total"] == 5
    [job] = answer["jobs"]
    assert (job["id"], job["state"], job["key"], job["tags"]) == ("b1", "dead", None, [])
    assert job["since_ms"] == job["finished_ms"] >= job["due_ms"] == job["enqueued_ms"]
    assert terminal.run("job", "list", "--queue", "q", "--name", "bill", "--limit", "1") == 0
    assert f"--cursor {answer['cursor']}" in terminal.out
    rest = terminal.json("job", "list", "--queue", "q", "--name", "bill", "--cursor", answer["cursor"])
    assert ([job["id"] for job in rest["jobs"]], rest["cursor"]) == (["b2"], None)


def test_selected_dead_jobs_go_back(dead: QueueSystem, terminal: Terminal) -> None:
    words = ("job", "retry", "--queue", "q", "--name", "mail", "--error", "SMTP")
    assert terminal.json(*words, "--dry-run") == {
        "queue": "q", "retried_count": 0, "refused_count": 0, "cancelled_count": 0,
        "matched": 2, "done": 0, "left": 0, "cursor": None, "dry_run": True,
    }  # fmt: skip
    assert terminal.run(*words, "--dry-run") == 0
    assert terminal.out == "queue q: 2 jobs to retry\n"
    assert dead.ids("ready") == []
    assert terminal.run(*words, "--yes") == 0
    assert terminal.out == "queue q: 2 of 2 dead jobs sent back\n"
    assert dead.ids("ready") == ["m1", "m2"]


def test_selected_jobs_are_deleted(dead: QueueSystem, terminal: Terminal) -> None:
    answer = terminal.json("job", "delete", "--queue", "q", "--state", "dead", "--error", "KeyError", "--yes")
    assert (answer["matched"], answer["done"], answer["deleted_count"]) == (2, 2, 2)
    assert sorted(dead.ids("dead")) == ["b1", "m1", "m2"]
    assert terminal.run("job", "delete", "--queue", "q", "--state", "dead", "--yes") == 0
    assert terminal.out == "queue q, dead: 3 jobs deleted\n"


def test_selected_jobs_are_cancelled_in_whatever_state_they_wait(dead: QueueSystem, terminal: Terminal) -> None:
    dead.add("r", name="mail")
    dead.add("s", name="mail", due="+60000")
    dead.add("other", name="bill")
    assert terminal.json("job", "cancel", "--queue", "q", "--name", "mail", "--yes")["done"] == 2
    assert dead.ids("ready") == ["other"]


@pytest.mark.parametrize(
    "words",
    [("retry", "--error", "SMTP"), ("delete", "--state", "dead"), ("cancel", "--name", "mail"),
     ("cancel", "--state", "ready", "--all")],
)  # fmt: skip
def test_where_nobody_can_be_asked_nothing_is_done(
    dead: QueueSystem, terminal: Terminal, words: tuple[str, ...]
) -> None:
    before = dead.everything()
    assert terminal.run("job", *words, "--queue", "q") == Exit.USAGE
    assert "nobody can be asked here: say --yes" in terminal.err
    assert dead.everything() == before


def test_a_person_is_told_how_many_there_are_and_asked(
    dead: QueueSystem, terminal: Terminal, answering: Callable[[str], None]
) -> None:
    words = ("job", "delete", "--queue", "q", "--state", "dead", "--error", "SMTP")
    answering("n")
    assert terminal.run(*words) == Exit.INTERRUPTED
    assert "Delete 3 jobs of queue q?" in terminal.err
    assert len(dead.ids("dead")) == 5
    answering("y")
    assert terminal.run(*words) == 0
    assert terminal.out == "queue q, dead: 3 jobs deleted\n"
    assert sorted(dead.ids("dead")) == ["b2", "m3"]


def test_nobody_is_asked_about_nothing(dead: QueueSystem, terminal: Terminal, answering: Callable[[str], None]) -> None:
    answering("n")
    assert terminal.run("job", "delete", "--queue", "q", "--state", "dead", "--error", "none such") == 0
    assert terminal.out == "queue q, dead: no jobs deleted\n"


def test_a_queue_that_is_not_there_is_told(terminal: Terminal) -> None:
    assert terminal.run("job", "retry", "--queue", "nope", "--error", "x", "--yes") == Exit.NOT_FOUND
