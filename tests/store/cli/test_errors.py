"""`jqctl errors`: what dead jobs died of, for people and for tools."""

from __future__ import annotations

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.cancels import cancel
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem


@pytest.fixture
def failing(system: QueueSystem) -> QueueSystem:
    """Two dead of one error in a queue, one that was cancelled in another."""
    system.run(upkeep.add_queues(["q", "r"]))
    system.add("a", "b", name="send")
    ends = [
        Outcome(job, Kind.DISCARDED, error="shop: no card 4", line=b"{}", group="f1") for job in system.take(want=2)
    ]
    system.trip("w", 0, ends)
    system.add("c", queue="r", name="count")
    system.run(cancel("r", ["c"]))
    return system


def test_tools_are_told_all_of_every_group(failing: QueueSystem, terminal: Terminal) -> None:
    died_ms = int(failing.job("b")["finished"])
    first, second = terminal.json("errors")["errors"]
    assert first == {
        "fingerprint": "f1", "queue": "q", "name": "send", "error": "shop: no card 4", "count": 2, "first_ms": died_ms,
        "last_ms": died_ms, "sample_id": "b",
    }  # fmt: skip
    assert (second["fingerprint"], second["error"], second["sample_id"]) == ("cancelled:count", None, "c")


def test_people_see_the_most_frequent_first(failing: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("errors") == Exit.OK
    title, first, second = terminal.out.splitlines()
    assert title.split() == ["DEAD", "QUEUE", "JOB", "LAST", "FIRST", "ERROR", "SAMPLE"]
    assert first.split()[:3] == ["2", "q", "send"]
    assert "shop: no card 4" in first
    assert second.split()[:3] == ["1", "r", "count"]
    assert " cancelled " in second


def test_other_commands_are_given_the_samples(failing: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("errors", "--queue", "q", "-o", "ids") == Exit.OK
    assert terminal.out.split() == ["q/b"]


def test_where_nothing_is_dead_it_says_so(system: QueueSystem, terminal: Terminal) -> None:
    assert terminal.json("errors") == {"errors": []}
    terminal.run("errors")
    assert terminal.out == "No job is dead.\n"
    assert terminal.run("errors", "--queue", "nowhere") == Exit.NOT_FOUND
